"""Pairs of made-up pictures, as many as a test needs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from seiqa_features.datasets.pairs import Found, Pair, build_pairs
from seiqa_features.pictures.index import ImageIndex

Sizes = tuple[int, int]


@pytest.fixture
def make_pairs(
    index: ImageIndex, tmp_path: Path, save_picture: Callable[..., Path]
) -> Callable[..., pd.DataFrame]:
    """`make_pairs(references, versions, *sizes)`: the table of that many degraded versions of each.

    References take turns at the sizes (height, width), by default (48, 64). Versions have the first
    one. Pair 4 of reference 2 is called p2-4.
    """

    def make(references: int, versions: int, *sizes: Sizes) -> pd.DataFrame:
        sizes = sizes or ((48, 64),)
        found = [
            Pair(
                f"p{r}-{d}",
                save_picture(tmp_path / f"r{r}.png", r, *sizes[r % len(sizes)]),
                save_picture(tmp_path / f"d{r}-{d}.png", 1000 + 10 * r + d, *sizes[0]),
                "train",
            )
            for r in range(references)
            for d in range(versions)
        ]
        table, problems = build_pairs(Found(tmp_path, found), index)
        assert problems == []
        return table

    return make
