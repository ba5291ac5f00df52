"""The figures of an evaluation, typed: what :func:`evaluate` finds, and what is made JSON of.

An undefined figure is NaN, which JSON has not: it is written as null and read as NaN.
"""

from __future__ import annotations

import math
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict

Number = Annotated[float, BeforeValidator(lambda value: math.nan if value is None else value)]
"""A float; null in JSON stands for NaN."""


class Record(BaseModel):
    """What all of them are: they cannot be changed, and what they do not know they leave out."""

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
    """What :func:`seiqa_models.evaluation.compare.compare` says of two systems on the same rows."""

    difference: Number
    interval: tuple[Number, Number]
    p_value: Number


class BestSingle(Summary):
    """The best single feature; ``names``, the one chosen in each outer training part, and ``name``.

    ``name`` is chosen on all rows. None: no scalar varies.
    """

    name: str | None
    names: list[str | None]


class Consensus(Summary):
    """What all columns say together.

    Attributes
    ----------
    agree : float
        Share of held-out rows whose columns agree.
    gate : float
        Its share in the score of the stack on all rows, where the columns agree fully.
    """

    agree: Number
    gate: Number


class WithoutKinds(Summary):
    """A learner by itself that was not told the kinds; ``gain`` is the stack's over it."""

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
        Rows, and fits that it took.
    """

    by_group: Summary
    learners: dict[str, Summary]
    best_single: Summary
    kinds: dict[str, OfKind]
    n: int
    fits: int


class Coverage(Record):
    """What prediction intervals of held-out rows were worth.

    Attributes
    ----------
    coverage : float
        Share of labels inside.
    mean_width : float
        In units of the label.
    unfamiliar : float
        Share of rows flagged.
    """

    coverage: Number
    mean_width: Number
    unfamiliar: Number


class PredictionInterval(Coverage):
    """The same by group; ``nominal``, what was promised; ``transfer``, with kinds held out too."""

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
    """Wall seconds; ``evaluate``: of the whole evaluation."""

    evaluate: Number


class Figures(Record):
    """What an evaluation found. Everything is scored on the same rows and clipped to one range.

    Attributes
    ----------
    honest : Summary
        Of the nested estimate; the figure to report.
    naive : Summary
        The same fused and scored on one and the same out-of-fold predictions.
    gap : float
        Final of naive minus final of honest.
    learners : dict of Summary
        Each by itself.
    greedy : Summary
        The stack with greedy selection among the learners as its fusion.
    best_single : BestSingle
    consensus : Consensus
    purpose : str
        "home" or "abroad".
    at_home : Summary or None
        Abroad, what the same members would reach if the purpose were home.
    index_only : Summary or None
        A predictor that sees only file order; None where that is not known.
    gain : dict of Difference
        The stack against ``best_single`` and each learner.
    transfer : Transfer or None
    without_kinds : dict of WithoutKinds, or None
        By learner that uses kinds, had it not been told; None without kinds.
    prediction_interval : PredictionInterval
    weights : Weights or None
        None where the fusion has none.
    calibrated : bool or None
        Whether the stack on all rows kept its calibration curve (one that did not help PLCC is left
        out); None where none was asked for.
    n, groups : int
        Rows and groups.
    splitter : str
        How rows were held out, in words.
    label : Labels
    seconds : Seconds
    seconds_per_row : float
        Of predicting one row.
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
    index_only: Summary | None
    gain: dict[str, Difference]
    transfer: Transfer | None
    without_kinds: dict[str, WithoutKinds] | None
    prediction_interval: PredictionInterval
    weights: Weights | None
    calibrated: bool | None
    n: int
    groups: int
    splitter: str
    label: Labels
    seconds: Seconds
    seconds_per_row: Number

    def to_dict(self) -> dict[str, Any]:
        """As plain numbers, text, lists and dictionaries."""
        return self.model_dump()


class AblatedGroup(Record):
    """A group of features: how many ``columns``, and final ``without`` it and with it ``alone``.

    None stands for the score of no columns at all.
    """

    columns: int
    without: float | None
    alone: float | None


class Ablation(Record):
    """What groups of features are worth to one learner; ``all``, its final with every column."""

    learner: str
    all: float | None
    groups: dict[str, AblatedGroup]
