"""Processes that prepare pictures for a GPU; a CPU stands for it, as in `test_batches`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil
import pytest

from seiqa_features.extraction import flow
from seiqa_features.extraction.direct import compute_table, gather
from seiqa_features.extraction.gpu import preparing
from seiqa_features.extraction.gpu.preparing import Processes, processes_for
from seiqa_features.extraction.jobs import Job
from seiqa_features.extraction.planning import jobs_for
from seiqa_features.extraction.runner import extract
from seiqa_features.extraction.runtime import Runtime
from seiqa_features.extraction.work import compute
from seiqa_features.extractors.specs import ExtractorSpec
from seiqa_features.table.recipe import Recipe
from seiqa_features.table.store import Store
from seiqa_features.table.table import assemble
from seiqa_features.weights.files import WeightFiles

FEATURES = {"gms": ["s32", "max512"], "ssim": ["s32"], "aligned": ["max512"]}


class PretendedGpu(Runtime):
    """Everything that could run on a GPU takes its batches, on the CPU."""

    def on_gpu(self, spec: ExtractorSpec) -> bool:
        return spec.runs_on_gpu


@pytest.fixture
def pairs(make_pairs: Callable[..., pd.DataFrame]) -> pd.DataFrame:
    """Six references with two degraded versions each, some of another size."""
    return make_pairs(6, 2, (96, 128), (90, 64))


@pytest.fixture
def runtime(tmp_path: Path) -> PretendedGpu:
    return PretendedGpu(WeightFiles(tmp_path))


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Processes]:
    """Few pairs are enough; the tasks wait for the processes, which go into the list."""
    monkeypatch.setattr(preparing, "FEWEST_PAIRS", 4)
    seen: list[Processes] = []

    class Watched(Processes):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            self.submitted = 0
            seen.append(self)
            self._first.result(60)

        def submit(self, task: Sequence[Job]) -> Future[Any] | None:
            future = super().submit(task)
            self.submitted += future is not None
            return future

    monkeypatch.setattr(preparing, "Processes", Watched)
    return seen


def jobs_of(pairs: pd.DataFrame, recipe: Recipe) -> list[Job]:
    return jobs_for(pairs, np.zeros((len(pairs), len(recipe.blocks)), bool), recipe)


def run(
    pairs: pd.DataFrame, runtime: Runtime, folder: Path, **options: Any
) -> tuple[pd.DataFrame, dict[str, str]]:
    recipe, store = runtime.bind(Recipe.parse(FEATURES))[0], Store(folder)
    report = extract(pairs, recipe, store, runtime, workers=2, keep_going=True, **options)
    return assemble(report.kept(pairs), recipe, store)[0], report.failures


@pytest.fixture(autouse=True)
def _left_by_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """joblib keeps its processes for a while after a test that has used them."""
    monkeypatch.setattr(sys.modules[__name__], "LEFT", {child.pid for child in all_children()})


LEFT: set[int] = set()


def all_children() -> list[psutil.Process]:
    return psutil.Process().children(recursive=True)


def children() -> list[psutil.Process]:
    """Processes of loky, but for the one that looks after its semaphores."""
    found = []
    for child in (each for each in all_children() if each.pid not in LEFT):
        try:
            found += [child] if "popen_loky" in " ".join(child.cmdline()) else []
        except psutil.Error:
            continue
    return found


def test_processes_give_what_threads_give(
    pairs: pd.DataFrame, runtime: Runtime, tmp_path: Path, started: list[Any]
) -> None:
    """Also of a pair whose picture is gone; blocks that stay on the CPU run in the processes."""
    Path(str(pairs["dist_path"].iloc[3])).unlink()
    expected, missing = run(pairs, Runtime(WeightFiles(tmp_path)), tmp_path / "threads")
    assert not started
    found, failures = run(pairs, runtime, tmp_path / "processes")
    assert [processes.submitted for processes in started] == [6]  # a task for each reference
    pd.testing.assert_frame_equal(found, expected, check_exact=True)
    assert failures == missing
    assert len(failures) == 1
    assert children() == []


def test_blocks_share_pictures_and_jobs_are_the_ones_submitted(
    pairs: pd.DataFrame, runtime: Runtime, started: list[Any]
) -> None:
    recipe, _ = runtime.bind(Recipe.parse(FEATURES))
    jobs = jobs_of(pairs, recipe)
    with processes_for(jobs, runtime, 2) as processes:
        assert processes is started[0]
        future = processes.submit(jobs[:2])
        assert future is not None
        found = processes.opened(future, jobs[:2])
    assert found is not None
    here = compute(jobs[:2], runtime)
    assert found.rows.keys() == here.rows.keys()
    assert found.size == here.size
    gms, whole, ssim, _ = recipe.blocks
    assert found.prepared[gms] is found.prepared[ssim]
    for block in (gms, whole):
        for one, other in zip(found.prepared[block], here.prepared[block], strict=True):
            assert one.job is other.job
            assert one.ref is found.prepared[block][0].ref
            assert np.array_equal(one.ref, other.ref)
            assert np.array_equal(one.dist, other.dist)


def test_threads_do_what_is_not_worth_a_start(pairs: pd.DataFrame, runtime: Runtime) -> None:
    """Few pairs, no GPU, or pictures in memory."""
    jobs = jobs_of(pairs, runtime.bind(Recipe.parse(FEATURES))[0])
    many = jobs * preparing.FEWEST_PAIRS
    in_memory = [Job(job.key, "", lambda: None, job.dist, job.blocks) for job in many]  # type: ignore[arg-type,return-value]
    for some, kind in (
        (jobs, runtime),
        (many, Runtime(runtime.weight_files)),
        (in_memory, runtime),
    ):
        with processes_for(some, kind, 2) as processes:
            assert processes is None


def test_a_program_may_pass_files(
    pairs: pd.DataFrame, runtime: Runtime, started: list[Any]
) -> None:
    loads, problems = gather(list(pairs["ref_path"]), list(pairs["dist_path"]))
    assert problems == []
    recipe, _ = runtime.bind(Recipe.parse({"gms": ["s32"]}))
    table, failures = compute_table(loads, recipe, runtime, workers=2)
    assert (len(table), failures) == (12, {})
    assert started[0].submitted > 0


@pytest.mark.usefixtures("started")
def test_a_killed_process_costs_nothing(
    pairs: pd.DataFrame,
    runtime: Runtime,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    expected, _ = run(pairs, Runtime(WeightFiles(tmp_path)), tmp_path / "threads")
    killed: list[int] = []

    real = Processes.submit

    def submit(self: Any, task: Sequence[Job]) -> Future[Any] | None:
        future = real(self, task)
        if not killed:
            killed.append(children()[0].pid)
            os.kill(killed[0], signal.SIGKILL)
        return future

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Processes, "submit", submit)
        found, failures = run(pairs, runtime, tmp_path / "processes")
    assert killed
    assert failures == {}
    pd.testing.assert_frame_equal(found, expected, check_exact=True)
    assert caplog.text.count("threads do it from here on") == 1


def test_an_interrupted_run_ends_the_processes_and_keeps_the_batches(
    pairs: pd.DataFrame,
    runtime: Runtime,
    tmp_path: Path,
    started: list[Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(flow, "BATCH_PAIRS", 4)

    def interrupt(done: int, _total: int) -> None:
        if done >= 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(pairs, runtime, tmp_path / "store", on_progress=interrupt)
    assert len(started) == 1
    assert children() == []
    recipe, _ = runtime.bind(Recipe.parse(FEATURES))
    kept = Store(tmp_path / "store")
    assert all(len(kept.keys(block)) >= 4 for block in recipe.blocks)


def test_without_semaphores_threads_do_it(
    pairs: pd.DataFrame, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError("no semaphores here")

    monkeypatch.setattr(preparing, "FEWEST_PAIRS", 4)
    monkeypatch.setattr(preparing, "Processes", refuse)
    with processes_for(jobs_of(pairs, runtime.bind(Recipe.parse(FEATURES))[0]), runtime, 2) as none:
        assert none is None


SCRIPT = """
import sys, time
from pathlib import Path
import numpy as np
import pandas as pd
from seiqa_features.extraction.gpu.preparing import Processes
from seiqa_features.extraction.planning import jobs_for
from seiqa_features.table.recipe import Recipe
from seiqa_features.extraction.runtime import Runtime
from seiqa_features.weights.files import WeightFiles

