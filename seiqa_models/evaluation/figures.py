"""The figures of an evaluation, computed from the predictions for held-out rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from seiqa_models.core.canonical import codes_of
from seiqa_models.core.checks import TrainingTable
from seiqa_models.core.metrics import score_summary, srocc
from seiqa_models.core.splits import Fold, describe_folds
from seiqa_models.evaluation.baselines import best_single
from seiqa_models.evaluation.compare import compare
from seiqa_models.stack.pool import AGREEMENT, CONSENSUS
from seiqa_models.stack.regressor import SeiqaRegressor

NOMINAL_COVERAGE = 0.9
"""Share of labels that the reported intervals promise to hold."""

SCORED = ("score", "low", "high", "unfamiliar", "agree")
"""Columns of held-out predictions that come from :meth:`SeiqaRegressor.predict_interval`."""

_OTHER_SCORES = ("best_single", "greedy", "index_only", "at_home", CONSENSUS)

_NO_LEARNER = (*SCORED, *_OTHER_SCORES, AGREEMENT)
"""Columns of held-out predictions that belong to no single learner of the pool."""


@dataclass(frozen=True)
class FoldResult:
    """Result of one outer fold: predictions for its held-out rows.

    ``predictions`` is indexed by row position; its columns are the learners' names and those of
    ``_NO_LEARNER`` (``index_only`` only where the order is known).
    """

    predictions: pd.DataFrame
    single_name: str | None
    weights: dict[str, float] | None


def joined(results: list[FoldResult]) -> pd.DataFrame:
    """Held-out predictions of all folds by row position, in table order."""
    return pd.concat([result.predictions for result in results]).sort_index()


def learner_columns(held_out: pd.DataFrame) -> list[str]:
    """Names of the columns that are a learner's predictions."""
    return [name for name in held_out.columns if name not in _NO_LEARNER]


def evaluation_figures(
    table: TrainingTable,
    folds: list[Fold],
    results: list[FoldResult],
    held_out: pd.DataFrame,
    final: SeiqaRegressor,
    seed: int,
) -> dict[str, Any]:
    """What :meth:`Evaluation.to_dict` describes, except timings and what concerns kinds.

    Parameters
    ----------
    table : TrainingTable
    folds, results
        The outer folds and the result of each.
    held_out : DataFrame
        ``results`` :func:`joined`.
    final : SeiqaRegressor
        Fitted on all rows; its out-of-fold predictions make the naive claim.
    seed : int
        Seed of the bootstraps.
    """
    summaries = _summaries(table, held_out, seed)
    honest = summaries["score"]
    naive = score_summary(table.y, final.fuse(final.oof_), table.groups, seed=seed)
    learners = learner_columns(held_out)
    return {
        "honest": honest,
        "naive": naive,
        "gap": naive["final"] - honest["final"],
        "learners": {name: summaries[name] for name in learners},
        "greedy": summaries["greedy"],
        "best_single": {
            **summaries["best_single"],
            "name": best_single(table, table)[1],
            "names": [result.single_name for result in results],
        },
        "consensus": {
            **summaries[CONSENSUS],
            "agree": float(held_out["agree"].mean()),
            "gate": final.blend_.gate_,
        },
        "purpose": final.purpose,
        "at_home": summaries.get("at_home"),
        "index_only": summaries.get("index_only"),
        "gain": {
            name: compare(table.y, held_out["score"], held_out[name], table.groups, seed=seed)
            for name in ("best_single", *learners)
        },
        "prediction_interval": {
            "nominal": NOMINAL_COVERAGE,
            **interval_figures(table, held_out),
            "transfer": None,
        },
        "weights": _weights([result.weights for result in results], final.weights_),
        "calibrated": None if final.calibration_ is None else len(final.calibration_.x_) > 1,
        "n": len(table.y),
        "groups": int(table.groups.max()) + 1,
        "splitter": describe_folds(folds, table.order),
        "label": {
            "mean": float(table.y.mean()),
            "min": float(table.y.min()),
            "max": float(table.y.max()),
        },
    }


