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

BOOTSTRAP_CELLS = 100_000
"""Resamples are drawn in chunks of about this many (resample, row) cells: 0.8 MB per array, which
stay in the processor's cache. The draws do not depend on it."""


def score_summary(
    y: ArrayLike,
    prediction: ArrayLike,
    groups: ArrayLike,
    *,
    seed: int = 0,
    finals: FloatVector | None = None,
) -> dict[str, Any]:
    """All metrics at once, JSON-ready: srocc, plcc, krocc, rmse, final and interval.

    ``interval`` is the 95 % interval [low, high] of ``final`` by :func:`bootstrap_interval`, which
    draws whole groups: rows of one reference are similar, and with single rows the interval would
    be too narrow. ``finals`` are those of :func:`group_resamples`, if they are known.
    """
    truth, guess = checked(y, prediction)
    return {
        "srocc": srocc(truth, guess),
        "plcc": plcc(truth, guess),
        "krocc": krocc(truth, guess),
        "rmse": rmse(truth, guess),
        "final": final_score(truth, guess),
        "interval": bootstrap_interval(truth, guess, groups, seed=seed, finals=finals),
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

    Each result is the same as for its prediction alone; draws and ranks of labels are shared.

    Returns
    -------
    dict of float64 [n_boot]
        Empty arrays if there is a single group.

    Raises
    ------
    ValueError
        Lengths differ, or a value is not finite.
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
        moments = {
            name: _moments(labels.values, column.values, codes) for name, column in columns.items()
        }
        rng = np.random.default_rng(seed)
        even = np.full(len(names), 1 / len(names))
        for size in chunk_sizes(n_boot, max(1, BOOTSTRAP_CELLS // len(truth))):
            counts = rng.multinomial(len(names), even, size)
            spearman = _spearman(labels, columns, counts[:, codes].astype(np.float64))
            for name, of_groups in moments.items():
                pearson = _pearson(of_groups, counts)
                drawn[name].append(SROCC_SHARE * spearman[name] + (1 - SROCC_SHARE) * pearson)
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
    """Half-width of Student's 95 % interval, from resamples [b] of a figure of 2 or more groups."""
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
        places = np.empty_like(inverse)
        places[order] = inverse
        return cls(values - values.mean(), order, starts, places)

    def sums(self, rows: FloatMatrix) -> FloatMatrix:
        """Sums over the rows of equal value, [b, k] of [b, n], in the order of the k values."""
        ordered = rows[:, self.order]
        if len(self.starts) == len(self.order):
            return ordered
        return np.add.reduceat(ordered, self.starts, axis=1)


def _spearman(
    labels: _Column, columns: Mapping[str, _Column], weights: FloatMatrix
) -> dict[str, FloatVector]:
    """Spearman's correlation [b] in resamples that draw each row weights [b, n] times."""
    total = weights.sum(axis=1)
    mass = labels.sums(weights)
    middle = _middle_ranks(mass, total)
    square = (mass * middle**2).sum(axis=1)
    weighted = weights * middle[:, labels.inverse]
    found = {}
    for name, column in columns.items():
        mass = column.sums(weights)
        middle = _middle_ranks(mass, total)
        covariance = (column.sums(weighted) * middle).sum(axis=1)
        own = (mass * middle**2).sum(axis=1)
        found[name] = _correlation(covariance, square, own, total)
    return found


def _middle_ranks(mass: FloatMatrix, total: FloatVector) -> FloatMatrix:
    """Mean rank [b, k] of values drawn mass [b, k] times, ascending, less that of all draws."""
    return np.asarray(np.cumsum(mass, axis=1) - mass / 2 - total[:, None] / 2)


def _moments(a: FloatVector, b: FloatVector, codes: Rows) -> list[FloatVector]:
    """What Pearson's correlation needs of each group: sums [g] of its rows."""
    parts = (np.ones_like(a), a, b, a * a, b * b, a * b)
    return [np.bincount(codes, part).astype(np.float64) for part in parts]


def _pearson(moments: Sequence[FloatVector], counts: Rows) -> FloatVector:
    """Pearson's correlation [b] in resamples that draw each group counts [b, g] times."""
    n, a, b, aa, bb, ab = ((counts * of_groups).sum(axis=1) for of_groups in moments)
    return _correlation(ab - a * b / n, aa - a * a / n, bb - b * b / n, n)


def _correlation(
    covariance: FloatVector, square: FloatVector, other: FloatVector, total: FloatVector
) -> FloatVector:
    """Correlation [b] from centred sums of ``total`` draws; 0 where a side has a single value."""
    norm = np.sqrt(np.maximum(square, 0.0) * np.maximum(other, 0.0))
    varies = norm > 1e-12 * total  # else it consists of rounding errors
    r: FloatVector = np.divide(covariance, norm, out=np.zeros_like(norm), where=varies)
    return np.clip(r, -1.0, 1.0)


def chunk_sizes(total: int, chunk: int) -> list[int]:
    """Sizes of chunks that add up to `total`, all but the last equal to `chunk`."""
    full, rest = divmod(total, chunk)
    return [chunk] * full + [rest] * (rest > 0)
