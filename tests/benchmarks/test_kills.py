"""Killed at any moment, seiqa mixes nothing up and loses no row; no flipped bit is believed."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from damage import RESULTS, flip_bits, flip_results
from killable import Bench, _points
from kills import VERBS, WRONG, kill_everywhere
from sudden import kill_at_random

TRACE = """\
7 write(2</tmp/said>, "x", 1) = 1
7 write(5</tmp/work/x/a>, "x", 1) = 1
8 write(6</tmp/work/x/b>, "x", 1) = 1
7 rename("x/.seiqa-1.tmp", "x/a") = 0
7 <... write resumed>) = 1
7 write(5</tmp/work/x/a>, "y", 1) = 1
7 +++ exited with 0 +++
"""


def test_points_are_the_calls_that_change_files_below_the_folder() -> None:
    """By the number that strace counts, of each thread and call by itself."""
    points = list(_points(TRACE, Path("/tmp/work")))
    assert points == [("write", 2), ("write", 1), ("rename", 1), ("write", 3)]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    root = tmp_path_factory.mktemp("kills")
    yield Bench(root)
    shutil.rmtree(root)


@pytest.mark.slow
@pytest.mark.parametrize("verb", VERBS)
def test_kills(bench: Bench, verb: str) -> None:
    figures = kill_everywhere(bench, verb, every=2 if verb == "prune" else 8)
    assert figures["kills"] > 5
    assert figures["states"] > 2
    assert {name: figures[name] for name in WRONG} == dict.fromkeys(WRONG, 0)


@pytest.mark.slow
def test_flipped_bits(bench: Bench) -> None:
    figures = flip_bits(bench, 40)
    assert figures["noticed"] > 15
    assert (figures["flips"], figures["believed"], figures["failed"]) == (40, 0, 0)


@pytest.mark.slow
def test_flipped_bits_of_results(bench: Bench) -> None:
    flips = 4 * len(RESULTS)
    figures = flip_results(bench, flips)
    assert figures["refused"] > flips / 2
    assert (figures["flips"], figures["believed"], figures["tracebacks"]) == (flips, 0, 0)


@pytest.mark.slow
def test_kills_at_random_moments(bench: Bench) -> None:
    figures = kill_at_random(bench, 12)
    assert figures["kills"] > 3
    assert (figures["different"], figures["tracebacks"], figures["torn"]) == (0, 0, 0)
