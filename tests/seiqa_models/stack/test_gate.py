"""The gate reads values and ranks: how wide a gap is, and on which side of it a row is."""

from __future__ import annotations

import numpy as np
import pytest

from seiqa_models.core.arrays import FloatMatrix
from seiqa_models.stack.gate import Gate

ROWS = 60
"""Of each sort: labelled, others, chosen."""


@pytest.fixture
def gate() -> Gate:
    """Fitted to two similarities: near 1 in labelled and other rows, mostly low in the chosen."""
    rng = np.random.default_rng(2)
    shown = 1 - 10 ** rng.uniform(-3, -1, (2 * ROWS, 2))
    gone = 1 - 10 ** rng.uniform(-1.3, 0, (ROWS, 2))
    return Gate().fit(shown[:ROWS], np.r_[shown[ROWS:], gone], np.arange(2 * ROWS) >= ROWS)


def u(gate: Gate, similarity: float) -> float:
    values: FloatMatrix = np.array([[similarity, similarity]])
    return float(gate.share(values)[0])


def test_it_opens_for_rows_like_the_chosen(gate: Gate) -> None:
    assert u(gate, 0.3) > 0.99
    assert u(gate, 0.99) == u(gate, 0.999) == 0


def test_what_hardly_any_shown_row_is_like_is_noticed_though_near_them_in_value(
    gate: Gate,
) -> None:
    """In their values alone, .9 is on the side of the rows from .9 to 1: u would be .3."""
    assert u(gate, 0.9) > 0.5


def test_the_middle_of_a_wide_gap_is_the_border() -> None:
    labelled = np.linspace(0.9, 1, ROWS)[:, None]
    chosen = np.linspace(0, 0.1, ROWS)[:, None]
    gate = Gate().fit(labelled, np.r_[labelled, chosen], np.arange(2 * ROWS) >= ROWS)

    assert gate.share(np.array([[0.85], [0.7]])).tolist() == [0, 0]
    assert gate.share(np.array([[0.15], [0.3]])).min() > 0.5
