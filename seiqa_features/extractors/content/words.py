"""Comparison of two texts recognised in pictures: which characters and words changed.

Plain Python, so that it is independent of how the text was recognised.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment

EDGES = ".,;:!?…·'\"“”‘’()[]{}<>|"
"""Marks at the edges of a word, which text recognition adds and loses at random."""


def compare_texts(ref: Sequence[str], dist: Sequence[str]) -> dict[str, float]:
    """Compare the lines of text in the reference and the degraded picture, in reading order.

    Case is ignored, and so are differences between compatible Unicode forms (NFKC). Spaces count
    only as word boundaries, because recognition loses them more easily than letters.

    Returns
    -------
    dict[str, float]
        ``characters_ref`` and ``characters_dist``, the numbers of characters. The others are NaN
        if the reference has none: ``edit_distance``, the fewest insertions, deletions and
        substitutions of characters that turn the text of the reference into the other
        (Levenshtein, 1966) divided by its number of characters, 0 for equal texts, above 1 if much
        was invented; ``similarity``, 1 minus the same number of edits divided by the number of
        characters of the longer text, 0..1; ``words_lost``, the share of the reference's words
        that are not in the degraded picture, and ``words_invented``, the share of the degraded
        picture's words that are not in the reference, both counting repeated words, 0..1.
    """
    ref, dist = _lines(ref), _lines(dist)
    of_ref, of_dist = (sum(len(_letters(line)) for line in lines) for lines in (ref, dist))
    values = {"characters_ref": float(of_ref), "characters_dist": float(of_dist)}
    if not of_ref:
        undefined = ("edit_distance", "similarity", "words_lost", "words_invented")
        return values | dict.fromkeys(undefined, float("nan"))
    edits = fewest_edits([*map(_letters, ref)], [*map(_letters, dist)])
    before, after = _words(ref), _words(dist)
    return {
        **values,
        "edit_distance": edits / of_ref,
        "similarity": 1 - edits / max(of_ref, of_dist),
        "words_lost": (before - after).total() / max(1, before.total()),
        "words_invented": (after - before).total() / max(1, after.total()),
    }


def fewest_edits(ref: Sequence[str], dist: Sequence[str]) -> int:
    """Edits that turn the lines of one text into those of the other: the smaller of two counts.

    In the first, all lines are joined from top to bottom, so that a line read as two halves costs
    nothing. In the second, lines are paired regardless of position, so that a changed order of
    lines costs nothing, and a line without a partner costs its length.
    """
    return min(levenshtein("".join(ref), "".join(dist)), _edits_of_paired_lines(ref, dist))


def _edits_of_paired_lines(ref: Sequence[str], dist: Sequence[str]) -> int:
    size = max(len(ref), len(dist))
    mine, theirs = ([*lines, *[""] * (size - len(lines))] for lines in (ref, dist))
    costs = np.array([[levenshtein(one, other) for other in theirs] for one in mine])
    return int(costs[linear_sum_assignment(costs)].sum()) if size else 0


def levenshtein(one: str, other: str) -> int:
    """The fewest insertions, deletions and substitutions of characters between two texts."""
    if len(one) < len(other):
        one, other = other, one
    codes = np.array([ord(character) for character in other], dtype=np.int64)
    places = np.arange(len(other) + 1)
    row = places.copy()
    for count, character in enumerate(one, start=1):
        substituted = row[:-1] + (codes != ord(character))
        best = np.concatenate([[count], np.minimum(substituted, row[1:] + 1)])
        # Each insertion costs 1: minimum over all positions to the left plus their distance.
        row = np.minimum.accumulate(best - places) + places
    return int(row[-1])


def _lines(lines: Sequence[str]) -> list[str]:
    return [unicodedata.normalize("NFKC", line).casefold() for line in lines]


def _letters(line: str) -> str:
    return "".join(line.split())


def _words(lines: Sequence[str]) -> Counter[str]:
    words = (word.strip(EDGES) for line in lines for word in line.split())
    return Counter(word for word in words if word)
