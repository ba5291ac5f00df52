"""Which rows have to stay together whatever they are called: groups joined by what they share."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components


def joined_groups(groups: Sequence[str], shared: Sequence[Hashable]) -> list[str]:
    """The groups, those with rows of an equal `shared` value made one.

    A row in training that is equal to one held out is no longer unseen. Joined groups take the
    name that comes first among them.

    Parameters
    ----------
    groups : sequence of str [n]
    shared : sequence of hashable [n]
        What equal rows have in common, such as the hashes of both pictures' pixels.

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