pairs = pd.read_pickle(sys.argv[1])
runtime = Runtime(WeightFiles(Path(".")))
runtime.uses_gpu = True
recipe = Recipe.parse({"gms": ["s32"]})
jobs = jobs_for(pairs, np.zeros((len(pairs), 1), bool), recipe)
processes = Processes(runtime, recipe.blocks, 1)
print("begun", flush=True)
while (future := processes.submit(jobs[:2])) is None:
    time.sleep(0.01)
print(len(processes.opened(future, jobs[:2]).prepared), flush=True)
time.sleep(60)
"""


@pytest.fixture
def script(pairs: pd.DataFrame, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """The script, once it has begun to start its process."""
    (tmp_path / "script.py").write_text(SCRIPT)
    pairs.to_pickle(tmp_path / "pairs.pickle")
    names = [str(tmp_path / name) for name in ("script.py", "pairs.pickle")]
    with subprocess.Popen(
        [sys.executable, "-W", "error", *names],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    ) as program:  # fmt: skip
        assert program.stdout is not None
        assert program.stdout.readline() == "begun\n"
        yield program


def gone(process: psutil.Process) -> bool:
    """Whether it ends within some seconds."""
    deadline = time.monotonic() + 20
    while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def test_a_script_needs_no_guard_and_its_processes_die_with_it(
    script: subprocess.Popen[str],
) -> None:
    assert script.stdout is not None
    assert script.stdout.readline() == "1\n"
    (child,) = [each for each in children() if each.ppid() == script.pid]
    script.kill()
    assert gone(child)


def test_an_interrupt_is_for_the_program_alone(script: subprocess.Popen[str]) -> None:
    """A terminal sends it to all processes, also to those that still import."""
    (child,) = [each for each in children() if each.ppid() == script.pid]
    os.killpg(script.pid, signal.SIGINT)
    _, said = script.communicate(timeout=60)
    assert said.count("Traceback") == 1
    assert said.endswith("KeyboardInterrupt\n")
    assert gone(child)
