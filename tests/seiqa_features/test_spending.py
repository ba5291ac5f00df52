"""Seconds and peak memory of a block: own pages, those of child processes, those of GPUs."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from types import SimpleNamespace

import pytest

from seiqa_features import spending as module
from seiqa_features.spending import Spent, spending

HOLD = (
    "import sys, time; held = bytearray(b'x') * 300_000_000; print('held', flush=True);"
    " sys.stdin.read()"
)


PEAK = """
import json, time
from dataclasses import asdict
from seiqa_features.spending import INTERVAL, spending
with spending() as spent:
    before = spent()
    held = bytearray(b"x") * 300_000_000
    time.sleep(3 * INTERVAL)
    del held
    print(json.dumps([asdict(before), asdict(spent())]))
"""


def test_the_peak_is_kept_after_memory_was_freed():
    """In a process of its own: what earlier tests held may be freed meanwhile."""
    told = subprocess.run([sys.executable, "-c", PEAK], capture_output=True, check=True).stdout
    before, after = (Spent(**each) for each in json.loads(told))
    assert after.gigabytes - before.gigabytes > 0.25
    assert after.seconds - before.seconds >= 3 * module.INTERVAL
    assert after.gpu_gigabytes == 0


def test_memory_of_child_processes_counts_while_they_live():
    with spending() as spent:
        before = spent()
        with subprocess.Popen(
            [sys.executable, "-c", HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as child:
            assert child.stdout is not None
            child.stdout.readline()
            during = spent()
        assert during.gigabytes - before.gigabytes > 0.25
    with spending() as spent:
        assert spent().gigabytes < during.gigabytes - 0.25


@pytest.mark.parametrize("started", [True, False])
def test_a_gpu_counts_from_the_start_of_the_block(monkeypatch, started):
    peaks = {0: 9e9, 1: 9e9}
    state = {"initialised": started}
    cuda = SimpleNamespace(
        is_initialized=lambda: state["initialised"],
        device_count=lambda: 2,
        reset_peak_memory_stats=lambda device: peaks.update({device: 0.0}),
        max_memory_allocated=peaks.__getitem__,
    )
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=cuda))
    with spending() as spent:
        if not started:
            assert spent().gpu_gigabytes == 0
            peaks.update({0: 0.0, 1: 0.0})
            state["initialised"] = True
        peaks.update({0: 1.5e9, 1: 2.5e9})
        assert spent().gpu_gigabytes == 2.5


def test_a_failed_block_ends_the_watch():
    with pytest.raises(ZeroDivisionError), spending():
        raise ZeroDivisionError
    assert "spending" not in {thread.name for thread in threading.enumerate()}


def test_pytorch_is_not_imported_for_it():
    code = (
        "import sys\nfrom seiqa_features.spending import Spent, spending\n"
        "with spending() as spent: spent()\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
