"""The parameters of a stack, checked before anything is fitted."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from numbers import Integral, Real
from typing import Any, cast

import numpy as np

MAX_SEED = 2**31 - 1
"""Largest seed that all of the learners' libraries accept."""


def check_parameters(parameters: Mapping[str, Any]) -> None:
    """Check parameters of a :class:`seiqa_models.stack.regressor.SeiqaRegressor`, by name.

    ``learners``, ``n_splits``, ``purpose`` and ``fusion`` are checked where they are first used.

    Raises
    ------
    ValueError
        A parameter has the wrong type or is out of range.
    """
    for name in ("consensus", "calibrate"):
        given = parameters[name]
        _require(isinstance(given, bool | np.bool_), name, given, "True or False")
    check_seed("random_state", parameters["random_state"])
    n_jobs = parameters["n_jobs"]
    usable = n_jobs is None or (_is_whole(n_jobs) and n_jobs != 0)
    _require(usable, "n_jobs", n_jobs, "a number of processes, or -1 for one per core")
    for column, better in _mapping(parameters, "directions", "1 or -1 by column"):
        known = _is_finite(better) and better in (-1, 1)
        _require(known, f"directions[{column!r}]", better, "1 if higher is better, -1 if lower is")
    for collection, label in _mapping(parameters, "identity", "a label by collection"):
        _require(_is_finite(label), f"identity[{collection!r}]", label, "a finite number")
    if (label_range := parameters["label_range"]) is not None:
        _require(_is_range(label_range), "label_range", label_range, "(lowest, highest)")
    if (scale := parameters["scale"]) is not None:
        _require(isinstance(scale, str), "scale", scale, "the name of a collection, or '0..5'")


def check_seed(name: str, seed: Any) -> None:
    """Check a parameter that is a seed.

    Raises
    ------
    ValueError
        It is not a whole number from 0 to `MAX_SEED`: with any other, two fits could differ.
    """
    usable = _is_whole(seed) and 0 <= seed <= MAX_SEED
    _require(usable, name, seed, f"a whole number from 0 to {MAX_SEED}")


def _mapping(parameters: Mapping[str, Any], name: str, expected: str) -> Iterable[tuple[str, Any]]:
    """The items of a mapping from text, none if it is not given."""
    given = parameters[name]
    if given is None:
        return ()
    named = isinstance(given, Mapping) and all(isinstance(key, str) for key in given)
    _require(named, name, given, f"a mapping, {expected}")
    return cast("Mapping[str, Any]", given).items()


def _require(fulfilled: bool, name: str, given: Any, expected: str) -> None:
    if not fulfilled:
        raise ValueError(f"{name} is {given!r}, expected {expected}")


def _is_whole(value: Any) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)


def _is_finite(value: Any) -> bool:
    return isinstance(value, Real) and math.isfinite(value)


def _is_range(value: Any) -> bool:
    ends = list(value) if isinstance(value, Iterable) else []
    return len(ends) == 2 and all(map(_is_finite, ends)) and ends[0] < ends[1]
