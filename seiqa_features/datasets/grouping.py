"""Rows that must stay together whatever their group names: groups with shared values are merged."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components


def joined_groups(groups: Sequence[str], shared: Sequence[Hashable]) -> list[str]:
    """The groups after merging those that contain rows with an equal `shared` value.

    A held-out row that equals a training row is not really unseen. Merged groups take the first
    of their names in sort order.

    Parameters
    ----------
    groups : sequence of str [n]
    shared : sequence of hashable [n]
        Equal for equal rows, for example the pixel hashes of both pictures.

    Returns
    -------
    list of str [n]

    Examples
    --------
    >>> joined_groups(["b", "a", "c"], [1, 1, 2])
    ['a', 'a', 'c']
    """
    names = sorted(set(groups))
    place = {name: number for number, name in enumerate(names)}
    first: dict[Hashable, int] = {}
    edges = [
        (place[group], first.setdefault(value, place[group]))
        for group, value in zip(groups, shared, strict=True)
    ]
    if all(a == b for a, b in edges):
        return list(groups)
    rows, columns = np.array(edges, dtype=np.int64).T
    graph = coo_array((np.ones(len(edges)), (rows, columns)), shape=(len(names), len(names)))
    _, parts = connected_components(graph, directed=False)
    named: dict[int, str] = {}
    for name, part in zip(names, parts.tolist(), strict=True):
        named.setdefault(part, name)
    return [named[int(parts[place[group]])] for group in groups]
