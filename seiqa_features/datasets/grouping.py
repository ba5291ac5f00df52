"""Rows that must stay together whatever their group names: groups with shared values are merged."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components


def joined_groups(
    groups: Sequence[str] | pd.Series, shared: Sequence[Hashable] | NDArray[Any]
) -> list[str]:
    """The groups after merging those that contain rows with an equal `shared` value.

    A held-out row that equals a training row is not really unseen. Merged groups take the first
    of their names in sort order.

    Parameters
    ----------
    groups : sequence of str, or Series [n]
    shared : sequence of hashable, or array [n]
        Equal for equal rows, for example the pixel hashes of both pictures.

    Returns
    -------
    list of str [n]

    Examples
    --------
    >>> joined_groups(["b", "a", "c"], [1, 1, 2])
    ['a', 'a', 'c']
    """
    places, known = pd.factorize(pd.Index(groups))
    names = known.tolist()  # one object for each, however many rows
    values, distinct = pd.factorize(pd.Index(shared))
    first = np.empty(len(distinct), np.int64)
    first[values[::-1]] = places[::-1]  # of repeated indices, the last assignment counts
    others = first[values]
    apart = places != others
    if not apart.any():
        return [names[place] for place in places]
    edges = (np.ones(int(apart.sum())), (places[apart], others[apart]))
    graph = coo_array(edges, shape=(len(names), len(names)))
    _, parts = connected_components(graph, directed=False)
    named: dict[int, str] = {}
    for name, part in sorted(zip(names, parts.tolist(), strict=True)):
        named.setdefault(part, name)
    merged = [named[part] for part in parts.tolist()]
    return [merged[place] for place in places]
