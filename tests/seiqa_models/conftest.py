"""Small synthetic feature tables for the model half."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from seiqa_features.datasets.pairs import Found
from tests.seiqa_models.made_bundle import train_bundle


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Found]:
    """A small trained bundle and the pairs it was trained on; it is only read."""
    return train_bundle(tmp_path_factory.mktemp("bundle"))


@pytest.fixture
def dense_column() -> Callable[[np.ndarray], pd.Series]:
    """Make a dense block column out of a matrix [n, d]."""

    def make(matrix: np.ndarray, index: pd.Index | None = None) -> pd.Series:
        values = pa.array(np.asarray(matrix, np.float32).ravel())
        blocks = pa.FixedSizeListArray.from_arrays(values, matrix.shape[1])
        array = pd.arrays.ArrowExtensionArray(pa.chunked_array(blocks))
        return pd.Series(array, index=index, name="block")

    return make


@pytest.fixture
def make_table(dense_column):
    """Table whose label is a latent quality plus noise, seen by scalars and a dense block."""

    def make(n_groups: int = 6, rows: int = 8, *, d: int = 0, noise: float = 0.2, seed: int = 0):
        rng = np.random.default_rng(seed)
        n = n_groups * rows
        quality = rng.uniform(0, 5, n)
        index = pd.Index([f"pair{i:03}" for i in range(n)], name="pair_id")
        X = pd.DataFrame(
            {
                "similarity": quality + noise * rng.normal(size=n),
                "distance": np.exp(-quality) + 0.1 * noise * rng.normal(size=n),
                "chaff": rng.normal(size=n),
            },
            index=index,
        )
        if d:
            embedding = np.outer(quality, rng.normal(size=d)) + rng.normal(size=(n, d))
            X["embedding"] = dense_column(embedding, index)
        y = pd.Series(quality + noise * rng.normal(size=n), index=index, name="mos")
        groups = np.repeat([f"ref{g}" for g in range(n_groups)], rows)
        return X, y, groups

    return make
