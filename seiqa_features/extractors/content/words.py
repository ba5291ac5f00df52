"""Two texts that were read on pictures, compared: which characters and words changed.

Plain Python, so that it is the same wherever the text comes from.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment

EDGES = ".,;:!?…·'\"“”‘’()[]{}<>|"
"""Marks at the edges of a word, which recognition sees and loses by chance."""


def compare_texts(ref: Sequence[str], dist: Sequence[str]) -> dict[str, float]:
    """Lines of text on the reference and on the degraded picture, in reading order, compared.

    Small and capital letters count as the same, and so do the forms that Unicode calls compatible
    (NFKC). Spaces count between words only: recognition loses them more easily than letters.

    Returns
    -------
    dict[str, float]
        ``characters_ref`` and ``characters_dist``, how many there are. All others are NaN where
        there is none on the reference: ``edit_distance``, the fewest insertions, deletions and
        substitutions of characters that turn the reference's text into the other (Levenshtein,
        1966) over the number of the reference's characters, 0 for equal texts, over 1 where much
        was invented; ``similarity``, 1 less the same number of edits over the longer text's
        characters, 0..1; ``words_lost``, the share of the reference's words that are not on the
        degraded picture, and ``words_invented``, the share of the degraded picture's words that
        are not on the reference, each word as often as it is there, 0..1.
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
    """Edits that turn one text's lines into the other's, by whichever explanation needs fewer.

    Either both are read as one text from top to bottom, so that a line that was read in two halves
    costs nothing; or lines are paired with each other wherever they stand, so that lines whose
    order changed cost nothing, and a line without a partner costs its length.
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
        # An insertion costs one a place: the least of all places to the left, each so much dearer.
        row = np.minimum.accumulate(best - places) + places
    return int(row[-1])


def _lines(lines: Sequence[str]) -> list[str]:
    return [unicodedata.normalize("NFKC", line).casefold() for line in lines]


def _letters(line: str) -> str:
    return "".join(line.split())


def _words(lines: Sequence[str]) -> Counter[str]:
    words = (word.strip(EDGES) for line in lines for word in line.split())
    return Counter(word for word in words if word)
