"""Checksums over the contents of a table's columns, whatever file or buffers hold them."""

from __future__ import annotations

import hashlib

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from seiqa_features.table.keys import KEYS


def checksums(table: pa.Table) -> dict[str, str]:
    """Checksums of "keys" and "values": 32 hex digits over the column contents.

    Raises
    ------
    ValueError
        A value is null; computed values never are.
    """
    values = [name for name in table.column_names if name not in KEYS]
    return {"keys": checksum(table.select(KEYS)), "values": checksum(table.select(values))}


def checksum(table: pa.Table) -> str:
    """Checksum of the columns' names, lengths and contents; raises as `checksums`."""
    state = hashlib.blake2b(digest_size=16)
    for name, column in zip(table.column_names, table.columns, strict=True):
        state.update(f"\n{name} {len(column)}\n".encode())
        for chunk in column.chunks:
            state.update(_content(chunk))
    return state.hexdigest()


def _content(array: pa.Array) -> bytes:
    """The values of an array, independent of its buffer layout: little-endian, in row order."""
    flat = array.flatten() if pa.types.is_fixed_size_list(array.type) else array
    if array.null_count or flat.null_count:
        raise ValueError("missing values")
    if pa.types.is_string(flat.type):
        return b"".join(text + b"\0" for text in flat.cast(pa.binary()).to_pylist())
    values: NDArray[np.floating] = flat.to_numpy(zero_copy_only=False)
    return values.astype(values.dtype.newbyteorder("<"), copy=False).tobytes()
