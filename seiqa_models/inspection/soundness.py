"""Whether the object rebuilt from a bundle is a working regressor, before anything is scored."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from seiqa_models.inspection.members import UnsoundModelError
from seiqa_models.stack.regressor import SeiqaRegressor

JOBS = 256
"""Maximum number of threads that a part of a regressor may request."""

ASTRAY = 10
"""How far a typical row's score may be outside the label range, in multiples of that range."""

_LIBSVM_CLASSES = 2  # a regression counts as two


def require_sound(regressor: SeiqaRegressor) -> None:
    """Predict made-up rows: one of typical values, one of the smallest and one of the largest.

    This finds missing parts, wrong types or shapes, and values that are not finite. Parts whose
    sizes would be trusted by C code are checked first; boosters' third-party formats are not.

    Raises
    ------
    UnsoundModelError
        It cannot predict, or a prediction is not a finite number or far from the labels.
    """
    try:
        for part in _parts(regressor):
            _check_part(part)
        low, high = regressor.label_range_
        if not (low < high and math.isfinite(high - low)):
            raise UnsoundModelError(f"its range of labels is {low} to {high}")
        with warnings.catch_warnings(), np.errstate(all="raise", under="ignore"):
            warnings.simplefilter("ignore")
            _check_predictions(regressor, low, high)
    except UnsoundModelError:
        raise
    except Exception as error:  # a wrong part can raise anything
        raise UnsoundModelError(f"it cannot predict ({type(error).__name__}: {error})") from None


def expected_columns(regressor: SeiqaRegressor) -> dict[str, int]:
    """Columns that the regressor reads: 0 for a scalar, the number of values for a dense block."""
    meta = regressor.preparation_.meta_
    dims = {name: len(meta.coefs_[name]) for name in meta.blocks_}
    return {name: dims.get(name, 0) for name in regressor.features_}


def _check_predictions(regressor: SeiqaRegressor, low: float, high: float) -> None:
    rows = _made_up(regressor)
    learners = regressor.predict_learners(rows)
    scores = pd.DataFrame({"score": regressor.fuse_unclipped(learners)}, index=rows.index)
    intervals = regressor.predict_interval(rows)
    values = regressor.preparation_.transform(rows)
    own = pd.DataFrame(
        {name: regressor.fuse_as(learners, values, name) for name in regressor.collections_},
        index=rows.index,
    )
    for table in (learners, scores, intervals, own):
        odd = ~np.isfinite(table.to_numpy(np.float64))
        if odd.any():
            column = table.columns[int(np.argmax(odd.any(axis=0)))]
            raise UnsoundModelError(f"what it predicts as {column} is not finite")
    _require_near("it", float(scores["score"].iloc[0]), low, high)
    if (bounds := regressor.blend_.bounds_) is not None:  # which would hide where a member goes
        for name, *within in zip(regressor.blend_.members_, *bounds.tolist(), strict=True):
            _require_near(f"its {name}", float(learners[name].iloc[0]), *within)


def _require_near(what: str, typical: float, low: float, high: float) -> None:
    """Check that the prediction of a typical row is not far from what is known in training."""
    reach = ASTRAY * (high - low)
    if not low - reach <= typical <= high + reach:
        raise UnsoundModelError(
            f"{what} gives a typical row {typical:.3g}, expected about {low:.3g} to {high:.3g}"
        )


def _made_up(regressor: SeiqaRegressor) -> pd.DataFrame:
    """Three rows, with each scalar at its training median, minimum and maximum; blocks of zeros."""
    known = regressor.preparation_
    if not len(known.columns_) == len(known.low_) == len(known.high_) == len(known.medians_):
        raise UnsoundModelError("its preparation has bounds for other columns than its own")
    values = dict(
        zip(known.columns_, np.array([known.medians_, known.low_, known.high_]).T, strict=True)
    )
    columns = {
        name: _block(dim) if dim else values.get(name, np.zeros(3))
        for name, dim in expected_columns(regressor).items()
    }
    return pd.DataFrame(columns)


def _block(dim: int) -> pd.Series:
    flat = pa.array(np.zeros(3 * dim, np.float32))
    blocks = pa.FixedSizeListArray.from_arrays(flat, dim)
    return pd.Series(pd.arrays.ArrowExtensionArray(pa.chunked_array(blocks)))


def _parts(regressor: SeiqaRegressor) -> Iterator[Any]:
    """Every object with attributes inside the regressor, excluding itself."""
    waiting: list[Any] = list(vars(regressor).values())
    seen: set[int] = set()
    while waiting:
        part = waiting.pop()
        if id(part) in seen or isinstance(part, np.ndarray | str | bytes | type):
            continue
        seen.add(id(part))
        if isinstance(part, Mapping):
            waiting.extend(part.values())
        elif isinstance(part, Sequence | set):
            waiting.extend(part)
        elif hasattr(part, "__dict__"):
            yield part
            waiting.extend(vars(part).values())


def _check_part(part: Any) -> None:
    held = vars(part)
    name = type(part).__name__
    jobs = held.get("n_jobs")
    if jobs is not None and not (isinstance(jobs, Integral) and abs(int(jobs)) <= JOBS):
        raise UnsoundModelError(f"its {name} asks for {jobs!r} threads")
    if type(part).__module__.startswith("seiqa_models."):
        for key, value in held.items():
            if not all(_is_finite(one) for one in _held(value)):
                raise UnsoundModelError(f"{key} of its {name} holds a value that is not finite")
    if "tree_" in held and held["tree_"].n_features != held.get("n_features_in_"):
        raise UnsoundModelError(f"its {name} reads other columns than it was given")
    if any(one.n_features_in_ != part.n_features_in_ for one in held.get("estimators_", ())):
        raise UnsoundModelError(f"its {name} is made of estimators for other columns")
    if type(part).__module__ == "sklearn.svm._classes" and "support_vectors_" in held:
        _check_machine(held, name)


def _held(value: Any) -> list[Any]:
    """An attribute's value, or the items of a list or mapping."""
    if isinstance(value, Mapping):
        return list(value.values())
    return list(value) if isinstance(value, list | tuple) else [value]


def _is_finite(value: Any) -> bool:
    """Whether a float, or every number of an array, is real and finite; True for other types."""
    if isinstance(value, np.ndarray) and value.dtype.kind in "fc":
        return value.dtype.kind == "f" and bool(np.isfinite(value).all())
    return not isinstance(value, float) or math.isfinite(value)


def _check_machine(held: Mapping[str, Any], name: str) -> None:
    """A support vector machine's arrays, which libsvm reads by sizes that it computes itself."""
    count = len(held["support_vectors_"])
    shapes = {
        "support_": (count,),
        "_dual_coef_": (1, count),
        "_intercept_": (1,),
        "_n_support": (_LIBSVM_CLASSES,),
        "_probA": (0,),
        "_probB": (0,),
    }
    wrong = [key for key, shape in shapes.items() if held[key].shape != shape]
    if wrong or held["support_vectors_"].shape[1] != held["n_features_in_"]:
        what = ", ".join(wrong) or "support_vectors_"
        raise UnsoundModelError(f"{what} of its {name} has a wrong shape")
