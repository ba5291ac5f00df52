"""The one error of the model half that a user can mend."""

from __future__ import annotations


class TableError(ValueError):
    """A table, its labels or groups, or a bundle cannot be used as given.

    The message is one line: what is wrong, where, what was expected and what to do.
    """
