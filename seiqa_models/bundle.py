"""Save and load a trained stack with its feature recipe and model card, without pickle.

A bundle is a folder:

- ``model.skops``: the regressor. skops rebuilds objects from a description and runs no code from
  the file; only the types that `seiqa_models.trust` allows may be rebuilt.
- ``bundle.json``: format version, recipe, card, library versions, and the SHA-256, size and
  members of ``model.skops``.
- ``card.md``: the model card for people.

A bundle may come from an untrusted source. It is checked in steps, each of which limits what the
next can do, and the first problem is reported in one line: the files (regular and not too large),
the typed manifest, the model file against the manifest, its members and its description before
anything is built from it, and finally the rebuilt model, by predicting made-up rows (see
:mod:`seiqa_models.inspection`).
"""

from __future__ import annotations

import copy
import logging
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import skops.io
from skops.io.exceptions import UntrustedTypesFoundException

from seiqa_features.commits import committing, current, settle
from seiqa_features.locks import forkable_lock
from seiqa_models.card import render_card
from seiqa_models.core.errors import TableError
from seiqa_models.core.persistence import canonical_dump
from seiqa_models.inspection.files import read_bounded
from seiqa_models.inspection.manifest import (
    BOXED,
    MANIFEST_FILE,
    Manifest,
    ModelFile,
    bundle_in,
    read_manifest,
)
from seiqa_models.inspection.members import UnsoundModelError, list_members, open_model
from seiqa_models.inspection.schema import check_schema
from seiqa_models.inspection.soundness import require_sound
from seiqa_models.stack.pool.fitted import check_members
from seiqa_models.stack.regressor import SeiqaRegressor
from seiqa_models.trust import refused_types, trusted_types

logger = logging.getLogger(__name__)
_reading = forkable_lock()  # what silences warnings does so for all threads, one after the other

MODEL_FILE = "model.skops"
CARD_FILE = "card.md"

LIBRARIES = ("catboost", "lightgbm", "numpy", "pandas", "scikit-learn", "skops", "xgboost")
"""Libraries whose version can change what a saved model predicts."""


@dataclass(frozen=True)
class Bundle:
    """A loaded bundle: the fitted regressor, the feature recipe and the model card's content."""

    regressor: SeiqaRegressor
    recipe: dict[str, Any]
    card: dict[str, Any]


def save_bundle(
    folder: Path | str, regressor: SeiqaRegressor, *, recipe: dict[str, Any], card: dict[str, Any]
) -> None:
    """Write a bundle, replacing an earlier one at the same place only once it is complete.

    A process that is killed leaves either the old bundle or the new one, in a loadable state.
    Out-of-fold predictions are left out: they are not needed for prediction.

    Parameters
    ----------
    folder : path
        The bundle's folder; parent folders are created.
    regressor : SeiqaRegressor
        Fitted.
    recipe : dict
        JSON-ready: what to extract to obtain the regressor's columns.
    card : dict
        JSON-ready content of the model card; see :func:`seiqa_models.card.render_card`.

    Raises
    ------
    TableError
        ``folder`` exists and is not a bundle, or the model holds a type that could not be loaded
        again.
    ValueError
        The card does not say what kind of labels the model was trained on.
    """
    folder = Path(folder)
    if folder.is_dir():
        settle(folder)
    if _is_something_else(folder):
        raise TableError(
            f"{folder} exists and is not a bundle, so it is not replaced: name another folder"
        )
    text = render_card(card)
    model = canonical_dump(_as_saved(regressor))
    if refused := refused_types(model):
        raise TableError(
            f"{folder} is not written: the model holds {', '.join(refused)}, which no bundle may"
            " hold; see seiqa_models/trust.py for how a package of yours makes its types known"
        )
    members = _inspect(model, folder / MODEL_FILE)
    manifest = Manifest(
        model=ModelFile.of(model, members),
        versions={name: version(name) for name in LIBRARIES},
        recipe=recipe,
        card=card,
    )
    with committing(folder) as fresh:
        (fresh / CARD_FILE).write_text(text, encoding="utf-8")
        (fresh / MANIFEST_FILE).write_text(manifest.to_json(), encoding="utf-8")
        (fresh / MODEL_FILE).write_bytes(model)


