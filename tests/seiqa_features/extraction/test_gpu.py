"""The runner on a real GPU. What of it needs none is tested in gpu/test_batches.py."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

from seiqa_features.datasets.pairs import Found, Pair, build_pairs
from seiqa_features.errors import DeviceError
from seiqa_features.extraction.gpu import preparing
from seiqa_features.extraction.runner import extract
from seiqa_features.extraction.runtime import Runtime
from seiqa_features.pictures.index import ImageIndex
from seiqa_features.table.recipe import Recipe
from seiqa_features.table.store import Store
from seiqa_features.table.table import assemble
from seiqa_features.weights.files import WeightFiles
from tests.seiqa_features.random_networks import (
    TINY_CLIP,
    TINY_VIT,
    register_tiny_clip,
    resources_for,
)

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here"),
]
FEATURES = {TINY_VIT: ["s160", "grid160x2"], TINY_CLIP: ["c64"], "gms": ["s160"]}
TOLERANCE = 0.03
"""Of cosines in bfloat16, against float32 on the CPU."""


@pytest.fixture(autouse=True)
def _tiny_clip(monkeypatch: pytest.MonkeyPatch) -> None:
    register_tiny_clip(monkeypatch)


@pytest.fixture
def weight_files(tmp_path: Path) -> WeightFiles:
    files = {
        name: path
        for extractor in (TINY_VIT, TINY_CLIP)
        for name, path in resources_for(extractor, tmp_path / "random").weights.items()
    }
    return WeightFiles(tmp_path / "weights", files)


@pytest.fixture
def pairs(
    index: ImageIndex, tmp_path: Path, save_picture: Callable[..., Path]
) -> Iterator[pd.DataFrame]:
    found = []
    for r in range(4):
        ref = save_picture(tmp_path / f"r{r}.png", seed=r, height=200, width=240)
        for d in range(5):
            dist = save_picture(tmp_path / f"d{r}{d}.png", seed=50 + 5 * r + d, height=200)
            found.append(Pair(f"p{r}{d}", ref, dist, "train"))
    table, problems = build_pairs(Found(tmp_path, found), index)
    assert problems == []
    torch.cuda.empty_cache()  # what earlier tests left is not counted
    yield table
    torch.cuda.set_per_process_memory_fraction(1.0)


def run(pairs: pd.DataFrame, runtime: Runtime, folder: Path) -> pd.DataFrame:
    recipe, _ = runtime.bind(Recipe.parse(FEATURES))
    extract(pairs, recipe, Store(folder), runtime, workers=2)
    return assemble(pairs, recipe, Store(folder))[0]


def test_a_gpu_gives_what_a_cpu_gives(
    pairs: pd.DataFrame, weight_files: WeightFiles, tmp_path: Path
) -> None:
    on_cpu = run(pairs, Runtime(weight_files), tmp_path / "cpu")
    on_gpu = run(pairs, Runtime(weight_files, device="cuda"), tmp_path / "gpu")
    assert on_cpu.columns.tolist() == on_gpu.columns.tolist()
    cosines = [name for name in on_cpu if name.endswith(("token_cosine", "patch_mean", "_q05"))]
    assert len(cosines) > 8
    assert (on_cpu[cosines] - on_gpu[cosines]).abs().max().max() < TOLERANCE
    pd.testing.assert_series_equal(on_cpu["gms__s160__mean"], on_gpu["gms__s160__mean"])


def test_processes_prepare_what_threads_prepare(
    pairs: pd.DataFrame,
    weight_files: WeightFiles,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from_threads = run(pairs, Runtime(weight_files, device="cuda"), tmp_path / "threads")

    class Awaited(preparing.Processes):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            self._first.result(120)

    monkeypatch.setattr(preparing, "FEWEST_PAIRS", 4)
    monkeypatch.setattr(preparing, "Processes", Awaited)
    from_processes = run(pairs, Runtime(weight_files, device="cuda"), tmp_path / "processes")
    names = [name for name in from_threads if from_threads[name].dtype == float]
    assert (from_threads[names] - from_processes[names]).abs().max().max() < TOLERANCE


def test_neighbours_change_little_on_a_gpu(
    pairs: pd.DataFrame, weight_files: WeightFiles, tmp_path: Path
) -> None:
    runtime = Runtime(weight_files, device="cuda")
    together = run(pairs, runtime, tmp_path / "together")
    alone = run(pairs.iloc[7:8], runtime, tmp_path / "alone")
    cosines = [name for name in alone if name.endswith(("token_cosine", "patch_mean", "_q05"))]
    assert (together.iloc[7:8][cosines] - alone[cosines]).abs().max().max() < TOLERANCE


def test_a_ceiling_too_low_is_one_line(
    pairs: pd.DataFrame, weight_files: WeightFiles, tmp_path: Path
) -> None:
    with pytest.raises(DeviceError, match="does not fit in the memory of cuda:0"):
        run(pairs, Runtime(weight_files, device="cuda", gpu_memory=0.03), tmp_path / "store")
