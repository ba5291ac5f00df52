"""Columns that follow the label too closely, many of them at a time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from seiqa_models.core.arrays import FloatMatrix, FloatVector, Rows

TWIN = 0.995
"""A column counts as a twin of the label at or above this |SROCC| or |PLCC| with it. The best
metrics reach .98 with MOS; with six-level labels even a perfect score reaches only .984."""

MIN_VALUES = 10
"""Correlations over fewer rows or groups prove nothing."""

_MIN_GROUP = 5
"""In smaller groups a good metric may well be proportional to the label."""

_CELLS = 2_000_000  # of columns judged at a time, 16 MB per array


def twins(values: FloatMatrix, y: FloatVector, codes: Rows) -> dict[int, str]:
    """Why columns are twins of the label, by their position.

    Parameters
    ----------
    values : float64 [n, columns]
        A cell that is not finite is left out, as is a row whose label is not.
    y : float64 [n]
    codes : int [n]
        Group of each row.
    """
    found: dict[int, str] = {}
    width = max(1, _CELLS // max(1, len(y)))
    for start in range(0, values.shape[1], width):
        part = values[:, start : start + width]
        for rows, columns in _alike_in_rows(np.isfinite(part) & np.isfinite(y)[:, None]):
            if len(rows) >= MIN_VALUES:
                why = _judged(part[np.ix_(rows, columns)], y[rows], codes[rows])
                found |= {start + int(columns[k]): reason for k, reason in why.items()}
    return found


def _alike_in_rows(known: NDArray[np.bool_]) -> Iterator[tuple[Rows, Rows]]:
    """The rows that some columns have, and these columns: all of them, in complete tables."""
    by_rows: defaultdict[bytes, list[int]] = defaultdict(list)
    for column, key in enumerate(np.packbits(known, axis=0).T):
        by_rows[key.tobytes()].append(column)
    for columns in by_rows.values():
        yield np.flatnonzero(known[:, columns[0]]), np.array(columns)


def _judged(values: FloatMatrix, y: FloatVector, codes: Rows) -> dict[int, str]:
    labels = y[:, None]
    ranks = _correlations(stats.rankdata(values, axis=0), stats.rankdata(labels, axis=0))
    values, labels = _unit(values), _unit(labels)
    alike = np.maximum(np.abs(ranks), np.abs(_correlations(values, labels)))
    found = dict.fromkeys(np.flatnonzero(alike >= TWIN).tolist(), "the label's twin")

    groups = _Groups(codes)
    if len(groups.sizes) == len(codes):
        return found
    within = np.abs(_within(values, labels, groups))
    for column in np.flatnonzero(within >= TWIN).tolist():
        found.setdefault(column, "the label's twin within groups")
    if len(groups.sizes) >= MIN_VALUES:
        between = np.abs(_correlations(groups.means(values), groups.means(labels)))
        for column in np.flatnonzero(between >= TWIN).tolist():
            found.setdefault(column, "the groups' mean label")
    return found


class _Groups:
    """Rows by group: reductions of a matrix [n, columns] to one row per group."""

    def __init__(self, codes: Rows) -> None:
        _, self.place, self.sizes = np.unique(codes, return_inverse=True, return_counts=True)
        self._order = np.argsort(self.place, kind="stable")
        self._starts = np.concatenate([[0], np.cumsum(self.sizes)[:-1]])

    def means(self, values: FloatMatrix) -> FloatMatrix:
        sums = np.add.reduceat(values[self._order], self._starts, axis=0)
        means: FloatMatrix = sums / self.sizes[:, None]
        return means

    def vary(self, values: FloatMatrix) -> NDArray[np.bool_]:
        """Whether a group has different values: its deviation may be a rounding error."""
        ordered = values[self._order]
        highest = np.maximum.reduceat(ordered, self._starts, axis=0)
        different: NDArray[np.bool_] = highest > np.minimum.reduceat(ordered, self._starts, axis=0)
        return different


def _within(values: FloatMatrix, labels: FloatMatrix, groups: _Groups) -> FloatVector:
    """Mean PLCC over groups of 5 or more rows, weighted by their size; 0 if there are too few."""
    judged = (groups.sizes >= _MIN_GROUP)[:, None] & groups.vary(values) & groups.vary(labels)
    values = values - groups.means(values)[groups.place]
    labels = labels - groups.means(labels)[groups.place]
    norm = np.sqrt(groups.means(values**2) * groups.means(labels**2))
    covariance = groups.means(values * labels)
    plcc = np.divide(covariance, norm, out=np.zeros_like(norm), where=judged & (norm > 0))
    weights = judged * groups.sizes[:, None]
    rows = weights.sum(axis=0)
    means: FloatVector = (weights * plcc).sum(axis=0) / np.maximum(rows, 1)
    return np.where(rows >= MIN_VALUES, means, 0.0)


def _correlations(values: FloatMatrix, labels: FloatMatrix) -> FloatVector:
    """PLCC of every column with the labels [n, 1]; 0 where either is constant."""
    varies = (np.ptp(values, axis=0) > 0) & (np.ptp(labels) > 0)
    values, labels = _unit(values), _unit(labels)
    values, labels = values - values.mean(axis=0), labels - labels.mean()
    norm = np.linalg.norm(values, axis=0) * np.linalg.norm(labels)
    covariance = (values * labels).sum(axis=0)
    found: FloatVector = np.divide(covariance, norm, out=np.zeros_like(norm), where=varies)
    return found


def _unit(values: FloatMatrix) -> FloatMatrix:
    """Columns scaled to 0..1, so that no square over- or underflows; constant ones become 0."""
    top = np.abs(values).max(axis=0)
    values = values / np.where(top > 0, top, 1.0)
    lowest = values.min(axis=0)
    spread = values.max(axis=0) - lowest
    scaled: FloatMatrix = (values - lowest) / np.where(spread > 0, spread, 1.0)
    return scaled
