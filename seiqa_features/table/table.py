"""Store + pair table + recipe → feature table.

A DataFrame indexed by `pair_id`: scalars are float64 columns named `<extractor>__<view>__<output>`,
a dense block is one column of Arrow type fixed_size_list<float32>[d]. Embedding outputs named
`<stem>_ref` and `<stem>_dist` appear paired, as `<stem>_absdiff`, `<stem>_cosine` and so on.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from seiqa_features.errors import StoreError
from seiqa_features.remote.places import parts_of_file
from seiqa_features.table.keys import Wanted
from seiqa_features.table.pairing import pair_embeddings
from seiqa_features.table.recipe import Block, Recipe
from seiqa_features.table.shards import SECONDS
from seiqa_features.table.store import Source

UNAVAILABLE = "seiqa.unavailable"

Column = NDArray[np.floating] | pd.arrays.ArrowExtensionArray
"""Numbers [n], or vectors of one width."""


class MissingRowsError(StoreError):
    """A row is not in the store: not extracted, or lost with a damaged shard."""


def assemble(pairs: pd.DataFrame, recipe: Recipe, store: Source) -> tuple[pd.DataFrame, float]:
    """The feature table of `pairs`, rows in the same order, and mean seconds per pair.

    The seconds are the time one worker took to compute the features of a pair, including decoding.

    Raises
    ------
    MissingRowsError
        A row is not in the store.
    StoreError
        The store cannot be read.
    """
    columns: dict[str, Column] = {}
    seconds = 0.0
    wanted = Wanted(pairs["ref_key"], pairs["dist_key"])
    for block in recipe.blocks:
        values, each = _values(block, store, wanted)
        absent = np.isnan(each[wanted.places])
        if absent.any():
            pair_id = pairs["pair_id"].iloc[int(absent.argmax())]
            raise MissingRowsError(
                f"pair {pair_id}: {block.name} is not in the store; run `seiqa features`"
            )
        seconds += float(each[wanted.places].mean()) if len(pairs) else 0.0
        for name in list(values):
            columns[name] = _column(values.pop(name), wanted.places)
    return pd.DataFrame(columns, index=pd.Index(pairs["pair_id"], name="pair_id")), seconds


def _values(
    block: Block, store: Source, wanted: Wanted
) -> tuple[dict[str, NDArray[np.floating]], NDArray[np.float64]]:
    """The features of a block by column name, and seconds; a row for each distinct pair.

    Arrays have their final size from the start and are filled batch by batch, so that besides them
    only one batch of embeddings is in memory. Seconds are NaN where there is no row.
    """
    values: dict[str, NDArray[np.floating]] = {
        name: np.empty((len(wanted), dim), np.float32) if dim else np.empty(len(wanted))
        for name, dim in column_dims(Recipe((block,))).items()
    }
    seconds = np.full(len(wanted), np.nan)
    for positions, rows in store.find(block, wanted):
        seconds[positions] = rows.column(SECONDS).to_numpy()
        for name, found in _features(block, rows):
            values[f"{block.name}__{name}"][positions] = found
    return values, seconds


def _features(block: Block, rows: pa.Table) -> Iterator[tuple[str, NDArray[np.floating]]]:
    for name, output in block.outputs.items():
        values = rows.column(name).combine_chunks()
        if output.role == "ref":
            stem = name.removesuffix("_ref")
            dist = rows.column(f"{stem}_dist").combine_chunks()
            paired = pair_embeddings(ref=_matrix(values), dist=_matrix(dist))
            for kind, derived in paired.items():
                yield f"{stem}_{kind}", derived
        elif output.role == "value":
            yield name, _matrix(values) if output.dim else values.to_numpy(zero_copy_only=False)


def column_dims(recipe: Recipe) -> dict[str, int]:
    """Widths of the recipe's feature table columns: 0 for a scalar, d for a dense block."""
    dims: dict[str, int] = {}
    for block in recipe.blocks:
        for name, output in block.outputs.items():
            if output.role == "ref":
                none = np.empty((0, output.dim), np.float32)
                for kind, derived in pair_embeddings(ref=none, dist=none).items():
                    column = f"{block.name}__{name.removesuffix('_ref')}_{kind}"
                    dims[column] = derived.shape[1] if derived.ndim == 2 else 0
            elif output.role == "value":
                dims[f"{block.name}__{name}"] = output.dim
    return dims


def _matrix(values: pa.FixedSizeListArray) -> NDArray[np.float32]:
    flat: NDArray[np.float32] = values.flatten().to_numpy(zero_copy_only=False)
    return flat.reshape(len(values), values.type.list_size)


def _column(values: NDArray[np.floating], places: NDArray[np.intp]) -> Column:
    """A column with a row for each pair, from values of the distinct pairs."""
    if len(values) < len(places):
        values = values[places]
    if values.ndim == 1:
        return values
    block = pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), values.shape[1])
    return pd.arrays.ArrowExtensionArray(block)


def write_table(
    table: pd.DataFrame, path: Path, *, unavailable: Mapping[str, str] | None = None
) -> None:
    """Write a feature table as parquet, dense blocks as fixed_size_list.

    The file metadata lists under "seiqa.unavailable", as JSON, which extractors are missing and
    why. pandas' own metadata is left out because pandas cannot read it back for such columns; any
    reader, including `pandas.read_parquet`, can therefore open the file.
    """
    content = pa.Table.from_pandas(table.reset_index(), preserve_index=False)
    metadata = {UNAVAILABLE: json.dumps(dict(unavailable or {}))}
    pq.write_table(content.replace_schema_metadata(metadata), path)


def read_table(path: Path) -> pd.DataFrame:
    """Read a file written by `write_table`, with the same column types."""

    def dense(kind: pa.DataType) -> pd.ArrowDtype | None:
        return pd.ArrowDtype(kind) if pa.types.is_fixed_size_list(kind) else None

    frame: pd.DataFrame = pq.read_table(parts_of_file(path)).to_pandas(types_mapper=dense)
    return frame.set_index("pair_id")
