"""Keys of pairs, and lookup of the row groups that may hold wanted pairs and of their rows."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

KEYS = ("ref_key", "dist_key")
PairKey = tuple[str, str]

_BETWEEN = "\n"  # sorts before every character of a key, so joined keys sort like pairs of keys
_LAST = chr(0x10FFFF)


class Wanted:
    """Distinct pairs, in the order of their first mention.

    Parameters
    ----------
    ref_keys, dist_keys : Iterable[str]
        Pixel hashes of n pairs; a pair may occur several times.

    Attributes
    ----------
    places : NDArray[np.intp]
        [n], the index of each pair among the distinct ones.
    """

    def __init__(self, ref_keys: Iterable[str], dist_keys: Iterable[str]) -> None:
        columns = [pa.array(list(keys), pa.string()) for keys in (ref_keys, dist_keys)]
        encoded = _joined(*columns).dictionary_encode()
        self.places: NDArray[np.intp] = encoded.indices.to_numpy().astype(np.intp)
        self._distinct: pa.StringArray = encoded.dictionary
        self._sorted: list[str] = sorted(self._distinct.to_pylist())

    def __len__(self) -> int:
        """Number of distinct pairs."""
        return len(self._distinct)

    def within(self, first: PairKey, last: PairKey) -> bool:
        """Whether any wanted pair lies in a range of sorted keys; both ends belong to it.

        Parameters
        ----------
        first, last : PairKey
            Least and greatest reference key and least and greatest degraded key of the range. The
            degraded keys tell something only if the reference is the same throughout.
        """
        one_reference = first[0] == last[0]
        low = first[0] + _BETWEEN + (first[1] if one_reference else "")
        high = last[0] + _BETWEEN + (last[1] if one_reference else _LAST)
        place = bisect_left(self._sorted, low)
        return place < len(self._sorted) and self._sorted[place] <= high

    def positions(self, keys: pa.Table) -> NDArray[np.intp]:
        """The index of each row's pair among the distinct pairs, -1 where it is not wanted.

        Parameters
        ----------
        keys : pa.Table
            With the columns `KEYS`.
        """
        joined = _joined(*(keys.column(name) for name in KEYS))
        found = pc.fill_null(pc.index_in(joined, self._distinct), -1)
        return np.asarray(found, dtype=np.intp)


def _joined(ref_keys: pa.Array, dist_keys: pa.Array) -> pa.Array:
    return pc.binary_join_element_wise(ref_keys, dist_keys, _BETWEEN)
