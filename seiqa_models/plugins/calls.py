"""Calls of possibly third-party estimators: an error becomes one line that names them."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn import config_context
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import has_fit_parameter

from seiqa_models.core.arrays import FloatVector, Table
from seiqa_models.core.errors import LearnerError


def fit_named(what: str, estimator: Any, X: Table, y: ArrayLike, *more: Any, **extra: Any) -> Any:
    """``estimator.fit(X, y, …)``, whatever it returns.

    Parameters
    ----------
    what : str
        How errors name the estimator: ``learner 'svr'``.
    X, y
        A table of n rows, and labels float [n].
    *more, **extra
        Further arguments of ``fit``.

    Raises
    ------
    LearnerError
        It raised any exception.
    """
    try:
        with plain_scikit_learn():
            return estimator.fit(X, y, *more, **extra)
    except Exception as error:
        rows, columns = X.shape
        hint = " It must cope with more columns than rows." if columns >= rows else ""
        raise LearnerError(
            f"{what} cannot learn from {rows} rows × {columns} columns: {described(error)}."
            f"{hint} Fix it or leave it out"
        ) from error


def predict_named(what: str, estimator: Any, X: Table) -> FloatVector:
    """``estimator.predict(X)`` as float64 [n].

    Raises
    ------
    LearnerError
        It raised any exception, or did not predict one finite number per row.
    """
    try:
        with plain_scikit_learn():
            predicted = np.asarray(estimator.predict(X), dtype=np.float64)
    except Exception as error:
        raise LearnerError(f"{what} cannot predict: {described(error)}") from error
    if predicted.shape != (len(X),):
        raise LearnerError(
            f"{what} predicts an array {list(predicted.shape)} for {len(X)} rows,"
            f" expected [{len(X)}]"
        )
    odd = int((~np.isfinite(predicted)).sum())
    if odd:
        raise LearnerError(f"{what} predicts values that are not finite for {odd} of {len(X)} rows")
    return predicted


def uses_kinds(learner: Any) -> bool:
    """Whether the ``fit`` of a learner, or of a pipeline's last step, has a parameter ``kinds``."""
    return bool(has_fit_parameter(_last(learner), "kinds"))


def row_arguments(learner: Any, **known: Any) -> dict[str, Any]:
    """Keyword arguments for ``fit``: the known facts about the rows that the learner uses.

    They do not rely on metadata routing: a pipeline's step need not request anything.

    Parameters
    ----------
    learner
    known : array-like [n] or None, by the parameter of ``fit``
        ``kinds`` of distortion, ``collections`` and ``groups``, where they are known; and
        ``orders``, rows without labels and pairs of them.
    """
    step = f"{learner.steps[-1][0]}__" if isinstance(learner, Pipeline) else ""
    return {
        f"{step}{name}": values
        for name, values in known.items()
        if values is not None and has_fit_parameter(_last(learner), name)
    }


def _last(learner: Any) -> Any:
    return learner[-1] if isinstance(learner, Pipeline) else learner


def described(error: Exception) -> str:
    """An exception in one line: its type and the first line of its message."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def plain_scikit_learn() -> AbstractContextManager[None]:
    """scikit-learn's default configuration inside a stack, whatever the user has set globally."""
    plain: AbstractContextManager[None] = config_context(
        transform_output="default", enable_metadata_routing=False
    )
    return plain
