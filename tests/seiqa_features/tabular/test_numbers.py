"""What is a number, what is missing, and what decimal commas mean."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seiqa_features.tabular.numbers import read_number, read_numbers, with_points


@pytest.mark.parametrize(
    ("text", "value"),
    [("1", 1), (" 7 ", 7), ("-1.5", -1.5), ("+.5", 0.5), ("5.", 5), ("1E5", 1e5), ("1e-400", 0),
     ("0007", 7), ("inf", math.inf), ("-Infinity", -math.inf), ("1e400", math.inf)],
)  # fmt: skip
def test_numbers(text: str, value: float) -> None:
    assert read_number(text) == value
    assert read_numbers(pd.Series([text])).tolist() == [value]


@pytest.mark.parametrize(
    "text", ["", "  ", "NaN", "nan", "NA", "N/A", "n/a", "#N/A", "null", "None"]
)
def test_missing(text: str) -> None:
    assert math.isnan(read_number(text))
    assert np.isnan(read_numbers(pd.Series(["1", text]))[1])


@pytest.mark.parametrize(
    "text",
    ["good", "1,5", "1_0", "0x1F", "٣", "１", "1e", "1.2.3", "5 dB", "#DIV/0!", "TRUE", "--1", "-",
     "1 000", "nan nan", "−1", "½"],
)  # fmt: skip
def test_anything_else_is_no_number(text: str) -> None:
    assert read_number(text) is None
    assert read_numbers(pd.Series(["1", text])) is None


@given(st.floats(allow_nan=False))
def test_numbers_are_read_to_the_last_bit(value: float) -> None:
    assert read_number(repr(value)) == value
    assert read_numbers(pd.Series([repr(value)]))[0] == value


@given(st.text(max_size=8))
def test_cell_and_column_agree(text: str) -> None:
    one, many = read_number(text), read_numbers(pd.Series([text], dtype="str"))
    assert (one is None) == (many is None)
    assert one is None or np.array_equal([one], many, equal_nan=True)


def pointed(columns: dict[str, list[str]], *, sure: bool = False) -> dict[str, list[str]]:
    return with_points(pd.DataFrame(columns, dtype="str"), sure=sure).to_dict("list")


def test_decimal_commas_become_points_and_text_stays() -> None:
    columns = {"a": ["1,5", " -0,25 ", "3", "NA"], "b": ["x, y", "a", "1,5", "z"], "c": ["7"] * 4}
    assert pointed(columns) == {**columns, "a": ["1.5", " -0.25 ", "3", "NA"]}


def test_one_wrong_cell_does_not_hide_the_commas_of_a_column() -> None:
    assert pointed({"a": ["1,5", "2,5", "good"]})["a"] == ["1.5", "2.5", "good"]


def test_commas_that_may_separate_thousands_are_refused() -> None:
    with pytest.raises(ValueError, match=r"column 'a': 1,234 may be 1\.234 or 1234; write it"):
        pointed({"a": ["1,234", "12,345", "7"]})
    assert pointed({"a": ["1,234"]}, sure=True)["a"] == ["1.234"]
    assert pointed({"a": ["1,234", "0,822"]})["a"] == ["1.234", "0.822"]  # no thousand begins so


def test_commas_beside_points_are_refused() -> None:
    with pytest.raises(ValueError, match=r"comma in column 'a' \(1,5\) and a point in column 'b'"):
        pointed({"a": ["1,5"], "b": ["0.5"]}, sure=True)
    with pytest.raises(ValueError, match=r"comma in column 'a' \(1,5\) and a point in column 'a'"):
        pointed({"a": ["1,5", "0.5"]})
