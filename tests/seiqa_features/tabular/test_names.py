"""Columns are found by one rule."""

from __future__ import annotations

import pytest

from seiqa_features.tabular.names import column_key, nearest, plain_name, require_distinct


@pytest.mark.parametrize(
    "name", ["MOS", "mos", " Mos ", "\ufeffMOS", "\u00a0mos\t", "\u200bmos", "MOS\r\n"]
)
def test_case_blanks_and_byte_order_marks_do_not_count(name: str) -> None:
    assert column_key(name) == "mos"


def test_accents_may_be_composed_or_not() -> None:
    assert column_key("Schärfe") == column_key("SCHA\u0308RFE")
    assert plain_name(" Scha\u0308rfe ") == "Schärfe"


@pytest.mark.parametrize("name", ["m os", "mos_", "mos.1", "ΜOS"])  # the last with a Greek letter
def test_what_is_inside_a_name_does_count(name: str) -> None:
    assert column_key(name) != "mos"


@pytest.mark.parametrize(
    ("name", "near"),
    [("splt", "split"), ("Groups", "group"), ("pair id", "pair_id"), ("refs", "ref"),
     ("note", None), ("scene", None), ("mos_std", None), ("", None)],
)  # fmt: skip
def test_near_names(name: str, near: str | None) -> None:
    known = ["ref", "dist", "mos", "group", "split", "distortion", "pair_id"]
    assert nearest(name, known) == near


def test_names_that_mean_one_column_are_refused_by_name() -> None:
    require_distinct(["a", "b", "", " ", "a b"])
    with pytest.raises(ValueError, match=r"^column 'A' appears more than once \(as 'a': case does"):
        require_distinct(["a", "b", " A"])
    with pytest.raises(ValueError, match=r"^column 'a' appears more than once; rename one of"):
        require_distinct(["a"] * 100_000)
