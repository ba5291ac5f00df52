"""A lack of memory is told as such, and only that."""

from __future__ import annotations

import resource
import subprocess
import sys
from concurrent.futures.thread import BrokenThreadPool
from pathlib import Path

import pytest

from pipelines.unexpected import described

LIMITED = """
import resource
import psutil
import pipelines.cli
def load() -> None:
    has = psutil.Process().memory_info().vms
    resource.setrlimit(resource.RLIMIT_AS, (has + 10**8, has + 10**8))
    import torch
pipelines.cli.app.command("load")(load)
pipelines.cli.main(["load"])
"""


def limit(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (size, size))


def test_a_limit_on_memory_is_named_if_pytorch_cannot_be_loaded() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LIMITED],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("seiqa: the memory does not suffice (")
    assert "failed to map segment" in line
    assert "GB of addresses (ulimit -v)" in line
    assert "report" not in line


@pytest.mark.parametrize(
    "error",
    [
        MemoryError("Unable to allocate 3 GiB"),
        RuntimeError("can't start new thread"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 99 bytes"),
        OSError(12, "Cannot allocate memory"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_lack_of_memory_without_a_limit_says_what_to_do(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit(monkeypatch, resource.RLIM_INFINITY)
    line = described(error)
    assert line.startswith(f"the memory does not suffice ({error}): end other programs")


def test_what_led_to_an_error_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    limit(monkeypatch, resource.RLIM_INFINITY)
    error = ValueError("fold 3")
    error.__cause__ = MemoryError()
    assert described(error).startswith("the memory does not suffice (fold 3)")


@pytest.mark.parametrize("kind", [BrokenThreadPool, ImportError])
def test_a_broken_pool_has_other_causes_where_there_is_no_limit(
    kind: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    limit(monkeypatch, 2 * 10**9)
    assert "this process may have 2.0 GB of addresses" in described(kind("initializer failed"))
    limit(monkeypatch, resource.RLIM_INFINITY)
    assert described(kind("initializer failed")).endswith("please report it")
