"""Which columns of a table of numbers may be features.

A third-party table holds more than features: file names, the label's own spread, the level of
distortion. A model that reads those is useless on new pictures, and no cross-validation shows it.
Such columns are therefore reported by name and refused until they are dropped explicitly.
"""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from seiqa_models.audit.leaks import find_leaks
from seiqa_models.core.errors import TableError


@dataclass(frozen=True)
class Roles:
    """Columns of a table that are not features, and the roles they have instead.

    Attributes
    ----------
    label : str
        Scores, higher is better. Rows without a score are not used for training.
    group : str
        Rows with the same value stay together (usually the reference image).
    order : str, optional
        Position in file order; if given, folds are contiguous blocks of it.
    kind : str, optional
        Kind of distortion; if given, performance on left-out kinds is estimated too.
    collection : str, optional
        Name of the study that a row's label is from, if their scales differ.
    drop : tuple of str
        Columns to ignore.
    """

    label: str
    group: str
    order: str | None = None
    kind: str | None = None
    collection: str | None = None
    drop: tuple[str, ...] = ()

    @property
    def columns(self) -> list[str]:
        """Every column named here."""
        single = (self.label, self.group, self.order, self.kind, self.collection)
        return [*(name for name in single if name is not None), *self.drop]


def feature_columns(table: pd.DataFrame, roles: Roles) -> pd.DataFrame:
    """The labelled rows of every column without another role.

    Raises
    ------
    TableError
        A role's column is missing or has two roles, no row has a label, or some columns look like
        the label or describe the experiment (see
        `seiqa_models.audit.leaks.find_leaks`); all of them are named.
    """
    named = roles.columns
    require_columns(table, named)
    twice = sorted({name for name in named if named.count(name) > 1})
    if twice:
        raise TableError(f"column {twice[0]!r} is given two roles: name it once")
    rows = labelled_rows(table, roles)
    features = rows.drop(columns=named)
    labels = pd.to_numeric(rows[roles.label], errors="coerce").to_numpy(np.float64)
    found = find_leaks(features, labels, rows[roles.group], label=roles.label)
    if found:
        raise TableError(_refusal(found))
    return features


def labelled_rows(table: pd.DataFrame, roles: Roles) -> pd.DataFrame:
    """The rows that have a label.

    Raises
    ------
    TableError
        None has one.
    """
    rows = table[table[roles.label].notna()]
    if rows.empty:
        raise TableError(f"column {roles.label!r} is empty: no row has a label to learn from")
    return rows


def require_columns(table: pd.DataFrame, names: Iterable[str]) -> None:
    """Check that columns exist.

    Raises
    ------
    TableError
        Some are missing; all of them are named, one with the likeliest correct spelling.
    """
    missing = [name for name in names if name not in table.columns]
    if not missing:
        return
    known = {str(name).lower(): str(name) for name in table.columns}
    near = difflib.get_close_matches(missing[0].lower(), known, n=1)
    shown = ", ".join(list(known.values())[:8]) + (", …" if len(known) > 8 else "")
    hint = f"did you mean {known[near[0]]!r}?" if near else f"it has {shown}"
    what = "column" if len(missing) == 1 else f"{len(missing)} columns:"
    raise TableError(f"the table lacks {what} {', '.join(missing)}; {hint}")


def _refusal(found: dict[str, str]) -> str:
    by_reason: dict[str, list[str]] = {}
    for name, reason in found.items():
        by_reason.setdefault(reason, []).append(name)
    reasons = "; ".join(f"{', '.join(names)}: {reason}" for reason, names in by_reason.items())
    flags = " ".join(f"--drop {shlex.quote(name)}" for name in found)
    columns = "1 column is" if len(found) == 1 else f"{len(found)} columns are"
    return f"{columns} no feature ({reasons}): add {flags}"
