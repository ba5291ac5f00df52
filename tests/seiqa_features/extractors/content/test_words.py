"""Texts compared by hand-made lines."""

from __future__ import annotations

import math

import pytest

from seiqa_features.extractors.content.words import compare_texts, fewest_edits, levenshtein


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("", "", 0),
        ("", "abc", 3),
        ("kitten", "sitting", 3),
        ("flaw", "lawn", 2),
        ("$19.99", "$91.99", 2),
        ("intention", "execution", 5),
        ("abc", "abc", 0),
        ("日本語", "日本", 1),
    ],
)
def test_edits_are_the_textbooks(one: str, other: str, expected: int) -> None:
    assert levenshtein(one, other) == levenshtein(other, one) == expected


def test_lines_in_another_order_or_in_halves_cost_nothing() -> None:
    assert fewest_edits(["open", "monday"], ["monday", "open"]) == 0
    assert fewest_edits(["openmonday"], ["open", "monday"]) == 0
    assert fewest_edits(["open", "monday"], ["open"]) == 6
    assert fewest_edits([], ["new"]) == 3


def test_a_changed_price() -> None:
    values = compare_texts(["Today only $19.99", "Coffee"], ["Today only $91.99", "Coffee"])
    assert values == {
        "characters_ref": 21.0,
        "characters_dist": 21.0,
        "edit_distance": 2 / 21,
        "similarity": 1 - 2 / 21,
        "words_lost": 1 / 4,
        "words_invented": 1 / 4,
    }


def test_text_that_is_gone_and_text_that_was_invented() -> None:
    gone = compare_texts(["keep left"], [])
    assert (gone["edit_distance"], gone["similarity"], gone["words_lost"]) == (1.0, 0.0, 1.0)
    assert gone["words_invented"] == 0
    more = compare_texts(["keep left"], ["keep left", "or right now"])
    assert more["edit_distance"] == 10 / 8
    assert more["similarity"] == 1 - 10 / 18
    assert (more["words_lost"], more["words_invented"]) == (0.0, 3 / 5)


def test_case_spaces_wide_letters_and_marks_do_not_count() -> None:
    values = compare_texts(["Fresh  Coffee!", "ＡＢＣ"], ["FRESH COFFEE", "abc"])
    assert values["words_lost"] == values["words_invented"] == 0
    assert values["edit_distance"] == 1 / 15  # the mark is a character, but no part of the word


def test_a_word_counts_as_often_as_it_is_there() -> None:
    values = compare_texts(["no no no"], ["no"])
    assert values["words_lost"] == 2 / 3


@pytest.mark.parametrize("dist", [[], ["SALE"]])
def test_without_text_on_the_reference_the_change_is_undefined(dist: list[str]) -> None:
    values = compare_texts(["  "], dist)
    assert values["characters_ref"] == 0
    assert values["characters_dist"] == len("".join(dist))
    names = ("edit_distance", "similarity", "words_lost", "words_invented")
    assert all(math.isnan(values[name]) for name in names)
