"""run.json: which files of a run folder belong together, and that they are what was written.

Each step notes the SHA-256 of every file it wrote, and what it made them from. The files and
run.json change together (`seiqa_features.commits`), so a killed step leaves a whole run. What a
reader then finds changed was changed by somebody else, or copied from another run: it is refused.
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
from seiqa_features.table.recipe import Recipe

RECORD = "run.json"
MODEL = "bundle/model.skops"

PAIR_COLUMNS = (
    "pair_id", "ref_key", "dist_key", "mos", "group_id", "split", "order", "distortion",
)  # fmt: skip
"""What makes a pair what it is to everything after; where its files lie does not."""


class Written(BaseModel):
    """What one step wrote: SHA-256 by file name."""

    model_config = ConfigDict(extra="forbid")

    files: dict[str, str]


class Features(Written):
    """By `features`; `digest` stands for the pairs and for what was computed of them."""

    digest: str


class Training(Written):
    """By `train`, from features of that digest (None: from a table), with these settings."""

    features: str | None
    settings: dict[str, Any]

    @property
    def step(self) -> str:
        """The verb that wrote it."""
        return "train" if self.features else "fit-table"


class Scores(Written):
    """By `submit`, from features of that digest with a model of that SHA-256."""

    features: str
    model: str


class Record(BaseModel):
    """Content of run.json; what has not been done is None."""

    model_config = ConfigDict(extra="forbid")

    version: Literal[1] = 1
    features: Features | None = None
    training: Training | None = None
    scores: Scores | None = None

    @property
    def scores_are_current(self) -> bool:
        """Whether the scores of the test pairs come of the features and the training here."""
        if self.scores is None or self.training is None or self.features is None:
            return False
        same_model = self.scores.model == self.training.files.get(MODEL)
        return same_model and self.scores.features == self.features.digest

    def save(self, folder: Path) -> None:
        """Write run.json into a folder."""
        (folder / RECORD).write_text(self.model_dump_json(indent=1) + "\n", encoding="utf-8")


def read_record(run: Path) -> Record | None:
    """The record of a run folder; None where there is none (nothing written, or long ago).

    Raises
    ------
    DataError
        It is damaged, or of another version.
    """
    path = current(run / RECORD)
    try:
        return Record.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError as error:
        what = error.errors()[0]["msg"]
        raise DataError(
            [f"{path}: not a record of this version of seiqa ({what}); run `seiqa run` again"]
        ) from None


def checksums(folder: Path, names: Iterable[str]) -> dict[str, str]:
    """SHA-256 of files in a folder, by name."""
    return {name: _sha256(folder / name) for name in names}


def require_unchanged(run: Path, written: Written, names: Iterable[str], *, step: str) -> None:
    """Refuse files that are not those which a step wrote.

    Raises
    ------
    DataError
        One is missing, or is another file.
    """
    for name in names:
        path = current(run / name)
        if not path.is_file():
            raise DataError([f"{run}: {name} is missing; run `seiqa {step}` again"])
        if _sha256(path) != written.files.get(name):
            raise DataError(
                [f"{path}: not the file that `seiqa {step}` wrote (changed, or of another run);"
                 f" run `seiqa {step}` again"]
            )  # fmt: skip


def features_digest(pairs: pd.DataFrame, recipe: Recipe) -> str:
    """32 hex digits over the pair table (but for paths) and the recipe."""
    columns = pairs[list(PAIR_COLUMNS)].astype(object)
    content = {
        "recipe": recipe.to_dict(),
        "pairs": columns.where(columns.notna(), None).to_numpy().tolist(),
        "labels": [pairs.attrs["label_kind"], pairs.attrs["label_range"]],
    }
    text = json.dumps(content, sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
