"""A cell of the matrix trained-on × judged-on: how well a model ranks a laboratory's pairs."""

from __future__ import annotations

from seiqa_models.results import Number, Record


class Judged(Record):
    """The performance on one collection of a model trained on some collections.

    Attributes
    ----------
    trained_on : tuple of str
        Names, sorted. If ``judged_on`` is among them, its rows are predicted with their scenes left
        out.
    judged_on : str
    scored_as : str or None
        The collection whose observers the model was asked to meet; None: what all it learned from
        have in common.
    n, scenes : int
        Rows and scenes judged.
    srocc : float
        Over all rows.
    within : float
        Mean of the SROCC within each scene of 5 or more rows; NaN if there is none.
    plcc : float
        After the monotone mapping.
    """

    trained_on: tuple[str, ...]
    judged_on: str
    scored_as: str | None = None
    n: int
    scenes: int
    srocc: Number
    within: Number
    plcc: Number

    @property
    def left_out(self) -> bool:
        """Whether the model has seen nothing of the judged laboratory."""
        return self.judged_on not in self.trained_on
