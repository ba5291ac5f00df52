"""One thread for BLAS and OpenMP, for several callers at the same time."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Barrier, Thread
from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from seiqa_models.core import threads
from seiqa_models.core.threads import one_core, processes
from tests.forking import Halt, ends_in_a_fork, needs_fork


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
