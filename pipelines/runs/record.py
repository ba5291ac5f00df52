"""run.json: which files of a run folder belong together, with checksums of their content.

Each step records the SHA-256 of every file it wrote, and of its inputs. The files and run.json are
replaced together (`seiqa_features.commits`), so a killed step leaves a consistent run. A file that
differs when read was changed externally or copied from another run, and is refused.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

import pandas as pd
from pydantic import BaseModel, ConfigDict, ValidationError

from seiqa_features.commits import current
from seiqa_features.errors import DataError
from seiqa_features.files import sha256_of
from seiqa_features.spending import Spent
from seiqa_features.table.recipe import Recipe

RECORD = "run.json"
CHECKSUM = "checksum"
MODEL = "bundle/model.skops"

PAIR_COLUMNS = (
    "pair_id", "ref_key", "dist_key", "mos", "group_id", "split", "order", "distortion",
)  # fmt: skip
"""The properties of a pair that matter to later steps; file locations do not."""


class Written(BaseModel):
    """What one step wrote: SHA-256 by file name."""

    model_config = ConfigDict(extra="forbid")

    files: dict[str, str]


class Features(Written):
    """Written by `features`; `digest` identifies the pairs and the recipe of their features.

    `spent` is None if the store had every row.
    """

    digest: str
    spent: Spent | None = None


class Training(Written):
    """Written by `train`, from features of that digest (None: a table), with these settings."""

    features: str | None
    settings: dict[str, Any]
    spent: Spent | None = None

    @property
    def step(self) -> str:
        """The verb that wrote it."""
        return "train" if self.features else "fit-table"


class Scores(Written):
    """Written by `submit`, from features of that digest with a model of that SHA-256."""

    features: str
    model: str


class Record(BaseModel):
    """Content of run.json; steps not yet run are None."""

    model_config = ConfigDict(extra="forbid")

    version: Literal[1] = 1
    features: Features | None = None
    training: Training | None = None
    scores: Scores | None = None

    @property
    def scores_are_current(self) -> bool:
        """Whether the scores of the test pairs come from the current features and training."""
        if self.scores is None or self.training is None or self.features is None:
            return False
        same_model = self.scores.model == self.training.files.get(MODEL)
        return same_model and self.scores.features == self.features.digest

    def save(self, folder: Path) -> None:
        """Write run.json into a folder, with a checksum of its own content."""
        content = {**self.model_dump(mode="json"), CHECKSUM: self.checksum}
        (folder / RECORD).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")

    @property
    def checksum(self) -> str:
        """32 hex digits over the content."""
        return _digest(self.model_dump(mode="json"))


def read_record(run: Path) -> Record | None:
    """The record of a run folder; None if there is none (nothing written, or by an old version).

    Raises
    ------
    DataError
        It is damaged or from another version.
    """
    path = current(run / RECORD)
    try:
        content = json.loads(path.read_bytes())
        checksum = content.pop(CHECKSUM, None) if isinstance(content, dict) else None
        record = Record.model_validate(content)
        if checksum not in (None, record.checksum):
            raise ValueError("its checksum differs")
    except FileNotFoundError:
        return None
    except (ValueError, RecursionError) as error:
        what = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
        raise DataError(
            [f"{path}: not a record of this version of seiqa ({what}); run `seiqa run` again"]
        ) from None
    return record


def checksums(folder: Path, names: Iterable[str]) -> dict[str, str]:
    """SHA-256 of files in a folder, by name."""
    return {name: sha256_of(folder / name) for name in names}


def require_unchanged(run: Path, written: Written, names: Iterable[str], *, step: str) -> None:
    """Refuse files that differ from those a step wrote.

    Raises
    ------
    DataError
        One is missing or has changed.
    """
    for name in names:
        path = current(run / name)
        if not path.is_file():
            raise DataError([f"{run}: {name} is missing; run `seiqa {step}` again"])
        if sha256_of(path) != written.files.get(name):
            raise DataError(
                [f"{path}: not the file that `seiqa {step}` wrote (changed, or of another run);"
                 f" run `seiqa {step}` again"]
            )  # fmt: skip


def features_digest(pairs: pd.DataFrame, recipe: Recipe) -> str:
    """32 hex digits over the pair table (except paths) and the recipe."""
    more = ["collection"] if "collection" in pairs else []
    columns = pairs[[*PAIR_COLUMNS, *more]].astype(object)
    content = {
        "recipe": recipe.to_dict(),
        "pairs": columns.where(columns.notna(), None).to_numpy().tolist(),
        "labels": [pairs.attrs["label_kind"], pairs.attrs["label_range"]],
    }
    if more:
        content["collections"] = pairs.attrs["collections"]
    return _digest(content)


def _digest(content: dict[str, Any]) -> str:
    """32 hex digits over a JSON object, whatever the order of its entries."""
    text = json.dumps(content, sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
