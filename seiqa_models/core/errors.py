"""The errors of the model half that a user can fix."""

from __future__ import annotations

LINE_LENGTH = 2000
"""Maximum length of an error line in characters; longer ones are truncated."""

NO_GROUPS = (
    "fitted without groups: every row counts as a group of its own, and rows of one reference image"
    " are split inside. Pass groups=; in cross_val_score, GridSearchCV or a Pipeline they arrive"
    " only with sklearn.set_config(enable_metadata_routing=True) and params={'groups': …}. If the"
    " rows really are independent, say so: groups=range(len(X))"
)
"""Text of a GroupsWarning."""


class TableError(ValueError):
    """A table, its labels or groups, or a bundle cannot be used as given.

    The message is one line: what is wrong, where, what was expected and what to do. Column names
    and bundle content cannot break the line or send control characters to the terminal.
    """

    def __init__(self, problem: str) -> None:
        super().__init__(one_line(problem, LINE_LENGTH))


class KindsError(TableError):
    """The kinds of distortion do not allow the transfer estimate; evaluation works without them.

    It is raised before anything is fitted, so that a caller can go on without kinds.
    """


class LearnerError(TableError):
    """A learner or a fusion, perhaps from another package, does not work as the stack requires."""


class GroupsWarning(UserWarning):
    """A stack was fitted without groups, so rows of one reference image were split across folds."""


def one_line(text: str, length: int) -> str:
    r"""Text as one printable line of limited length; unprintable characters are shown as ``\x1b``.

    >>> one_line("two\nlines\x1b", 40)
    'two lines\\x1b'
    """
    joined = " ".join(text.split())
    shown = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in joined[: length + 1])
    return shown if len(shown) <= length else f"{shown[: length - 1]}…"
