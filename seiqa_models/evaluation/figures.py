"""The figures of an evaluation, computed from the predictions for held-out rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from seiqa_models.core.arrays import FloatVector
from seiqa_models.core.canonical import codes_of
from seiqa_models.core.checks import TrainingTable
from seiqa_models.core.columns import AGREEMENT, CONSENSUS, SCORED
from seiqa_models.core.metrics import srocc
from seiqa_models.core.splits import Fold, describe_folds
from seiqa_models.evaluation.baselines import best_single
from seiqa_models.evaluation.bootstrap import group_resamples, score_summary
from seiqa_models.evaluation.compare import compare
from seiqa_models.evaluation.held_out import (
    NOMINAL_COVERAGE,
    Fits,
    FoldResult,
    joined,
    learner_columns,
)
from seiqa_models.stack.pool.cross_fitting import inner_splits
from seiqa_models.stack.regressor import SeiqaRegressor

Kinds = np.typing.NDArray[Any]


def evaluation_figures(
    table: TrainingTable, kinds: Kinds | None, folds: list[Fold], fits: Fits, seed: int
) -> dict[str, Any]:
    """All figures of :class:`seiqa_models.results.Figures`, except timings.

    Parameters
    ----------
    table : TrainingTable
    kinds : array [n], optional
        Kind of distortion of every row of the table.
    folds : list of Fold
        The outer folds by group.
    fits : Fits
        Results of all folds; the naive claim comes from the out-of-fold predictions of the final
        fit.
    seed : int
        Seed of the bootstraps.
    """
    held_out, final = joined(fits.by_group), fits.final
    summaries, finals = _summaries(table, held_out, seed)
    honest = summaries["score"]
    naive = score_summary(table.y, final.fuse(final.oof_), table.groups, seed=seed)
    learners = learner_columns(held_out)
    figures: dict[str, Any] = {
        "honest": honest,
        "naive": naive,
        "gap": naive["final"] - honest["final"],
        "learners": {name: summaries[name] for name in learners},
        "greedy": summaries["greedy"],
        "best_single": {
            **summaries["best_single"],
            "name": best_single(table, table)[1],
            "names": [result.single_name for result in fits.by_group],
        },
        "consensus": {
            **summaries[CONSENSUS],
            "agree": float(held_out["agree"].mean()),
            "gate": final.blend_.gate_,
        },
        "purpose": final.purpose,
        "at_home": summaries.get("at_home"),
        "as_itself": summaries.get("as_itself"),
        "index_only": summaries.get("index_only"),
        "gain": {
            name: compare(
                table.y,
                held_out["score"],
                held_out[name],
                table.groups,
                seed=seed,
                finals=(finals["score"], finals[name]),
            )
            for name in ("best_single", *learners)
        },
        "transfer": None,
        "without_kinds": None,
        "prediction_interval": {
            "nominal": NOMINAL_COVERAGE,
            **_coverage(table, held_out),
            "transfer": None,
        },
        "weights": _weights([result.weights for result in fits.by_group], final.weights_),
        "splitter": describe_folds(folds, table.order),
        **_about_fit(final, table),
    }
    if kinds is not None:
        figures["transfer"] = _transfer(table, kinds, fits.by_kind, held_out, seed)
        figures["without_kinds"] = _untold(table, fits.untold, held_out, seed)
        figures["prediction_interval"]["transfer"] = _coverage(table, joined(fits.by_kind))
    return figures


def _about_fit(final: SeiqaRegressor, table: TrainingTable) -> dict[str, Any]:
    """What the final fit did, and on which rows."""
    inner = inner_splits(final.n_splits, table.groups)
    return {
        "calibrated": None if final.calibration_ is None else len(final.calibration_.x_) > 1,
        "sampled": sampled_learners(final.learners_, len(table.y)),
        "inducing": inducing_learners(final.learners_, len(table.y)),
        "inner_folds": inner if inner < final.n_splits else None,
        "n": len(table.y),
        "groups": int(table.groups.max()) + 1,
        "label": {
            "mean": float(table.y.mean()),
            "min": float(table.y.min()),
            "max": float(table.y.max()),
        },
    }


def sampled_learners(learners: Mapping[str, Any], rows: int) -> dict[str, int]:
    """The learners that are fitted on a sample of a table of this many rows, and its size."""
    limited = _limited(learners, rows).items()
    return {name: limits["max_rows"] for name, limits in limited if "n_inducing" not in limits}


def inducing_learners(learners: Mapping[str, Any], rows: int) -> dict[str, int]:
    """The Gaussian processes that are approximated for this many rows, with their inducing rows."""
    limited = _limited(learners, rows).items()
    return {name: limits["n_inducing"] for name, limits in limited if "n_inducing" in limits}


def _limited(learners: Mapping[str, Any], rows: int) -> dict[str, dict[str, int]]:
    """The limits of the learners that cannot be fitted on this many rows."""
    known = {name: _limits(learner) for name, learner in learners.items()}
    return {name: limits for name, limits in known.items() if limits.get("max_rows", rows) < rows}


def _limits(learner: Any) -> dict[str, int]:
    """The parameters of a learner or its parts that limit the number of rows."""
    parameters = ((key.rpartition("__")[2], value) for key, value in learner.get_params().items())
    return {name: int(value) for name, value in parameters if name in ("max_rows", "n_inducing")}


def _transfer(
    table: TrainingTable,
    kinds: Kinds,
    results: list[FoldResult],
    by_group: pd.DataFrame,
    seed: int,
) -> dict[str, Any]:
    """Rows whose kind and group were held out; ``by_group``: the ordinary predictions of all."""
    held_out = joined(results)
    rows = held_out.index.to_numpy()
    summaries, _ = _summaries(table, held_out, seed)
    score = held_out["score"].to_numpy()
    codes, names = codes_of(kinds[rows])
    of_kind = {str(name): np.flatnonzero(codes == code) for code, name in enumerate(names)}
    return {
        **summaries["score"],
        "by_group": _summaries(table, by_group.loc[rows, ["score"]], seed)[0]["score"],
        "learners": {name: summaries[name] for name in learner_columns(held_out)},
        "best_single": summaries["best_single"],
        "kinds": {
            name: {"srocc": srocc(table.y[rows[at]], score[at]), "n": len(at)}
            for name, at in of_kind.items()
        },
        "n": len(rows),
        "fits": len(results),
    }


def _untold(
    table: TrainingTable, parts: list[pd.DataFrame], held_out: pd.DataFrame, seed: int
) -> dict[str, Any]:
    """Figures of the learners when fitted without kinds; empty if no learner uses kinds."""
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


def _coverage(table: TrainingTable, held_out: pd.DataFrame) -> dict[str, float]:
    """How well the intervals of held-out rows performed: coverage, mean_width, unfamiliar."""
    y = table.y[held_out.index.to_numpy()]
    inside = (held_out["low"].to_numpy() <= y) & (y <= held_out["high"].to_numpy())
    return {
        "coverage": float(inside.mean()),
        "mean_width": float((held_out["high"] - held_out["low"]).mean()),
        "unfamiliar": float(held_out["unfamiliar"].mean()),
    }


def _summaries(
    table: TrainingTable, held_out: pd.DataFrame, seed: int
) -> tuple[dict[str, Any], dict[str, FloatVector]]:
    """The summary of every score column of the held-out predictions, and its resamples."""
    rows = held_out.index.to_numpy()
    y, groups = table.y[rows], table.groups[rows]
    names = held_out.columns.drop([*SCORED[1:], AGREEMENT], errors="ignore")
    scores = {name: held_out[name].to_numpy() for name in names}
    finals = group_resamples(y, scores, groups, seed=seed)
    summaries = {
        name: score_summary(y, score, groups, seed=seed, finals=finals[name])
        for name, score in scores.items()
    }
    return summaries, finals


def _weights(
    folds: list[dict[str, float] | None], final: dict[str, float] | None
) -> dict[str, dict[str, float]] | None:
    """Mean over the folds and final weights by learner; None if the fusion has no weights."""
    parts = [fold for fold in folds if fold is not None]
    if final is None or len(parts) < len(folds):
        return None
    mean = {name: float(np.mean([part[name] for part in parts])) for name in final}
    return {"mean": mean, "final": final}
