"""Scorer: images → score. The only place where the two halves of the project meet."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from PIL.Image import Image

from seiqa_features.api.recent import RecentPairs
from seiqa_features.errors import DataError
from seiqa_features.extraction.direct import compute_table, held, thread_count
from seiqa_features.extraction.jobs import Load
from seiqa_features.extraction.runtime import Runtime
from seiqa_features.locks import forkable_lock
from seiqa_features.pictures.decoding import pixel_key
from seiqa_features.pictures.inputs import Picture, pair_as_rgb
from seiqa_features.progress import Progress, unwatched
from seiqa_features.remote.places import as_path
from seiqa_features.weights.files import DEFAULT_FOLDER, WeightFiles
from seiqa_models.anchors import in_words
from seiqa_models.batch_scorer import BatchScorer
from seiqa_models.bundle import Bundle, load_built_in, load_bundle
from seiqa_models.card import ladders_of
from seiqa_models.compatibility import matching_recipe
from seiqa_models.evaluation.contributions import contributions_of_row
from seiqa_models.score import Score, predicted_scores


class Scorer(BatchScorer):
    """Scores image pairs with a trained bundle: `Scorer.load().score("photo.png", "photo.jpg")`.

    A picture is a path, an open file or its bytes, a Pillow image, a numpy array [H, W] or
    [H, W, C] or a torch tensor [H, W] or [C, H, W], uint8 in 0..255 or float in 0..1; see
    `seiqa_features.pictures.inputs`. Networks are loaded for the first pair and kept. Calls of one
    scorer from several threads are serialised, since each uses all workers; several scorers run in
    parallel. A scorer can be pickled, for worker processes.

    On one machine the same pair gets a bit-identical score whatever the threads and their settings,
    unless other code changes BLAS's threads meanwhile. In a batch the features are bit-identical to
    those of a single pair; the scores agree within 1e-12 of the scale, because the rounding of a
    matrix product depends on its number of rows. A pair of equal pixels gets the top of the scale
    and an interval of zero width.

    Parameters
    ----------
    bundle : Bundle
        A trained stack.
    workers : int | None
        Threads [all cores]; the scores do not depend on it.
    device : str
        Where pretrained networks run: "auto" (a GPU if there is one), "cpu", "cuda" or "cuda:<n>".
    runtime : Runtime | None
        Device and weights in one, in place of `device`.
    as_collection : str | None
        Score as the observers of this one of the bundle's collections [as all have in common].
    """

    def __init__(
        self,
        bundle: Bundle,
        *,
        workers: int | None = None,
        device: str = "auto",
        runtime: Runtime | None = None,
        as_collection: str | None = None,
    ) -> None:
        bundle.regressor.require_collection(as_collection)
        self.as_collection = as_collection
        self.bundle = bundle
        self.workers = thread_count(workers)
        self.runtime = runtime or Runtime(WeightFiles(DEFAULT_FOLDER), device=device)
        self.recipe = matching_recipe(bundle, self.runtime)
        self._one_at_a_time = forkable_lock()  # each call uses all of its workers
        self._recent = RecentPairs()

    @classmethod
    def load(
        cls,
        bundle: Path | str | None = None,
        *,
        workers: int | None = None,
        device: str = "auto",
        runtime: Runtime | None = None,
        as_collection: str | None = None,
    ) -> Scorer:
        """The scorer of a bundle folder, by default the built-in one; parameters as for the class.

        Raises
        ------
        TableError
            The bundle is missing, damaged or of another format, or knows no such collection.
        DataError
            It was trained on features that this version computes differently.
        WeightsError, DeviceError
            Pretrained weights that it needs are missing, or the device does not exist.
        """
        loaded = load_built_in() if bundle is None else load_bundle(as_path(bundle))
        options: Any = {"workers": workers, "runtime": runtime, "as_collection": as_collection}
        return cls(loaded, device=device, **options)

    def score(self, ref: Picture, dist: Picture, *, features: pd.DataFrame | None = None) -> Score:
        """The score of one pair, on the scale of the training labels.

        Parameters
        ----------
        features : pd.DataFrame | None
            One row: the pair's features after this scorer's recipe, if known [computed].

        Raises
        ------
        DataError
            Lists everything wrong with the two pictures.
        """
        one, other = pair_as_rgb(ref, dist)
        if pixel_key(one) == pixel_key(other):
            return Score.of_identical(self.scale)
        table = self._features(one, other) if features is None else features
        (predicted,) = self._predict(table).to_dict("records")
        named = {str(name): value for name, value in predicted.items()}
        value = named.pop("score")
        return Score(
            value,
            **named,
            scale=self.scale,
            like=in_words(ladders_of(self.bundle.card), value, self.as_collection),
            explain=partial(contributions_of_row, self.bundle.regressor, table, self.as_collection),
            draw=self._recent.keep(one, other),
        )

    def _features(self, ref: Image, dist: Image) -> pd.DataFrame:
        table, failures = self._compute({"0": (held(ref), held(dist))})
        if failures:
            raise DataError(list(failures.values()))
        return table

    def _compute(
        self, pairs: Mapping[str, tuple[Load, Load]], on_pair: Progress = unwatched
    ) -> tuple[pd.DataFrame, dict[str, str]]:
        with self._one_at_a_time:
            return compute_table(
                pairs, self.recipe, self.runtime, workers=self.workers, on_pair=on_pair
            )

    def _predict(self, table: pd.DataFrame) -> pd.DataFrame:
        return predicted_scores(self.bundle.regressor, table, self.as_collection)
