"""Tables of made-up numbers in the shape of feature tables: for timing, no score means anything."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

Table = tuple[pd.DataFrame, np.typing.NDArray[np.float64], np.typing.NDArray[np.intp]]
"""Features, labels and groups."""


def made_up_table(rows: int, *, scalars: int, sizes: tuple[int, ...], per_group: int = 5) -> Table:
    """Numbers without meaning in the shape of a feature table, the same ones every time.

    Neighbouring rows share a scene, their group. Labels are 0 to 5, a hidden quality in steps of
    one. A scalar is quality (of random sign and strength), scene and noise; a block's row is the
    same of vectors.
    """
    rng = np.random.default_rng(0)
    groups = np.arange(rows) // per_group
    quality, scenes = rng.uniform(0, 5, rows), rng.normal(size=groups[-1] + 1)[groups]
    columns: dict[str, Any] = {}
    for i in range(scalars):
        noise = rng.normal(scale=2, size=rows)
        columns[f"scalar{i}"] = rng.normal() * quality + rng.normal() * scenes + noise
    for i, size in enumerate(sizes):
        seen = np.outer(quality - 2.5, rng.normal(scale=0.1, size=size))
        content = rng.normal(size=(groups[-1] + 1, size))[groups]
        matrix = (seen + content + rng.normal(size=(rows, size))).astype(np.float32)
        cells = pa.FixedSizeListArray.from_arrays(pa.array(matrix.ravel()), size)
        columns[f"block{i}"] = pd.arrays.ArrowExtensionArray(pa.chunked_array([cells]))
    labels = np.clip(np.round(quality + rng.normal(scale=0.3, size=rows)), 0, 5)
    return pd.DataFrame(columns), labels, groups
