"""Learners whose time or size would grow too fast with the rows learn from some of them.

Which rows is decided by labels and groups alone. Every group gives the same share of its rows, to
within one, and both among groups and within them the rows are spread over the labels (systematic
sampling from an ordered list; Cochran, Sampling Techniques, 1977, chapter 8).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.utils.validation import validate_data

from seiqa_models.core.arrays import FloatVector, Rows
from seiqa_models.core.frames import known_rows

_GOLDEN = (np.sqrt(5) - 1) / 2
"""Multiples of it, modulo 1, are spread evenly over 0..1 however many there are."""


class OnSample(RegressorMixin, BaseEstimator):
    """A regressor that is fitted on a sample of the rows where there are more than it can take.

    Parameters
    ----------
    regressor : estimator
        Not changed; a clone of it is fitted.
    max_rows : int
        With more rows, so many are fitted, chosen by `spread_sample`.
    random_state : int
        Seed of that choice.

    Attributes
    ----------
    regressor_ : estimator
    """

    def __init__(self, regressor: Any, max_rows: int, random_state: int = 0) -> None:
        self.regressor = regressor
        self.max_rows = max_rows
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: ArrayLike, groups: ArrayLike | None = None) -> OnSample:
        """Fit X float [n, p] and y float [n], with the rows' groups [n] if they are known."""
        checked = validate_data(self, X, y, dtype=np.float64, y_numeric=True)
        kept = spread_sample(checked[1], groups, self.max_rows, self.random_state)
        self.regressor_ = clone(self.regressor).fit(checked[0][kept], checked[1][kept])
        return self

    def predict(self, X: ArrayLike) -> FloatVector:
        """Predicted labels float64 [n]."""
        values = known_rows(self, X, "regressor_")
        return np.asarray(self.regressor_.predict(values), dtype=np.float64)


def spread_sample(y: ArrayLike, groups: ArrayLike | None, max_rows: int, seed: int) -> Rows:
    """Positions of rows to learn from, sorted: all of them if there are no more than `max_rows`.

    Parameters
    ----------
    y : array-like of float [n]
    groups : array-like [n], optional
        By default each row is its own group.
    max_rows : int
        Number of rows to choose if there are more; at least 1.
    seed : int
        Seed of the order of equal labels and of where counting starts.

    Returns
    -------
    int [min(n, max_rows)]

    Examples
    --------
    >>> spread_sample([1, 2, 3, 4, 5, 6], ["a", "b"] * 3, 4, seed=0).size
    4
    """
    label = np.asarray(y, dtype=np.float64)
    n = len(label)
    if n <= max_rows:
        return np.arange(n)
    rng = np.random.default_rng(seed)
    tie = rng.permutation(n)
    own = np.arange(n) if groups is None else np.unique(np.asarray(groups), return_inverse=True)[1]
    sizes = np.bincount(own)
    means = np.bincount(own, label) / sizes
    by_mean = np.lexsort((rng.permutation(len(sizes)), means))
    place = np.empty_like(by_mean)
    place[by_mean] = np.arange(len(sizes))
    rows = np.lexsort((tie, label, place[own]))  # groups by mean label, their rows by label

    ends = np.cumsum(sizes[by_mean])
    quotas = np.diff(_counted(np.append(0, ends), max_rows, n, int(rng.integers(n))))
    of_row = place[own][rows]
    size, quota = sizes[by_mean][of_row], quotas[of_row]
    start = ((rng.random() + _GOLDEN * of_row) % 1 * size).astype(np.int64)
    within = np.arange(n) - (ends[of_row] - size)
    chosen = _counted(within + 1, quota, size, start) > _counted(within, quota, size, start)
    return np.sort(rows[chosen])


def _counted(passed: Rows, share: Rows | int, of: Rows | int, start: Rows | int) -> Rows:
    """How many of the first `passed` are taken, if `share` of every `of` are, evenly."""
    counted: Rows = (passed * share + start) // of
    return counted
