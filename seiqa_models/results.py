"""The typed figures of an evaluation: the results of :func:`evaluate`, which are saved as JSON.

An undefined figure is NaN, which JSON lacks: it is written as null and read as NaN.
"""

from __future__ import annotations

import math
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict

Number = Annotated[float, BeforeValidator(lambda value: math.nan if value is None else value)]
"""A float; null in JSON stands for NaN."""


class Record(BaseModel):
    """Base of all records: immutable, and unknown fields are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore", ser_json_inf_nan="null")


class Summary(Record):
    """Agreement of held-out predictions with the labels.

    Attributes
    ----------
    srocc, plcc, krocc, final : float
        In -1..1; final is 0.6 · srocc + 0.4 · plcc.
    rmse : float
        In units of the label.
    interval : (float, float)
        95 % bootstrap interval of final over groups.
    """

    srocc: Number
    plcc: Number
    krocc: Number
    rmse: Number
    final: Number
    interval: tuple[Number, Number]


class Difference(Record):
    """Result of :func:`seiqa_models.evaluation.compare.compare` for two systems."""

    difference: Number
    interval: tuple[Number, Number]
    p_value: Number


class BestSingle(Summary):
    """The best single feature; ``names`` are those chosen in each outer training part.

    ``name`` is the one chosen on all rows. None: no scalar varies.
    """

    name: str | None
    names: list[str | None]


class Consensus(Summary):
    """The consensus of all columns.

    Attributes
    ----------
    agree : float
        Share of held-out rows whose columns agree.
    gate : float
        Its share of the score, in the stack fitted on all rows, if the columns agree fully.
    """

    agree: Number
    gate: Number


class WithoutKinds(Summary):
    """A single learner fitted without the kinds; ``gain`` is the stack's gain over it."""

    gain: Difference


class OfKind(Record):
    """SROCC within one kind of distortion, of ``n`` rows."""

    srocc: Number
    n: int


class Transfer(Summary):
    """The stack on rows whose kind of distortion and group were both held out.

    Attributes
    ----------
    by_group : Summary
        The ordinary estimate on the same rows.
    learners : dict of Summary
    best_single : Summary
    kinds : dict of OfKind
    n, fits : int
        Number of rows, and of fits required.
    """

    by_group: Summary
    learners: dict[str, Summary]
    best_single: Summary
    kinds: dict[str, OfKind]
    n: int
    fits: int


class Coverage(Record):
    """Performance of the prediction intervals on held-out rows.

    Attributes
    ----------
    coverage : float
        Share of labels inside the intervals.
    mean_width : float
        In units of the label.
    unfamiliar : float
        Share of rows flagged as unfamiliar.
    """

    coverage: Number
    mean_width: Number
    unfamiliar: Number


class PredictionInterval(Coverage):
    """The same by group; ``nominal``, the intended coverage; ``transfer``, with kinds held out."""

    nominal: Number
    transfer: Coverage | None


class Weights(Record):
    """By learner: ``mean`` over the outer folds, ``final`` of the stack on all rows."""

    mean: dict[str, Number]
    final: dict[str, Number]


class Labels(Record):
    """Mean and range of the labels."""

    mean: Number
    min: Number
    max: Number


class Seconds(Record):
    """Wall-clock seconds, ``evaluate`` of the whole evaluation."""

    evaluate: Number = math.nan


class Figures(Record):
    """Results of an evaluation. Everything is scored on the same rows and clipped to one range.

    Attributes
    ----------
    honest : Summary
        Nested estimate; the figure to report.
    naive : Summary
        The same, but fused and scored on the same out-of-fold predictions.
    gap : float
        Final of naive minus final of honest.
    learners : dict of Summary
        Each learner by itself.
    greedy : Summary
        The stack with greedy selection among the learners as its fusion.
    best_single : BestSingle
    consensus : Consensus
    purpose : str
        "home" or "abroad".
    at_home : Summary or None
        With purpose "abroad": the performance of the same members with purpose "home".
    as_itself : Summary or None
        With several collections: each one's rows scored as its own observers.
    index_only : Summary or None
        A predictor that sees only file order; None if that is not known.
    gain : dict of Difference, between the stack and ``best_single`` and each learner
    transfer : Transfer or None
    without_kinds : dict of WithoutKinds, or None
        By learner that uses kinds: its performance without them; None without kinds.
    prediction_interval : PredictionInterval
    weights : Weights, or None if the fusion has none
    calibrated : bool or None
        Whether the stack on all rows kept its calibration curve (one that does not raise PLCC is
        dropped); None if calibration is off.
    sampled, inducing : dict of int
        Learners fitted on a sample, and its size; processes defined by so many of their rows.
    inner_folds : int, of the final stack, if fewer than asked for because rows are many; or None
    n, groups : int; splitter : str, how rows were held out
    label : Labels; seconds : Seconds
    seconds_per_row : float
        Time to predict one row. This and ``seconds`` are NaN in a model card: equal trainings have
        equal cards.
    """

    honest: Summary
    naive: Summary
    gap: Number
    learners: dict[str, Summary]
    greedy: Summary
    best_single: BestSingle
    consensus: Consensus
    purpose: str
    at_home: Summary | None
    as_itself: Summary | None = None
    index_only: Summary | None
    gain: dict[str, Difference]
    transfer: Transfer | None
    without_kinds: dict[str, WithoutKinds] | None
    prediction_interval: PredictionInterval
    weights: Weights | None
    calibrated: bool | None
    sampled: dict[str, int] = {}
    inducing: dict[str, int] = {}
    inner_folds: int | None = None
    n: int
    groups: int
    splitter: str
    label: Labels
    seconds: Seconds = Seconds()
    seconds_per_row: Number = math.nan

    def to_dict(self) -> dict[str, Any]:
        """As plain numbers, text, lists and dictionaries."""
        return self.model_dump()


class AblatedGroup(Record):
    """A group of features: its number of ``columns``, and final ``without`` it and it ``alone``.

    None means that no columns were left.
    """

    columns: int
    without: float | None
    alone: float | None


class Ablation(Record):
    """The value of groups of features to one learner; ``all`` is its final with every column."""

    learner: str
    all: float | None
    groups: dict[str, AblatedGroup]
