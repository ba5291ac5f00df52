"""Rows that a fitted estimator predicts: accepted as they are, converted or refused."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import NotFittedError

from seiqa_models.core.frames import known_rows
from seiqa_models.learners.as_is import AsIs

ROWS = np.random.default_rng(0).random((6, 3))


@pytest.fixture
def fitted() -> AsIs:
    return AsIs().fit(ROWS, ROWS[:, 1])


def test_a_finite_matrix_of_known_width_is_not_copied(fitted: AsIs) -> None:
    assert known_rows(fitted, ROWS, "column_") is ROWS


@pytest.mark.parametrize(
    "rows", [ROWS.tolist(), ROWS.astype(np.float32), pd.DataFrame(ROWS), ROWS.view(np.recarray)]
)
def test_other_rows_become_a_matrix(fitted: AsIs, rows: object) -> None:
    known = known_rows(fitted, rows, "column_")
    assert type(known) is np.ndarray
    assert known.dtype == np.float64
    np.testing.assert_allclose(known, ROWS, rtol=1e-6)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (ROWS[:, :2], "2 features, but AsIs is expecting 3"),
        (ROWS[:0], "0 sample"),
        (ROWS[0], "1D array"),
        (np.where(ROWS > 0.9, np.nan, ROWS), "NaN"),
        (np.where(ROWS > 0.9, np.inf, ROWS), "infinity"),
    ],
)
def test_rows_that_do_not_fit_are_refused_as_by_scikit_learn(
    fitted: AsIs, rows: np.typing.NDArray[np.float64], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        known_rows(fitted, rows, "column_")


def test_what_is_not_fitted_predicts_nothing() -> None:
    with pytest.raises(NotFittedError):
        known_rows(AsIs(), ROWS, "column_")


def test_a_matrix_lacks_the_names_that_the_estimator_was_fitted_with() -> None:
    named = AsIs().fit(pd.DataFrame(ROWS, columns=["a", "b", "c"]), ROWS[:, 1])
    with pytest.warns(UserWarning, match="valid feature names"):
        known_rows(named, ROWS, "column_")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        known_rows(named, pd.DataFrame(ROWS, columns=["a", "b", "c"]), "column_")
