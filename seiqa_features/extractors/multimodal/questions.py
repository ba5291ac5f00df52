"""The questions that a frozen multimodal model answers about a pair."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Question:
    """A question with the answer yes or no.

    Attributes
    ----------
    name : str
        Of the output, without the prefix `yes_`.
    text : str
    ordered : bool
        Whether it matters which picture comes first. If not, the answers for both orders are
        averaged.
    kept : bool
        Whether yes means that the meaning was kept.
    """

    name: str
    text: str
    ordered: bool = False
    kept: bool = True


QUESTIONS = (
    Question("objects", "Do both pictures show the same main objects?"),
    Question("people", "Are the same people shown, in the same poses?"),
    Question(
        "text",
        "Is all text of the first picture still readable and unchanged in the second?",
        ordered=True,
    ),
    Question("action", "Is the same action going on in both pictures?"),
    Question("changed", "Was anything added to or removed from the scene?", kept=False),
)

TASK = (
    "The first picture is a reference, the second is the same picture after processing that may"
    " have changed it. Compare what they show. Answer every question with Yes or No."
)

YES, NO = ("Yes", "yes"), ("No", "no")
"""Answers that are counted, in both spellings."""
