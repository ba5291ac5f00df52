"""Agreement with its uncertainty: a bootstrap over groups, whose rows are drawn together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from seiqa_models.core.arrays import FloatMatrix, FloatVector, Rows
from seiqa_models.core.canonical import codes_of
from seiqa_models.core.metrics import (
    SROCC_SHARE,
    checked,
    final_score,
    krocc,
    plcc,
    rmse,
    srocc,
    unit_range,
)

BOOTSTRAP_CELLS = 200_000
"""Resamples are drawn in chunks of about this many (resample, row) cells: 1.6 MB per array, which
stay in the processor's cache. The draws do not depend on it."""


def score_summary(
    y: ArrayLike,
    prediction: ArrayLike,
    groups: ArrayLike,
    *,
    n_boot: int = 1000,
    seed: int = 0,
    finals: FloatVector | None = None,
) -> dict[str, Any]:
    """All metrics at once, JSON-ready: srocc, plcc, krocc, rmse, final and interval.

    ``interval`` is the 95 % bootstrap interval [low, high] of ``final``, see
    :func:`bootstrap_interval`. Whole groups are drawn, because the rows of one reference are
    similar and drawing single rows would make the interval too narrow. ``finals`` are those of
    :func:`group_resamples`, if they are known.
    """
    truth, guess = checked(y, prediction)
    return {
        "srocc": srocc(truth, guess),
        "plcc": plcc(truth, guess),
        "krocc": krocc(truth, guess),
        "rmse": rmse(truth, guess),
        "final": final_score(truth, guess),
        "interval": bootstrap_interval(
            truth, guess, groups, n_boot=n_boot, seed=seed, finals=finals
        ),
    }


def bootstrap_interval(
    y: ArrayLike,
    prediction: ArrayLike,
    groups: ArrayLike,
    *,
    n_boot: int = 1000,
    seed: int = 0,
    finals: FloatVector | None = None,
) -> list[float]:
    """95 % bootstrap interval [low, high] of `final_score`, groups drawn with replacement.

    It is Student's interval, final ± t(n - 1) · standard error for n groups, on Fisher's scale
    z = artanh(final) (Fisher, "On the probable error of a coefficient of correlation", Metron 1,
    1921), where the distribution is close to symmetric near the ends of the range; see also
    :func:`standard_error`. With a single group the interval is the whole range [-1, 1].
    """
    if finals is None:
        finals = group_resamples(y, {"": prediction}, groups, n_boot=n_boot, seed=seed)[""]
    if not len(finals):
        return [-1.0, 1.0]
    centre = _fisher(final_score(y, prediction))
    reach = student_reach(_fisher(finals), len(codes_of(groups)[1]))
    return [float(np.tanh(centre - reach)), float(np.tanh(centre + reach))]


