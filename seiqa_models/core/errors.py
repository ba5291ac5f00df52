"""The errors of the model half that a user can fix."""

from __future__ import annotations


class TableError(ValueError):
    """A table, its labels or groups, or a bundle cannot be used as given.

    The message is one line: what is wrong, where, what was expected and what to do.
    """


class KindsError(TableError):
    """The kinds of distortion do not allow the transfer estimate; without them it works.

    It is raised before anything is fitted, so that a caller can go on without kinds.
    """


class LearnerError(TableError):
    """A learner or a fusion, perhaps a stranger's, does not do what the stack needs of it."""


class GroupsWarning(UserWarning):
    """A stack was fitted without groups, so that rows of one reference image were split."""
