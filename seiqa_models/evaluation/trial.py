"""A quick trial of a stack's parts on made-up rows, before hours of work are spent.

A learner or a fusion may be third-party code. It is fitted on a table with more columns than rows,
asked for predictions, saved and loaded, so that failures happen early and name it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import skops.io

from seiqa_models.core.arrays import FloatMatrix, FloatVector, Rows, Table
from seiqa_models.core.errors import LearnerError
from seiqa_models.core.persistence import canonical_dump
from seiqa_models.core.threads import one_core
from seiqa_models.fusions.registry import named
from seiqa_models.plugins.calls import described, fit_named, predict_named
from seiqa_models.stack.pool.fitting import fit_learner
from seiqa_models.trust import refused_types, trusted_types

_ROWS, _COLUMNS, _GROUPS = 24, 30, 6


def try_learner(name: str, *, random_state: int = 0) -> None:
    """Fit a learner to 24 rows of 30 columns, and predict before and after saving and loading.

    Raises
    ------
    ValueError
        No learner has this name.
    LearnerError
        It cannot be created or fitted, does not predict one finite number per row, or cannot be
        saved and loaded; a subclass of ValueError. The message is one line that names it.
    """
    X, y, kinds = _made_up()
    what = f"learner {name!r}"
    fitted = fit_learner(name, X, y, random_state, kinds)
    _try(what, fitted, X)


def try_fusion(fusion: Any) -> None:
    """The same for an unfitted fusion, on the predictions of two learners.

    Raises
    ------
    LearnerError
        As :func:`try_learner`.
    """
    X, y, _ = _made_up()
    P = pd.DataFrame({"one": X[:, 0], "two": X[:, 1]})
    fitted = fit_named(named(fusion), fusion, P, y, np.arange(_ROWS) % _GROUPS)
    _try(named(fusion), fitted, P)


def _try(what: str, fitted: Any, X: Table) -> None:
    with one_core():
        before = predict_named(what, fitted, X)
        after = predict_named(what, _round_trip(what, fitted), X)
    if not np.array_equal(before, after):
        raise LearnerError(f"{what} does not predict the same after it was saved and loaded")


def _made_up() -> tuple[FloatMatrix, FloatVector, Rows]:
    """Rows whose label is mostly their first column, with two kinds."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(_ROWS, _COLUMNS))
    return X, X[:, 0] + 0.1 * rng.normal(size=_ROWS), np.arange(_ROWS) % 2


def _round_trip(what: str, fitted: Any) -> Any:
    try:
        saved = canonical_dump(fitted)
        refused = refused_types(saved)
        if not refused:
            return skops.io.loads(saved, trusted=trusted_types(saved))
    except Exception as error:
        raise LearnerError(f"{what} cannot be saved and loaded ({described(error)})") from error
    raise LearnerError(
        f"{what} cannot be saved: a bundle may not hold {', '.join(refused)}; a package that is"
        " installed with entry points for what it adds makes its types known"
    )
