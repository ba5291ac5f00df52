"""Locks that a forked process can take."""

from __future__ import annotations

from seiqa_features.locks import forkable_lock
from tests.forking import Halt, ends_in_a_fork, needs_fork


@needs_fork
def test_a_forked_process_does_not_wait_for_threads_that_it_lacks() -> None:
    lock, halt = forkable_lock(), Halt()

    def hold() -> None:
        with lock:
            halt()

    def take() -> None:
        with lock:
            pass

    with halt.reached_by(hold):
        assert ends_in_a_fork(take, seconds=5)
        assert lock.locked()  # here it is still held
    assert not lock.locked()
