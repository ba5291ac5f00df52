"""Text that a spreadsheet would run."""

from __future__ import annotations

import io

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seiqa_features.tabular.inert import inert, inert_csv, restored, restored_table


@pytest.mark.parametrize(
    "text",
    ["=1+1", "+1+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "'=1", "''-x", "-", "-a.png"],
)  # fmt: skip
def test_formulas_get_an_apostrophe(text: str) -> None:
    assert inert(text) == f"'{text}"


@pytest.mark.parametrize("text", ["", "a=b", "-1.5", "+3", "-1e5", "-inf", "'a", "a.png", " =1"])
def test_numbers_and_names_stay(text: str) -> None:
    assert inert(text) == text


@given(st.text("'=+-@\t\r\na1 "))
def test_what_was_made_inert_comes_back(text: str) -> None:
    assert restored(inert(text)) == text or restored(text) != text  # a stranger's own apostrophe


def test_tables_keep_their_numbers_and_come_back() -> None:
    rows = pd.DataFrame({"=a": ["=b", "c"], "n": [-1.5, 2.0], "o": ["", "@x"]})
    text = inert_csv(rows)
    assert text == "'=a,n,o\n'=b,-1.5,\nc,2.0,'@x\n"
    back = restored_table(pd.read_csv(io.StringIO(text), keep_default_na=False))
    pd.testing.assert_frame_equal(back, rows)
