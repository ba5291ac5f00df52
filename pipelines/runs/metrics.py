"""metrics.json: the figures of an evaluation and what the run adds, typed and with a version."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import ValidationError

from seiqa_features.commits import current
from seiqa_features.errors import DataError
from seiqa_features.files import write_whole
from seiqa_models.results import Ablation, Figures, Record, Summary

VERSION: Final = 1


class Splits(Record):
    """What folds were made by, and why."""

    by: Literal["group", "block"]
    why: str


class TableColumns(Record):
    """The roles of a table's columns; see `seiqa_models.audit.tables.Roles`."""

    label: str
    group: str
    order: str | None
    kind: str | None
    drop: list[str]
    features: list[str]


class ConstructedOrders(Record):
    """What a stack learned from besides labels; see `pipelines.sense.orders`.

    Attributes
    ----------
    references : int
        Training references that pairs were made of.
    pairs, orders : int
        Pairs without labels, and orders between them.
    """

    references: int
    pairs: int
    orders: int


class Sense(Record):
    """How many relations between edited photographs the fitted stack keeps; no label is used.

    Attributes
    ----------
    shares : dict of float
        Share that holds, 0..1, by class; see `pipelines.sense.suite.CLASSES`.
    relations : dict of int
        Their number by class.
    mean : float
        Over the classes.
    photographs : int
    seconds : float
    """

    shares: dict[str, float]
    relations: dict[str, int]
    mean: float
    photographs: int
    seconds: float

    @property
    def least(self) -> tuple[str, float]:
        """The class of which least is kept, and its share."""
        return min(self.shares.items(), key=lambda item: item[1])


class Metrics(Figures):
    """Content of metrics.json.

    Attributes
    ----------
    version : int
        Of the format.
    label_kind : str
        "MOS", or "pseudo-label" if a program made the labels up.
    source : str
        The data set or table.
    splits : Splits | None
        None where the folds are those that were asked for.
    audit : dict | None
        What `seiqa_models.audit.audit.audit` found; None where it was not asked.
    transfer_left_out : str | None
        Why there is no `transfer` although kinds of distortion are known.
    heldout : dict[str, Summary] | None
        The fitted stack on labelled rows that were never trained on, by split.
    ablation : Ablation | None
        None where it was not worth its while; see `pipelines.runs.model.ablate`.
    sense : Sense | None
        None where the features come from no pictures, or see `sense_left_out`.
    sense_left_out : str | None
        Why there is no `sense` although there are pictures.
    orders : ConstructedOrders | None
        None where the stack learned from labels alone.
    unlabelled : int
        Rows of a table that were left out because they have no label.
    columns : TableColumns | None
        None where the features come from pictures.
    """

    version: Literal[1] = VERSION
    label_kind: str
    source: str
    splits: Splits | None = None
    audit: dict[str, Any] | None = None
    transfer_left_out: str | None = None
    heldout: dict[str, Summary] | None = None
    ablation: Ablation | None = None
    sense: Sense | None = None
    sense_left_out: str | None = None
    orders: ConstructedOrders | None = None
    unlabelled: int = 0
    columns: TableColumns | None = None

    @classmethod
    def of(cls, figures: Figures, **more: Any) -> Metrics:
        """The figures with the fields that the run adds."""
        return cls.model_validate({**figures.to_dict(), **more})


def learners_worth(figures: Figures) -> dict[str, float]:
    """Weight of each learner, or its own final where the fusion has no weights."""
    if figures.weights is not None:
        return dict(figures.weights.final)
    return {name: summary.final for name, summary in figures.learners.items()}


def write_metrics(path: Path, metrics: Metrics) -> None:
    """Write whole or not at all; undefined numbers become null."""
    write_whole(path, metrics.model_dump_json(indent=1) + "\n")


def read_metrics(path: Path) -> Metrics:
    """Read metrics.json.

    Raises
    ------
    DataError
        It is damaged, of another version of seiqa, or no such file; one line says so.
    """
    path = current(path)
    try:
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise _unusable(path, f"cannot be read ({error})") from None
    version = content.get("version") if isinstance(content, dict) else None
    if version != VERSION:
        found = "of no version" if version is None else f"of version {version!r}"
        raise _unusable(path, f"metrics {found}, this seiqa reads version {VERSION}")
    try:
        return Metrics.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise _unusable(path, f"not the metrics of a run ({where}: {first['msg']})") from None


def _unusable(path: Path, why: str) -> DataError:
    return DataError([f"{path}: {why}; run `seiqa train` again"])
