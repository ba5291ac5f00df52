"""A cluster whose nodes share nothing but an object store: pictures and rows are in it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from seiqa_features.datasets.pairs import Found, Pair, build_pairs
from seiqa_features.extraction.connecting import Cluster
from seiqa_features.extraction.runner import extract
from seiqa_features.extraction.runtime import Runtime
from seiqa_features.pictures.index import ImageIndex
from seiqa_features.remote.paths import RemotePath
from seiqa_features.table.recipe import Recipe
from seiqa_features.table.store import Store
from seiqa_features.table.table import assemble
from seiqa_features.weights.files import WeightFiles
from tests.seiqa_features.extraction.test_cluster import needs_ray

RECIPE = Recipe.parse({"colour": ["s48"]})

pytestmark = [*needs_ray, pytest.mark.slow]


def test_workers_read_and_write_the_store(
    bucket: RemotePath, save_picture: Callable[..., Path], tmp_path: Path
) -> None:
    for seed in range(4):
        (bucket / f"{seed}.png").upload(save_picture(tmp_path / f"{seed}.png", seed=seed))
    found = [Pair(f"p{n}", bucket / "0.png", bucket / f"{n}.png", "train") for n in (1, 2, 3)]
    pairs, problems = build_pairs(Found(bucket, found), ImageIndex(bucket / "cache"))
    assert problems == []
    runtime = Runtime(WeightFiles(tmp_path / "no weights"))
    recipe, _ = runtime.bind(RECIPE)
    there, here = Store(bucket / "cache"), Store(tmp_path / "cache")
    report = extract(pairs, recipe, there, runtime, workers=1, cluster=Cluster())
    assert (report.computed, report.failures) == (3, {})
    extract(pairs, recipe, here, runtime, workers=1)
    one, other = (assemble(pairs, recipe, store)[0] for store in (there, here))
    assert one.equals(other)
