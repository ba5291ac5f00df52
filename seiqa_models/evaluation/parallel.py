"""Parallel fits, counted as they finish."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from seiqa_models.core.threads import in_processes


def run_counted(
    tasks: Iterable[Any], total: int, n_jobs: int, on_done: Callable[[int, int], None] | None
) -> list[Any]:
    """The results of `joblib.delayed` calls, in their order.

    Parameters
    ----------
    tasks : iterable
        Drawn only as they are run, so that not all of their arguments are in memory at once.
    total : int
        Number of tasks.
    n_jobs : int
        Number of processes, as for joblib; no more than tasks are started.
    on_done : callable, optional
        Called with (tasks done, total) in the order of the tasks.
    """
    results: list[Any] = []
    for result in in_processes(n_jobs, total, return_as="generator")(tasks):
        results.append(result)
        if on_done is not None:
            on_done(len(results), total)
    return results
