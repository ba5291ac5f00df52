"""The step `finetune`: train a multimodal model on the folds of the honest estimate."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pipelines.runs.folder import exclusive
from pipelines.runs.model import choose_splits
from pipelines.runs.readiness import before_decoding, require_trainable
from pipelines.scales import label_range_of
from pipelines.settings import Settings
from pipelines.steps.extracting import checked_pairs
from seiqa_features.datasets import find_pairs
from seiqa_features.datasets.pairs import Found, training_rows
from seiqa_features.errors import UsageError
from seiqa_features.extractors.multimodal.models import Model, model_of, require_class
from seiqa_features.pictures.views import View
from seiqa_features.progress import Progress, unwatched
from seiqa_features.table.recipe import Recipe

if TYPE_CHECKING:
    from seiqa_models.finetune.recipe import Recipe as Constants


@dataclass(frozen=True)
class FineTuning:
    """The result of `finetune`.

    Attributes
    ----------
    folder : Path
        The fine-tuned model; as a feature it is called `finetuned:<folder>`.
    predictions : pd.DataFrame
        Out-of-fold predictions: `pair_id, fold, mos, score`.
    left_out : list[str]
        One line for each pair left out.
    """

    folder: Path
    predictions: pd.DataFrame
    left_out: list[str]


def finetune(
    settings: Settings,
    *,
    on_image: Progress = unwatched,
    on_pair: Progress = unwatched,
    say: Callable[[str], None] = print,
) -> FineTuning:
    """Train one member per fold of `train`; continue where a killed fine-tuning stopped.

    Everything that can be known in advance is checked before a picture is decoded.

    Parameters
    ----------
    say : callable
        Gets a line about the needs before training starts, and one about every epoch.

    Raises
    ------
    UsageError
        The configuration has no setting finetune, the base model does not exist, or there are
        several collections.
    WeightsError
        transformers is too old, or files of the base model are missing and cannot be fetched.
    DeviceError
        The device cannot train the model; see `require_device`.
    DataError, TableError
        The data cannot be trained on; or the run folder holds another fine-tuning.
    """
    from seiqa_models.core.splits import make_folds
    from seiqa_models.finetune.members import Work
    from seiqa_models.finetune.members import finetune as train_members

    if settings.finetune is None:
        raise UsageError(
            f"config {settings.config} has no setting finetune; use --config redpanqa, or add it"
        )
    recipe = settings.finetune
    model = model_of(recipe.base)
    View.parse(recipe.view)
    data = settings.named_data()
    with exclusive(settings.run):
        listed = _on_one_scale(find_pairs(data, settings.dmos))
        before_decoding(settings, listed)
        require_class()
        runtime = settings.runtime()
        # This fetches what is missing, or says so.
        runtime.bind(Recipe.parse({model.name: [recipe.view]}))
        files = {weight.name: runtime.weight_files.verified(weight) for weight in model.files}
        found, left_out = checked_pairs(settings, listed, on_image)
        splits = choose_splits(settings, found)
        require_trainable(settings, found, splits)
        pairs = found[training_rows(found)].reset_index(drop=True)
        folds = make_folds(
            pairs["group_id"].to_numpy(),
            pairs["order"].to_numpy() if splits.blocks else None,
            n_splits=settings.folds,
            seed=settings.seed,
        )
        say(_needs(recipe, model, files, runtime.device, len(pairs), len(folds)))
        pairs.attrs = found.attrs
        declared = label_range_of(settings, pairs)
        low, high = declared or (float(pairs["mos"].min()), float(pairs["mos"].max()))
        work = Work(recipe, model, files, pairs, folds, (low, high), settings.seed)
        predictions = train_members(
            work, settings.finetuned, runtime.device, on_pair=on_pair, on_epoch=say
        )
    return FineTuning(settings.finetuned, predictions, left_out)


def _on_one_scale(listed: Found) -> Found:
    """The pairs that a layout lists, unless they are several collections."""
    if len(listed.collections) > 1:
        raise UsageError(
            f"{listed.source}: finetune needs labels on one scale, and these are the"
            f" collections {', '.join(listed.collections)}; name the data of one"
        )
    return listed


def _needs(
    recipe: Constants,
    model: Model,
    files: dict[str, Path],
    device: str,
    pairs: int,
    folds: int,
) -> str:
    """A line about memory and time, if the device can do it."""
    from transformers import Qwen3VLConfig

    from seiqa_models.finetune.recipe import needs_of, require_device, speed_of

    (path,) = (path for name, path in files.items() if name.endswith("/config.json"))
    config = Qwen3VLConfig.from_dict(json.loads(path.read_text(encoding="utf-8")))
    needs = needs_of(
        recipe, config, pairs=pairs, folds=folds, operations_per_second=speed_of(device)
    )
    require_device(recipe, model, device, needs)
    hours = np.format_float_positional(needs.hours, 2, fractional=False, trim="-")
    return (
        f"fine-tuning {recipe.base} on {device}: about {needs.gigabytes:.1f} GB of memory and"
        f" {hours} hours for {folds} folds of {pairs} pairs, {needs.trained / 1e6:.1f} million"
        " trained numbers each"
    )
