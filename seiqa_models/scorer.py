"""Scorer: images → score. The only place where the two halves of the project meet."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from seiqa_features.errors import DataError, UsageError
from seiqa_features.images import ImageIndex
from seiqa_features.pairs import Found, Pair, build_pairs, require_pairs
from seiqa_features.progress import Progress, unwatched
from seiqa_features.recipe import Recipe
from seiqa_features.runner import extract
from seiqa_features.runtime import Runtime
from seiqa_features.store import Store
from seiqa_features.table import assemble
from seiqa_features.weights import DEFAULT_FOLDER, Vault
from seiqa_models.bundle import Bundle, load_bundle

logger = logging.getLogger(__name__)


class Scorer:
    """Scores image pairs with a trained bundle.

    >>> scorer = Scorer.load("runs/demo-classical/bundle")      # doctest: +SKIP
    >>> scorer.score(ref="photo.png", dist="photo_q10.jpg")     # doctest: +SKIP
    4.12

    Without a `cache`, features are computed in a temporary folder and forgotten. Networks are
    loaded for the first pair and kept.

    Args:
        bundle: a trained stack.
        cache: feature store to use and fill.
        workers: threads.
        runtime: device and weights, for bundles with pretrained features.
    """

    def __init__(
        self,
        bundle: Bundle,
        *,
        cache: Path | None = None,
        workers: int = 1,
        runtime: Runtime | None = None,
    ) -> None:
        self.bundle = bundle
        self.cache = cache
        self.workers = workers
        self.runtime = runtime or Runtime(Vault(DEFAULT_FOLDER), device="auto", scratch=cache)
        self.recipe = _matching_recipe(bundle.recipe, self.runtime)

    @classmethod
    def load(
        cls,
        folder: Path | str,
        *,
        cache: Path | None = None,
        workers: int = 1,
        runtime: Runtime | None = None,
    ) -> Scorer:
        """The scorer of a bundle folder; the other arguments are the class's.

        Raises:
            TableError: the bundle is missing, damaged or of another format.
            DataError: it was trained on features that this version computes differently.
            WeightsError: pretrained weights that it needs are missing.
        """
        return cls(load_bundle(folder), cache=cache, workers=workers, runtime=runtime)

    def score(self, *, ref: Path | str, dist: Path | str) -> float:
        """The score of one pair of image files, on the scale of the training labels.

        Raises:
            DataError: a file is missing, damaged or no image.
        """
        found = Found(Path(dist), pairs=[Pair("pair", Path(ref), Path(dist), "test")])
        scores, _ = self.score_pairs(found)
        return float(scores["pair"])

    def score_pairs(
        self, found: Found, *, keep_going: bool = False, on_pair: Progress = unwatched
    ) -> tuple[pd.Series, list[str]]:
        """Scores (float64, indexed by pair_id) of what an adapter found, and what was left out.

        Raises:
            DataError: everything wrong with the images at once, unless `keep_going`.
        """
        if self.cache is not None:
            return self._score(found, self.cache, keep_going, on_pair)
        with tempfile.TemporaryDirectory(prefix="seiqa-") as folder:
            return self._score(found, Path(folder), keep_going, on_pair)

    def _score(
        self, found: Found, cache: Path, keep_going: bool, on_pair: Progress
    ) -> tuple[pd.Series, list[str]]:
        pairs, problems = build_pairs(found, ImageIndex(cache), workers=self.workers)
        pairs = require_pairs(pairs, problems, keep_going=keep_going)
        store = Store(cache)
        report = extract(
            pairs,
            self.recipe,
            store,
            self.runtime,
            workers=self.workers,
            keep_going=keep_going,
            on_progress=on_pair,
        )
        table, _ = assemble(report.kept(pairs), self.recipe, store)
        scores = np.asarray(self.bundle.regressor.predict(table))
        series = pd.Series(scores, index=table.index, name="score")
        return series, [*problems, *report.failures.values()]


def _matching_recipe(saved: Mapping[str, Any], runtime: Runtime) -> Recipe:
    """The bundle's recipe, if this installation computes the same features.

    Another extractor version, view, output or weights file is an error: the model would read other
    numbers than it was trained on. Other library versions and another arithmetic (GPU or CPU) are
    only warned of.
    """
    if "features" not in saved:
        raise DataError(["bundle was trained on a table, not on pictures; use seiqa predict-table"])
    try:
        recipe, _ = runtime.bind(Recipe.parse(saved["features"]))
    except UsageError as error:
        raise DataError([f"bundle was trained on other features: {error}; train again"]) from None
    for block in recipe.blocks:
        then, now = dict(saved["blocks"].get(block.name, {})), dict(block.ingredients)
        for name in ("libraries", "dtype"):
            before, after = then.pop(name, None), now.pop(name)
            if before != after:
                logger.warning(
                    "%s: the bundle was trained with %s %s, now %s; scores may differ slightly",
                    block.name, name, before, after,
                )  # fmt: skip
        if then != now:
            raise DataError(
                [f"bundle was trained on {block.name} {then}, this installation computes {now};"
                 " train again"]
            )  # fmt: skip
    return recipe