def transfer_figures(
    table: TrainingTable,
    kinds: np.typing.NDArray[Any],
    results: list[FoldResult],
    by_group: pd.DataFrame,
    seed: int,
) -> dict[str, Any]:
    """``transfer`` of :meth:`Evaluation.to_dict`.

    Parameters
    ----------
    table : TrainingTable
    kinds : array [n]
        Kind of distortion of every row of the table.
    results
        What each fold of :func:`seiqa_models.core.transfer.transfer_folds` said.
    by_group : DataFrame
        The ordinary held-out predictions of all rows, for the comparison on the same rows.
    seed : int
        Seed of the bootstraps.
    """
    held_out = joined(results)
    rows = held_out.index.to_numpy()
    summaries = _summaries(table, held_out, seed)
    score = held_out["score"].to_numpy()
    codes, names = codes_of(kinds[rows])
    of_kind = {str(name): np.flatnonzero(codes == code) for code, name in enumerate(names)}
    return {
        **summaries["score"],
        "by_group": _summaries(table, by_group.loc[rows, ["score"]], seed)["score"],
        "learners": {name: summaries[name] for name in learner_columns(held_out)},
        "best_single": summaries["best_single"],
        "kinds": {
            name: {"srocc": srocc(table.y[rows[at]], score[at]), "n": len(at)}
            for name, at in of_kind.items()
        },
        "n": len(rows),
        "fits": len(results),
    }


def without_kinds_figures(
    table: TrainingTable, parts: list[pd.DataFrame], held_out: pd.DataFrame, seed: int
) -> dict[str, Any]:
    """``without_kinds`` of :meth:`Evaluation.to_dict`.

    Parameters
    ----------
    table : TrainingTable
    parts : list of DataFrame
        Held-out predictions [test, learners] by row position, a part for each outer fold; none
        where no learner uses kinds.
    held_out : DataFrame
        The ordinary held-out predictions of all rows.
    seed : int
        Seed of the bootstraps.
    """
    if not parts:
        return {}
    without_kinds = pd.concat(parts).sort_index()
    return {
        str(name): {
            **score_summary(table.y, own, table.groups, seed=seed),
            "gain": compare(table.y, held_out["score"], own, table.groups, seed=seed),
        }
        for name, own in without_kinds.items()
    }


def interval_figures(table: TrainingTable, held_out: pd.DataFrame) -> dict[str, float]:
    """How well the intervals of held-out rows did: coverage, mean_width, unfamiliar."""
    y = table.y[held_out.index.to_numpy()]
    inside = (held_out["low"].to_numpy() <= y) & (y <= held_out["high"].to_numpy())
    return {
        "coverage": float(inside.mean()),
        "mean_width": float((held_out["high"] - held_out["low"]).mean()),
        "unfamiliar": float(held_out["unfamiliar"].mean()),
    }


def _summaries(table: TrainingTable, held_out: pd.DataFrame, seed: int) -> dict[str, Any]:
    """The summary of every column of held-out predictions that is a score."""
    rows = held_out.index.to_numpy()
    y, groups = table.y[rows], table.groups[rows]
    return {
        name: score_summary(y, held_out[name].to_numpy(), groups, seed=seed)
        for name in held_out.columns.drop([*SCORED[1:], AGREEMENT], errors="ignore")
    }


def _weights(
    folds: list[dict[str, float] | None], final: dict[str, float] | None
) -> dict[str, dict[str, float]] | None:
    """Mean over the folds and final weights by learner; None where the fusion has no weights."""
    parts = [fold for fold in folds if fold is not None]
    if final is None or len(parts) < len(folds):
        return None
    mean = {name: float(np.mean([part[name] for part in parts])) for name in final}
    return {"mean": mean, "final": final}