def save_card(folder: Path | str, card: dict[str, Any]) -> None:
    """Replace the card of a bundle; the model's file stays as it is.

    Raises
    ------
    TableError
        There is no bundle, or its manifest is damaged.
    ValueError
        As `save_bundle`.
    """
    folder = Path(folder)
    settle(folder)
    manifest = read_manifest(folder).model_copy(update={"card": card})
    text = render_card(card)
    with committing(folder) as fresh:
        (fresh / CARD_FILE).write_text(text, encoding="utf-8")
        (fresh / MANIFEST_FILE).write_text(manifest.to_json(), encoding="utf-8")


def load_bundle(folder: Path | str) -> Bundle:
    """Read a bundle and check its integrity.

    A bundle written with other library versions loads with a logged warning.

    Parameters
    ----------
    folder : path
        The bundle, or the folder of the trained run that it belongs to.

    Raises
    ------
    TableError
        There is no bundle, its format version differs, its model file was changed or is unreadable,
        or the model holds a type that is not allowed.
    """
    folder = bundle_in(Path(folder) if isinstance(folder, str) else folder)
    manifest = read_manifest(folder)
    path = current(folder / MODEL_FILE)
    try:
        model = read_bounded(path, manifest.model.size)
    except OSError as error:
        raise TableError(f"{path} cannot be read ({error.strerror}): train again") from error
    if changed := manifest.model.differs(model):
        raise TableError(f"{path} is not the file that was saved ({changed}): train again")
    if _inspect(model, path) != manifest.model.members:
        raise TableError(f"{path} holds other members than {MANIFEST_FILE} says: train again")
    _warn_of_other_versions(folder, manifest.versions)
    with _reading:
        regressor = _read_model(path, model)
    return Bundle(regressor, manifest.recipe, manifest.card)


def load_built_in() -> Bundle:
    """Read the bundle shipped with the package.

    Raises
    ------
    TableError
        The installation lacks it; otherwise as `load_bundle`.
    """
    if not (BOXED / MANIFEST_FILE).is_file():
        raise TableError(
            f"{BOXED}: the built-in model is missing from this installation; name a trained run's"
            " bundle (--bundle), or install the package again"
        )
    return load_bundle(BOXED)


def _as_saved(regressor: SeiqaRegressor) -> SeiqaRegressor:
    """The regressor without what prediction does not need: out-of-fold results, column order."""
    slim = copy.copy(regressor)
    if hasattr(slim, "feature_names_in_"):
        slim.feature_names_in_ = np.array(slim.features_, dtype=object)
    if hasattr(slim, "oof_"):  # a loaded regressor has none
        del slim.oof_
    return slim


def _is_something_else(folder: Path) -> bool:
    """Whether the path is a file, or a folder that holds something other than a bundle."""
    if not folder.is_dir():
        return folder.exists()
    return not (folder / MANIFEST_FILE).is_file() and any(folder.iterdir())


def _inspect(model: bytes, path: Path) -> dict[str, str]:
    """Members of a model file, after checking that it is safe to rebuild."""
    try:
        with open_model(model) as archive:
            members = list_members(archive)
            check_schema(archive)
    except UnsoundModelError as error:
        raise TableError(f"{path} is not a sound model: {error}") from None
    return members


def _read_model(path: Path, model: bytes) -> SeiqaRegressor:
    try:
        with warnings.catch_warnings():  # version differences are reported in one line
            warnings.simplefilter("ignore")
            regressor = skops.io.loads(model, trusted=trusted_types(model))
    except UntrustedTypesFoundException as error:
        what = f"of no plug-in installed here: {', '.join(refused_types(model))}"
        raise TableError(f"{path} holds a type that is not allowed, {what}") from error
    except Exception as error:  # a forged description, or another library version
        raise TableError(f"{path} cannot be rebuilt ({type(error).__name__}: {error})") from error
    if not isinstance(regressor, SeiqaRegressor):
        raise TableError(f"{path} holds a {type(regressor).__name__}, expected a SeiqaRegressor")
    try:
        check_members(regressor.learners)
        require_sound(regressor)
    except ValueError as error:
        raise TableError(f"{path} holds what this installation does not know: {error}") from None
    except UnsoundModelError as error:
        raise TableError(f"{path} is not a sound model: {error}") from None
    return regressor


def _warn_of_other_versions(folder: Path, saved: Mapping[str, str]) -> None:
    for name in LIBRARIES:
        now = version(name)
        then = saved.get(name, now)
        if now != then:
            logger.warning("%s was saved with %s %s, now is %s", folder, name, then, now)
