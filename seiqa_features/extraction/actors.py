"""The part that runs on the nodes of a cluster: an actor that extracts one unit after another."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from typing import Any

import pandas as pd

from seiqa_features.errors import ClusterError, SeiqaError
from seiqa_features.extraction.runtime import Runtime
from seiqa_features.table.recipe import Recipe
from seiqa_features.table.store import Store


@dataclass(frozen=True)
class Work:
    """What an actor needs besides pairs.

    Attributes
    ----------
    recipe : Mapping[str, Any]
        `Recipe.to_dict`, from which the node derives what it would compute.
    fingerprints : Mapping[str, str]
        What it has to compute, by block.
    """

    recipe: Mapping[str, Any]
    fingerprints: Mapping[str, str]
    store: Store
    runtime: Runtime
    workers: int
    version: str = version("seiqa")


class Extraction:
    """An actor: the local engine, on one unit after another."""

    def __init__(self, work: Work) -> None:
        self._work = work

    def __call__(self, unit: pd.DataFrame) -> pd.DataFrame:
        """Extract a unit; errors that only the user can fix are returned, not raised.

        Ray would treat a raised one as an error of the program and try again.
        """
        from seiqa_features.extraction.runner import extract

        result = unit[["pair_id"]].assign(line="", fatal="")
        try:
            report = extract(
                unit, self._recipe, self._work.store, self._work.runtime,
                workers=self._work.workers, keep_going=True,
            )  # fmt: skip
        except SeiqaError as error:
            return result.assign(line="\n".join(error.problems), fatal=type(error).__name__)
        return result.assign(line=[report.failures.get(pair, "") for pair in unit["pair_id"]])

    @cached_property
    def _recipe(self) -> Recipe:
        """The recipe as this node computes it.

        Raises
        ------
        ClusterError
            It would compute other values.
        WeightsError
            It lacks weights.
        """
        work, node = self._work, f"node {socket.gethostname()}"
        if version("seiqa") != work.version:
            raise ClusterError(
                f"{node}: has seiqa {version('seiqa')}, expected {work.version} as where the run"
                " was started; install one version on all nodes"
            )
        try:
            recipe, _ = work.runtime.bind(Recipe.from_dict(work.recipe))
        except SeiqaError as error:
            raise type(error)(*(f"{node}: {line}" for line in error.problems)) from None
        then = work.recipe["blocks"]
        for block in recipe.blocks:
            if block.fingerprint != work.fingerprints[block.name]:
                why = _difference(then[block.name], block.ingredients)
                raise ClusterError(
                    f"{node}: computes {block.name} differently ({why}); install the same versions"
                    " and weights on all nodes"
                )
        return recipe


def _difference(then: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    for name in now:
        if now[name] != then.get(name):
            if isinstance(now[name], dict) and isinstance(then.get(name), dict):
                return _difference(then[name], now[name])
            return f"{name} {now[name]}, expected {then.get(name)}"
    return "other ingredients"
