"""Wanted pairs: each once, found in any table of keys, and ranges that can hold none ruled out."""

from __future__ import annotations

import random

import pyarrow as pa
import pytest

from seiqa_features.table.keys import KEYS, Wanted


def keys(*pairs: tuple[str, str]) -> pa.Table:
    return pa.table({name: [pair[i] for pair in pairs] for i, name in enumerate(KEYS)})


def test_a_pair_that_is_asked_for_twice_is_one() -> None:
    wanted = Wanted(["r", "r", "r"], ["b", "a", "b"])
    assert len(wanted) == 2
    assert wanted.places.tolist() == [0, 1, 0]


def test_positions() -> None:
    wanted = Wanted(["r", "s"], ["a", "b"])
    found = wanted.positions(keys(("s", "b"), ("r", "b"), ("r", "a"), ("s", "b")))
    assert found.tolist() == [1, -1, 0, 1]


def test_keys_are_told_apart_by_both_parts() -> None:
    assert Wanted(["ab"], ["c"]).positions(keys(("a", "bc"))).tolist() == [-1]


def test_nothing_wanted() -> None:
    wanted = Wanted([], [])
    assert len(wanted) == 0
    assert wanted.positions(keys(("r", "a"))).tolist() == [-1]
    assert not wanted.within(("a", "a"), ("z", "z"))


@pytest.mark.parametrize("seed", range(5))
def test_no_range_that_holds_a_wanted_pair_is_ruled_out(seed: int) -> None:
    draw = random.Random(seed)
    there = sorted((draw.choice("abcd"), f"{draw.randrange(500):03d}") for _ in range(300))
    asked = draw.sample(there, 5)
    wanted = Wanted([ref for ref, _ in asked], [dist for _, dist in asked])
    read = 0
    for start in range(0, len(there), 10):
        group = there[start : start + 10]
        first = min(ref for ref, _ in group), min(dist for _, dist in group)
        last = max(ref for ref, _ in group), max(dist for _, dist in group)
        within = wanted.within(first, last)
        assert within or not set(group) & set(asked)
        read += within
    assert read < 15