def group_resamples(
    y: ArrayLike,
    predictions: Mapping[str, ArrayLike],
    groups: ArrayLike,
    *,
    n_boot: int = 1000,
    seed: int = 0,
) -> dict[str, FloatVector]:
    """`final_score` of several predictions of the same rows, in the same resamples of the groups.

    The results are the same as for each prediction alone. Together, the draws and the ranks of the
    labels are computed only once.

    Returns
    -------
    dict of float64 [n_boot]
        Empty arrays if there is a single group.
    """
    guesses = {name: checked(y, prediction)[1] for name, prediction in predictions.items()}
    codes, names = codes_of(groups)
    drawn: dict[str, list[FloatVector]] = {name: [np.empty(0)] for name in guesses}
    truth = np.asarray(y, dtype=np.float64)
    if len(codes) != len(truth):
        raise ValueError(f"groups has {len(codes)} values, y has {len(truth)}")
    if len(names) > 1:
        labels = _Column.of(unit_range(truth))
        columns = {name: _Column.of(unit_range(guess)) for name, guess in guesses.items()}
        rng = np.random.default_rng(seed)
        even = np.full(len(names), 1 / len(names))
        for size in chunk_sizes(n_boot, max(1, BOOTSTRAP_CELLS // len(truth))):
            counts = rng.multinomial(len(names), even, size)[:, codes]
            for name, finals in _finals(labels, columns, counts).items():
                drawn[name].append(finals)
    return {name: np.concatenate(parts) for name, parts in drawn.items()}


def fresh_interval(
    final: float, interval: Sequence[float], *, groups: int, fresh: int
) -> list[float]:
    """95 % interval [low, high] of the final on a few new groups.

    The interval of a final is that of its mean over many new groups. A few of them differ from this
    mean as well, so that on Fisher's scale their interval is wider by √(1 + groups / fresh), as in
    Student's prediction interval for the mean of a second sample.

    Parameters
    ----------
    final, interval : float, sequence of float [2]
        An estimate, and its interval by :func:`bootstrap_interval`.
    groups : int
        Number of groups that they are based on.
    fresh : int
        Number of new groups.

    Examples
    --------
    >>> [round(end, 3) for end in fresh_interval(0.9, [0.85, 0.934], groups=6, fresh=2)]
    [0.778, 0.957]
    """
    centre, (low, high) = _fisher(final), _fisher(interval)
    reach = (high - low) / 2 * np.sqrt(1 + groups / fresh)
    return [float(np.tanh(centre - reach)), float(np.tanh(centre + reach))]


def student_reach(resampled: FloatVector, groups: int) -> float:
    """Half-width of Student's 95 % interval, from the resamples of a figure of 2 or more groups."""
    return float(special.stdtrit(groups - 1, 0.975) * standard_error(resampled, groups))


def standard_error(resampled: FloatVector, groups: int) -> float:
    """Standard error of a figure, from its values [b] on resamples of 2 or more groups.

    Resamples of n groups vary less than samples, by √((n - 1) / n) (Hesterberg, "What Teachers
    Should Know About the Bootstrap", The American Statistician 69(4), 2015).
    """
    return float(np.std(resampled, ddof=1) * np.sqrt(groups / (groups - 1)))


def _fisher(final: ArrayLike) -> FloatVector:
    """Fisher's z of correlations; 1 and -1 are reduced slightly, so that z is finite."""
    return np.asarray(np.arctanh(np.clip(final, -1 + 1e-9, 1 - 1e-9)))


@dataclass(frozen=True)
class _Column:
    """Values [n] with their sorted order, computed once instead of in every resample."""

    values: FloatVector
    order: Rows
    starts: Rows
    inverse: Rows

    @classmethod
    def of(cls, values: FloatVector) -> _Column:
        order = np.argsort(values, kind="stable")
        _, starts, inverse = np.unique(values[order], return_index=True, return_inverse=True)
        return cls(values, order, starts, inverse)

    def ranks(self, weights: FloatMatrix) -> FloatMatrix:
        """Mean rank of each row in each resample [b, n], as if repeated ``weights`` times."""
        mass = np.add.reduceat(weights[:, self.order], self.starts, axis=1)
        middle = np.cumsum(mass, axis=1) - mass / 2
        ranks = np.empty_like(weights)
        ranks[:, self.order] = middle[:, self.inverse]
        return ranks


@dataclass(frozen=True)
class _Centred:
    """Rows [b, n] without their weighted means, times the weights, and the weighted squares [b]."""

    rows: FloatMatrix
    weighted: FloatMatrix
    square: FloatVector

    @classmethod
    def of(cls, rows: FloatMatrix, weights: FloatMatrix) -> _Centred:
        rows = rows - (weights * rows).sum(axis=1, keepdims=True) / weights.sum(
            axis=1, keepdims=True
        )
        weighted = weights * rows
        return cls(rows, weighted, (weighted * rows).sum(axis=1))

    def correlation(self, other: _Centred, total: FloatVector) -> FloatVector:
        """Weighted Pearson correlation of each row [b]; ``total`` is the sum of its weights."""
        covariance = (self.weighted * other.rows).sum(axis=1)
        norm = np.sqrt(self.square * other.square)
        # The norm of a resample of one repeated value consists of rounding errors only.
        varies = norm > 1e-12 * total
        r: FloatVector = np.divide(covariance, norm, out=np.zeros_like(norm), where=varies)
        return r


def _finals(
    labels: _Column, columns: Mapping[str, _Column], counts: Rows
) -> dict[str, FloatVector]:
    """``final_score`` [b] of resamples, given as the number of draws of each row, counts [b, n].

    Equivalent to repeating the rows.
    """
    weights = counts.astype(np.float64)
    total = weights.sum(axis=1)
    ranked = _Centred.of(labels.ranks(weights), weights)
    plain = _Centred.of(np.broadcast_to(labels.values, weights.shape), weights)
    finals = {}
    for name, column in columns.items():
        spearman = ranked.correlation(_Centred.of(column.ranks(weights), weights), total)
        own = _Centred.of(np.broadcast_to(column.values, weights.shape), weights)
        pearson = plain.correlation(own, total)
        finals[name] = SROCC_SHARE * spearman + (1 - SROCC_SHARE) * pearson
    return finals


def chunk_sizes(total: int, chunk: int) -> list[int]:
    """Sizes of chunks that add up to `total`, all but the last equal to `chunk`."""
    full, rest = divmod(total, chunk)
    return [chunk] * full + [rest] * (rest > 0)
