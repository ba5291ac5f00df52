"""Cells of label columns."""

from __future__ import annotations

import pytest

from seiqa_features.datasets.labels import parse_label
from seiqa_features.errors import DataError


@pytest.mark.parametrize(
    ("text", "value"), [("3", 3.0), (" 4.50 ", 4.5), (2, 2.0), ("0", 0.0), ("5", 5.0), ("1e0", 1.0),
     ("5.0000001", 5.0), ("-0.0000001", 0.0)],
)  # fmt: skip
def test_good_label(text: object, value: float) -> None:
    assert parse_label(text, where="row", label_range=(0.0, 5.0)) == value


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("good", "row 7: label 'good' is not a number"),
        ("", "row 7: no label (''); expected a number from 0 to 5"),
        ("3,5", "row 7: label '3,5' is not a number"),
        ("5.01", "row 7: label 5.01 is out of range; expected a number from 0 to 5"),
        ("-1", "row 7: label -1 is out of range; expected a number from 0 to 5"),
        ("nan", "row 7: no label ('nan'); expected a number from 0 to 5"),
        ("5.00001", "row 7: label 5.00001 is out of range; expected a number from 0 to 5"),
        ("1_0", "row 7: label '1_0' is not a number"),
        ("٣", "row 7: label '٣' is not a number"),
        ("inf", "row 7: label inf is out of range; expected a number from 0 to 5"),
    ],
)
def test_bad_label(text: str, line: str) -> None:
    with pytest.raises(DataError) as caught:
        parse_label(text, where="row 7", label_range=(0.0, 5.0))
    assert caught.value.problems == [line]


def test_without_a_range_only_finite_numbers_are_labels() -> None:
    assert parse_label("-1234", where="row") == -1234
    with pytest.raises(DataError, match="label -inf is out of range; expected a finite number"):
        parse_label("-inf", where="row")
