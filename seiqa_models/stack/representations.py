"""Representations: the forms in which a learner can read the prepared columns.

A member of the pool is a learner and a representation, ``learner@representation``: ``catboost@8``
reads the first 8 components of the oriented ranks
(:class:`seiqa_models.learners.components.OrientedComponents`). ``catboost``, short for
``catboost@all``, reads every prepared column. A dense block has been reduced to its meta-feature
before, which is one of these columns. Only ``ordinal_head@dense`` and the like read the numbers of
the dense blocks themselves (:mod:`seiqa_models.stack.dense`).

To add a representation, write a function that returns a scikit-learn transformer and decorate it
with ``@representation("name")``; ``fit`` gets rows float64 [n, p] and labels [n]. A parameter
``directions`` of it, or of a learner, gets the directions of the columns that are known. A package
of your own lists its function in the entry point group ``seiqa.representations``.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from sklearn.preprocessing import FunctionTransformer

from seiqa_models.learners.components import OrientedComponents
from seiqa_models.plugins.registry import Registry
from seiqa_models.stack.dense import DENSE, DenseBlocks

ALL = "all"

REPRESENTATIONS = Registry("representation", group="seiqa.representations")
"""Every named representation; a number as name means that many components."""


def representation(name: str) -> Callable[[Callable[[], Any]], Callable[[], Any]]:
    """Register the decorated factory under ``name``.

    Raises
    ------
    ValueError
        The name is taken, or is a number, which means that many components.
    """
    if name == DENSE or name.isdigit():
        raise ValueError(f"representation {name!r} is registered twice, or is a number")
    return REPRESENTATIONS.register(name)


class Member(NamedTuple):
    """A member's learner and representation, by name."""

    learner: str
    representation: str


def member(name: str) -> Member:
    """The parts of a member's name.

    Examples
    --------
    >>> member("catboost@8"), member("gp")
    (Member(learner='catboost', representation='8'), Member(learner='gp', representation='all'))
    """
    learner, _, form = name.partition("@")
    return Member(learner, form or ALL)


def components_of(name: str) -> int | None:
    """How many components a member reads; None if it reads something else.

    Examples
    --------
    >>> components_of("catboost@8"), components_of("catboost")
    (8, None)
    """
    form = member(name).representation
    return int(form) if form.isdecimal() else None


def make_representation(name: str) -> Any:
    """A fresh, unfitted transformer.

    Raises
    ------
    ValueError
        No representation has this name; the message gives the nearest name and all names.
    """
    if name.isdecimal() and int(name) > 0:
        return OrientedComponents(int(name))
    if name == DENSE:
        return DenseBlocks()
    if name not in REPRESENTATIONS:
        near = difflib.get_close_matches(name, [*REPRESENTATIONS, DENSE], n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        known = ", ".join(sorted([*REPRESENTATIONS, DENSE]))
        raise ValueError(
            f"unknown representation {name!r}: {hint}known are {known}, and the number of"
            " components, 1 or more"
        )
    return REPRESENTATIONS[name]()


def forms(names: Iterable[str]) -> list[str]:
    """The representations that some members read, each once, in order of appearance."""
    return list(dict.fromkeys(member(name).representation for name in names))


@representation(ALL)
def all_columns() -> Any:
    """The prepared columns unchanged."""
    return FunctionTransformer(feature_names_out="one-to-one")
