"""Several collections as one training table, with their labels on the requested scale."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from seiqa_models.core.arrays import FloatVector
from seiqa_models.core.checks import TrainingTable
from seiqa_models.core.errors import TableError
from seiqa_models.stack.collections.misleading import (
    directions_in,
    misleading_columns,
    require_one_direction,
)
from seiqa_models.stack.collections.scale_maps import ScaleMap
from seiqa_models.stack.collections.scales import fit_scales
from seiqa_models.stack.pool.fitted import Directions

ZERO_TO_FIVE = "0..5"
"""A scale that belongs to no collection: 5 for an undistorted picture, 0 for the worst label."""

_BEST = 5.0


def on_one_scale(
    table: TrainingTable,
    *,
    scale: str | None,
    identity: Mapping[str, float] | None,
    n_splits: int,
    random_state: int,
    directions: Directions | None,
) -> tuple[TrainingTable, dict[str, Any] | None]:
    """The table with all labels on one scale, and how they were mapped.

    Parameters
    ----------
    table : TrainingTable
        In canonical order, with collections.
    scale, identity, n_splits, random_state, directions
        As for :class:`seiqa_models.stack.regressor.SeiqaRegressor`.

    Returns
    -------
    TrainingTable
        If there is only one collection, the table is unchanged but has no collections.
    dict, JSON-ready, or None if there is only one collection
        ``scale``: its name; ``home``: the collection whose scale it is, or was before conversion
        to 0..5; ``maps``: from each collection to the scale of ``home``; see
        :class:`seiqa_models.stack.collections.scale_maps.ScaleMap`; ``agreement`` and ``rounds``:
        see :class:`seiqa_models.stack.collections.scales.Scales`; ``misleading``: the columns left
        out, see :func:`seiqa_models.stack.collections.misleading.misleading_columns`; ``best`` and
        ``worst``: the labels on the scale of ``home`` that become 5 and 0, if ``scale`` is 0..5.

    Raises
    ------
    TableError
        The scale is not that of a collection, or see
        :func:`seiqa_models.stack.collections.scales.fit_scales`.
    """
    names = table.names
    known = [*names, ZERO_TO_FIVE]
    if scale is not None and scale not in known:
        raise TableError(f"scale {scale!r} is none of {', '.join(known)}")
    if len(names) == 1 and scale != ZERO_TO_FIVE:
        return replace(table, collections=None), None
    sizes = np.bincount(table.laboratories)
    home = names.index(scale) if scale in names else int(np.argmax(sizes))
    columns = directions_in(table.X, table.y, table.laboratories, names)
    require_one_direction(columns, names, names[home])
    misleading = misleading_columns(columns, names)
    if len(misleading) == table.X.shape[1]:
        column, why = next(iter(misleading.items()))
        raise TableError(
            f"no feature column carries over between {', '.join(names)} (such as {column}: {why}):"
            " extract the same features of all, and check their labels"
        )
    table = replace(table, X=table.X.drop(columns=list(misleading)))
    scales = fit_scales(
        table,
        names,
        home,
        anchors=identity,
        n_splits=n_splits,
        random_state=random_state,
        directions=directions,
    )
    y = scales.common(table.y, table.laboratories)
    told: dict[str, Any] = {
        "scale": scale or names[home],
        "home": names[home],
        "maps": {name: asdict(curve) for name, curve in zip(names, scales.maps, strict=True)},
        "agreement": dict(zip(names, scales.agreement, strict=True)),
        "rounds": scales.rounds,
        "misleading": misleading,
    }
    if scale == ZERO_TO_FIVE:
        told |= _ends(y, (identity or {}).get(names[home]), names[home])
    y = on_output_scale(told, table.y, np.asarray(table.named_collections))
    return replace(table, y=y), told


def _ends(y: FloatVector, identity: float | None, home: str) -> dict[str, float]:
    """The labels that become 5 and 0; y float64 [n] are all labels on the scale of ``home``.

    Raises
    ------
    TableError
        No label is below that of an undistorted picture.
    """
    worst, best = float(y.min()), float(y.max() if identity is None else identity)
    if best <= worst:
        raise TableError(
            f"collection {home}: an undistorted picture has {best:g}, and no label is below that"
        )
    return {"best": best, "worst": worst}


def on_output_scale(
    told: Mapping[str, Any], labels: ArrayLike, collections: ArrayLike
) -> FloatVector:
    """Labels of several collections on the scale of the scores, float64 [n].

    Parameters
    ----------
    told : mapping
        As returned by `on_one_scale`.
    labels : array-like of float [n]
        On the scales of their collections.
    collections : array-like of str [n]
        Name of the collection of each row, one of those that the maps are for.
    """
    y, names = np.array(labels, np.float64), np.asarray(collections)
    for name, curve in told["maps"].items():
        rows = names == name
        if name != told["home"] and rows.any():
            y[rows] = ScaleMap(**curve)(y[rows])
    if "best" not in told:
        return y
    worst, best = told["worst"], told["best"]
    return np.asarray(np.clip(_BEST * (y - worst) / (best - worst), 0.0, _BEST))
