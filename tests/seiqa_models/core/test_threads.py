"""One thread for BLAS and OpenMP, for several callers at the same time."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Barrier, Thread
from typing import Any

import numpy as np
import psutil
import pytest
from joblib import delayed, parallel_config
from threadpoolctl import threadpool_info, threadpool_limits

from seiqa_models.core import threads
from seiqa_models.core.threads import in_processes, one_core, processes
from tests.forking import Halt, ends_in_a_fork, needs_fork

SLEEPERS = """
import os, sys, time
from joblib import delayed
from seiqa_models.core.threads import in_processes

def sleep(folder):
    open(f"{folder}/{os.getpid()}", "w").close()
    time.sleep(600)

in_processes(2, tasks=2)(delayed(sleep)(sys.argv[1]) for _ in range(2))
"""


def numbers(api: str) -> set[int]:
    """How many threads the libraries of that kind use in this thread; numpy is among them."""
    assert np.linalg.norm([3.0, 4.0]) == 5.0
    return {library["num_threads"] for library in threadpool_info() if library["user_api"] == api}


@pytest.fixture(autouse=True)
def _two_threads() -> Iterator[None]:
    """Set by this thread, so that threadpoolctl would not let others set it."""
    with threadpool_limits(limits=2):
        yield


def test_no_more_processes_than_tasks() -> None:
    assert [processes(n, tasks=3) for n in (1, 2, 1000)] == [1, 2, 3]
    assert 1 <= processes(-1, tasks=3) <= 3
    assert processes(4, tasks=0) == 1


@pytest.mark.parametrize("backend", ["loky", "threading", "sequential"])
def test_tasks_run_in_processes_or_where_the_caller_wants_them(backend: str) -> None:
    with parallel_config(backend):
        found = in_processes(2, tasks=3)(delayed(os.getppid)() for _ in range(3))
    assert set(found) == {os.getpid() if backend == "loky" else os.getppid()}


def test_processes_end_with_the_one_that_started_them_even_if_it_was_killed(tmp_path: Path) -> None:
    code = [sys.executable, "-c", SLEEPERS, str(tmp_path)]
    with subprocess.Popen(code, cwd=Path(__file__).parents[3]) as started:
        while len(pids := [int(path.name) for path in tmp_path.iterdir()]) < 2:
            assert started.poll() is None
            time.sleep(0.1)
        workers = [psutil.Process(pid) for pid in pids]
        started.kill()
    assert psutil.wait_procs(workers, timeout=60)[1] == []


def test_inside_it_is_one_and_afterwards_what_it_was() -> None:
    for _ in range(2):
        with one_core():
            assert numbers("blas") == {1}
            assert numbers("openmp") <= {1}
            with one_core():
                assert numbers("blas") == {1}
            assert numbers("blas") == {1}
        assert numbers("blas") == {2}
        assert numbers("openmp") <= {2}


def test_an_error_restores_it_too() -> None:
    with pytest.raises(KeyError), one_core():
        raise KeyError
    assert numbers("blas") == {2}


def test_who_leaves_first_takes_nothing_from_who_stays() -> None:
    seen: dict[str, set[int]] = {}
    step = Barrier(2)

    def first() -> None:
        with one_core():
            step.wait()  # both are inside
            step.wait()
        step.wait()  # the first is out

    def second() -> None:
        with one_core():
            step.wait()
            seen["both"] = numbers("blas") | numbers("openmp")
            step.wait()
            step.wait()
            seen["alone"] = numbers("blas") | numbers("openmp")

    both = [Thread(target=first), Thread(target=second)]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    assert seen == {"both": {1}, "alone": {1}}
    assert numbers("blas") == {2}


@needs_fork
def test_a_process_forked_while_another_thread_enters_can_enter(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    halt, set_threads = Halt(), threads._set_threads

    def halting(blas: Any, number: int) -> None:
        halt()
        set_threads(blas, number)

    def enter() -> None:
        with one_core():
            assert numbers("blas") == {1}

    monkeypatch.setattr(threads, "_set_threads", halting)
    with halt.reached_by(enter):
        assert ends_in_a_fork(enter)
    assert numbers("blas") == {2}
