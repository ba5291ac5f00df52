"""The GPU's batches, on a CPU that stands for it: only the memory figures need CUDA."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from unittest.mock import Mock

import pandas as pd
import pytest
import torch

from seiqa_features.errors import DataError, DeviceError
from seiqa_features.extraction import flow
from seiqa_features.extraction.gpu import batches as gpu_batches
from seiqa_features.extraction.gpu.batches import BATCH_PAIRS, PROBE_PAIRS, batch_limit
from seiqa_features.extraction.jobs import Crops, Job, Result
from seiqa_features.extraction.runner import extract
from seiqa_features.extraction.runtime import Runtime
from seiqa_features.table.recipe import Recipe
from seiqa_features.table.store import Store
from seiqa_features.table.table import assemble
from seiqa_features.weights.files import WeightFiles
from tests.seiqa_features import pretend
from tests.seiqa_features.random_networks import TINY_VIT, resources_for


@pytest.fixture
def pairs(make_pairs: Callable[..., pd.DataFrame]) -> pd.DataFrame:
    """Five references of two shapes with four degraded versions each."""
    return make_pairs(5, 4, (48, 64), (64, 64))


class BatchesOnCpu(Runtime):
    """Sends pretrained extractors through the GPU's batches although the device is the CPU."""

    def on_gpu(self, spec: object) -> bool:
        return bool(spec.weights)  # type: ignore[attr-defined]


def run(
    pairs: pd.DataFrame, runtime: Runtime, folder: Path, *, view: str = "s32", **options: object
) -> pd.DataFrame:
    recipe, store = pretend.bound(runtime, view), Store(folder)
    report = extract(pairs, recipe, store, runtime, **({"workers": 2} | options))
    return assemble(report.kept(pairs), recipe, store)[0]


