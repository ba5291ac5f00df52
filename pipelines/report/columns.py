"""One column of the feature table for each extractor, compared with each other and the score."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipelines.report import panels
from pipelines.report.pictures import EXAMPLES, cards
from pipelines.runs.folder import FEATURES
from pipelines.runs.reading import Run
from seiqa_features.commits import current
from seiqa_models.core.columns import feature_group, scalar_matrix, split_columns

Ranks: TypeAlias = NDArray[np.floating[Any]]
"""Shares in 0..1, one per pair."""

MOST = 24
"""Extractors in the map; more names would not be legible."""

KNOWN = ("psnr", "ssim")
"""Metrics that everybody knows: what the score is compared with."""


def representatives(run: Run) -> pd.DataFrame:
    """The scalar column of each extractor that follows the labels best; index pair_id.

    Best by |SROCC| on the pairs of the out-of-fold predictions. Empty if there is no feature table.
    """
    if run.predictions is None or not current(run.folder / FEATURES).is_file():
        return pd.DataFrame()
    table = run.table.loc[run.predictions["pair_id"]]
    names, _ = split_columns(table)
    values = pd.DataFrame(scalar_matrix(table, names), index=table.index, columns=names)
    values = values.loc[:, values.nunique() > 1]
    labels = pd.Series(run.predictions["mos"].to_numpy(float), index=values.index)
    worth = values.corrwith(labels, method="spearman").abs().dropna()
    best = worth.groupby([feature_group(name) for name in worth.index]).idxmax()
    return values[best.to_list()].set_axis(best.index, axis=1)


def correlations(chosen: pd.DataFrame) -> pd.DataFrame:
    """|SROCC| between the columns of at most `MOST` extractors, similar ones beside each other."""
    matrix = chosen.iloc[:, :MOST].corr(method="spearman").abs().fillna(0.0)
    values = matrix.to_numpy(float)
    rest = list(range(len(values)))
    placed: list[int] = []
    while rest:
        near = values[placed[-1], rest] if placed else values.sum(axis=1)
        placed.append(rest.pop(int(np.argmax(near))))
    return matrix.iloc[placed, placed]


def similar(chosen: pd.DataFrame) -> dict[str, Any]:
    """The section with the map of correlations; empty for fewer than three extractors."""
    if chosen.shape[1] < 3:
        return {}
    matrix = correlations(chosen)
    return {"figure": panels.similarity(matrix), "count": len(matrix)}


def disagreement(run: Run, chosen: pd.DataFrame) -> dict[str, Any]:
    """The section with the pairs that the score and a known metric rank most differently."""
    top = {name: table[:EXAMPLES] for name, table in disagreeing(run, chosen).items()}
    if not top:
        return {}
    shown = pd.concat(top.values())
    ours = (shown["rank_score"] - shown["rank_label"]).abs()
    theirs = (shown["rank_metric"] - shown["rank_label"]).abs()
    return {
        "metrics": {name: cards(table) for name, table in top.items()},
        "shown": len(shown),
        "nearer": int((ours < theirs).sum()),
    }


def disagreeing(run: Run, chosen: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Metric → held-out pairs, those first whose rank by score differs most from that by metric.

    The columns added are `rank_score`, `rank_metric` and `rank_label`: shares of the pairs that are
    ranked no higher. A metric that falls as the label rises is turned.
    """
    if run.predictions is None:
        return {}
    found = {}
    labels: Ranks = run.predictions["mos"].rank(pct=True).to_numpy(np.float64)
    for name in (name for name in KNOWN if name in chosen):
        table = run.predictions.assign(
            rank_score=run.predictions["score"].rank(pct=True).to_numpy(),
            rank_metric=_rank(chosen[name], labels),
            rank_label=labels,
        )
        apart = (table["rank_score"] - table["rank_metric"]).abs().to_numpy()
        found[name] = table.iloc[np.argsort(-apart, kind="stable")]
    return found


def _rank(values: pd.Series, labels: Ranks) -> Ranks:
    """Share of values that are no better."""
    ranks = values.rank(pct=True).fillna(0.5)
    if np.cov(ranks, labels)[0, 1] < 0:
        ranks = (-values).rank(pct=True).fillna(0.5)
    shares: Ranks = ranks.to_numpy(np.float64)
    return shares