def test_the_lane_gives_what_the_workers_give(
    pairs: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches = pretend.register(monkeypatch)
    weight_files = pretend.weights_in(tmp_path / "weights")
    straight = run(pairs, Runtime(weight_files), tmp_path / "a")
    assert max(batches) == 4  # a task's
    batches.clear()
    seen: list[int] = []
    laned = run(
        pairs,
        BatchesOnCpu(weight_files),
        tmp_path / "b",
        on_progress=lambda done, _: seen.append(done),
    )
    assert batches == [PROBE_PAIRS, len(pairs) - PROBE_PAIRS]  # collected over tasks
    assert seen == [len(pairs)]
    pd.testing.assert_frame_equal(straight, laned, check_exact=True)


def test_a_batch_mixes_no_shapes(
    pairs: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches = pretend.register(monkeypatch)
    weight_files = pretend.weights_in(tmp_path / "weights")
    straight = run(pairs, Runtime(weight_files), tmp_path / "a", view="max512")
    batches.clear()
    laned = run(pairs, BatchesOnCpu(weight_files), tmp_path / "b", view="max512")
    assert batches == [2, 10, 2, 6]  # three references are 48 pixels high, two are 64
    pd.testing.assert_frame_equal(straight, laned, check_exact=True)


def test_no_pair_is_lost_when_memory_runs_out(
    pairs: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weight_files = pretend.weights_in(tmp_path / "weights")
    pretend.register(monkeypatch)
    expected = run(pairs, Runtime(weight_files), tmp_path / "a")
    batches = pretend.register(
        monkeypatch, lambda size: torch.OutOfMemoryError("CUDA out of memory") if size > 5 else None
    )
    found = run(pairs, BatchesOnCpu(weight_files), tmp_path / "b")
    assert batches == [2, 18, 9, 4, 4, 4, 4, 2]
    pd.testing.assert_frame_equal(expected, found, check_exact=True)


def test_out_of_memory_at_one_pair_is_one_line_and_keeps_what_is_done(
    pairs: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend.register(monkeypatch, lambda _: torch.OutOfMemoryError("CUDA out of memory"))
    runtime = BatchesOnCpu(pretend.weights_in(tmp_path / "weights"))
    with pytest.raises(DeviceError) as caught:
        run(pairs, runtime, tmp_path / "store")
    assert str(caught.value) == (
        "pretend__s32: one pair does not fit in the memory of cpu; free some, raise --gpu-memory"
        " or use --device cpu"
    )


def test_a_pair_that_breaks_in_the_lane_costs_only_itself(
    pairs: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken: list[bool] = []

    def fails(size: int) -> Exception | None:
        """On the first batch, and then on the first single pair."""
        if size > 1 and not broken:
            return RuntimeError("cannot")
        if size == 1 and not broken:
            broken.append(True)
            return RuntimeError("cannot")
        return None

    pretend.register(monkeypatch, fails)
    runtime = BatchesOnCpu(pretend.weights_in(tmp_path / "weights"))
    recipe, store = pretend.bound(runtime), Store(tmp_path / "store")
    with pytest.raises(DataError) as caught:
        extract(pairs, recipe, store, runtime, workers=2)
    assert len(caught.value.problems) == 2
    assert caught.value.problems[0].endswith("pretend__s32: RuntimeError: cannot")
    assert [len(store.keys(block)) for block in recipe.blocks] == [19, 20]


def test_a_killed_run_would_lose_less_than_a_lane(
    pairs: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Interrupted after the second batch, the first is on disk."""
    monkeypatch.setattr("seiqa_features.extraction.flow.BATCH_PAIRS", 8)
    pretend.register(monkeypatch)
    runtime = BatchesOnCpu(pretend.weights_in(tmp_path / "weights"))

    def interrupt(done: int, _: int) -> None:
        if done >= 12:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(pairs, runtime, tmp_path / "store", shard_pairs=8, on_progress=interrupt)
    store = Store(tmp_path / "store")
    assert all(len(store.keys(block)) >= 8 for block in pretend.bound(runtime).blocks)


def test_batch_size_follows_the_memory() -> None:
    assert batch_limit(need=1e9, free=20e9) == 16
    assert batch_limit(need=1e9, free=0.5e9) == 1
    assert batch_limit(need=0.0, free=1e9) == BATCH_PAIRS


def test_batch_size_is_found_once_per_block_and_shape(
    pairs: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Room for four pairs: the rest of the batch goes in fours."""
    batches = pretend.register(monkeypatch)
    monkeypatch.setattr(gpu_batches, "_peak", lambda _: 2e9)
    monkeypatch.setattr(gpu_batches, "_free", lambda _: 5e9)
    run(pairs, BatchesOnCpu(pretend.weights_in(tmp_path / "weights")), tmp_path / "store")
    assert batches == [2, 4, 4, 4, 4, 2]


class EverythingInBatches(Runtime):
    """Sends classical metrics through the GPU's batches, too."""

    def on_gpu(self, spec: object) -> bool:
        return bool(spec.runs_on_gpu)  # type: ignore[attr-defined]


def test_classical_metrics_take_the_same_batches_and_pictures_are_sent_once(
    pairs: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[int] = []
    real = gpu_batches.pixels

    def watched(pictures: Sequence[Crops], *, pinned: bool) -> torch.Tensor:
        assert not pinned
        sent.append(len(pictures))
        return real(pictures)

    monkeypatch.setattr(gpu_batches, "pixels", watched)
    features = {"gms": ["s32"], "psnr": ["s32"], "colour": ["s32"], "aligned": ["s96"]}
    tables = []
    for kind in (Runtime, EverythingInBatches):
        runtime, store = kind(WeightFiles(tmp_path)), Store(tmp_path / kind.__name__)
        recipe, _ = runtime.bind(Recipe.parse(features))
        extract(pairs, recipe, store, runtime, workers=2)
        tables.append(assemble(pairs, recipe, store)[0])
    pd.testing.assert_frame_equal(*tables, check_exact=True)
    # Of three metrics: the references and degraded pictures of a trial batch, then of the rest.
    assert sent == [1, PROBE_PAIRS, 5, len(pairs) - PROBE_PAIRS]


def test_a_network_too_large_for_the_gpu_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weight_files = pretend.weights_in(tmp_path / "weights")
    pretend.register(monkeypatch)
    monkeypatch.setattr(torch, "load", Mock(side_effect=torch.OutOfMemoryError("CUDA")))
    with pytest.raises(DeviceError, match="pretend: its network does not fit in the memory of cpu"):
        Runtime(weight_files).work("pretend")


@pytest.mark.slow  # it starts Ray
@pytest.mark.enable_socket
def test_two_devices_share_the_work(pairs: pd.DataFrame, tmp_path: Path) -> None:
    """Two processes on the CPU stand for two GPUs."""
    pytest.importorskip("ray", reason="Ray is not installed: extra cluster")
    weight_files = WeightFiles(tmp_path, resources_for(TINY_VIT, tmp_path / "random").weights)
    seen: list[int] = []
    tables = []
    for device in ("cpu", "cpu,cpu"):
        runtime, store = Runtime(weight_files, device=device), Store(tmp_path / device)
        recipe, _ = runtime.bind(Recipe.parse({TINY_VIT: ["s160"], "gms": ["s32"]}))
        report = extract(
            pairs, recipe, store, runtime, workers=2, on_progress=lambda d, _: seen.append(d)
        )
        assert report.computed == len(pairs)
        assert extract(pairs, recipe, store, runtime, workers=2).cached == len(pairs)
        tables.append(assemble(pairs, recipe, store)[0])
    assert max(seen) == len(pairs)
    pd.testing.assert_frame_equal(*tables, check_exact=True)


def test_no_more_pairs_are_prepared_than_the_gpu_will_soon_take(
    pairs: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a slow GPU would fill the memory with pictures."""
    started: list[int] = []
    ahead: list[int] = []
    real = flow.compute

    def watched(task: list[Job], runtime: Runtime) -> Result:
        started.append(len(task))
        return real(task, runtime)

    monkeypatch.setattr(flow, "BATCH_PAIRS", 4)
    monkeypatch.setattr(flow, "compute", watched)
    pretend.register(monkeypatch)
    runtime = BatchesOnCpu(pretend.weights_in(tmp_path / "weights"))
    run(pairs, runtime, tmp_path / "store",
        on_progress=lambda done, _: ahead.append(sum(started) - done))  # fmt: skip
    assert sum(started) == len(pairs) == 20
    assert max(ahead) <= 2 * 4 + 4  # one batch waits, one is prepared, the last task may overshoot


def test_large_pictures_make_small_batches(
    pairs: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else so many of them would fill the memory."""
    batches = pretend.register(monkeypatch)
    weight_files = pretend.weights_in(tmp_path / "weights")
    expected = run(pairs, BatchesOnCpu(weight_files), tmp_path / "a")
    assert max(batches) == len(pairs) - PROBE_PAIRS
    batches.clear()
    real = flow.compute

    def slow(task: list[Job], runtime: Runtime) -> Result:
        time.sleep(0.1)
        return real(task, runtime)

    monkeypatch.setattr(flow, "compute", slow)
    monkeypatch.setattr(flow, "BATCH_BYTES", 4 * 2 * 3 * 32 * 32)  # two tasks have more
    found = run(pairs, BatchesOnCpu(weight_files), tmp_path / "b", workers=1)
    assert sum(batches) == len(pairs)
    assert max(batches) <= 12
    pd.testing.assert_frame_equal(found, expected, check_exact=True)
