"""Scores of many pairs: of pictures in memory, and of files with a feature store."""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Lock

import pandas as pd

from seiqa_features.datasets.pairs import Found, build_pairs, require_pairs
from seiqa_features.errors import DataError
from seiqa_features.extraction.cached import extract_in_portions
from seiqa_features.extraction.connecting import Cluster
from seiqa_features.extraction.direct import equal_pixels, gather
from seiqa_features.extraction.jobs import Load
from seiqa_features.pictures.index import ImageIndex
from seiqa_features.pictures.inputs import Picture
from seiqa_features.pictures.pair_inputs import both_sides
from seiqa_features.progress import Progress, unwatched
from seiqa_features.table.store import Store
from seiqa_models.interface import ScorerInterface
from seiqa_models.score import settled

logger = logging.getLogger(__name__)


class BatchScorer(ScorerInterface):
    """Scores many pairs in one call, with what a scorer does for a single one."""

    _one_at_a_time: Lock

    @abstractmethod
    def _compute(
        self, pairs: Mapping[str, tuple[Load, Load]], on_pair: Progress = unwatched
    ) -> tuple[pd.DataFrame, dict[str, str]]:
        """The feature table of pairs, and one line for each that failed."""

    @abstractmethod
    def _predict(self, table: pd.DataFrame) -> pd.DataFrame:
        """The scores of a feature table."""

    def score_many(
        self,
        pairs: pd.DataFrame | Sequence[Picture],
        dist: Sequence[Picture] | None = None,
        *,
        keep_going: bool = False,
        on_pair: Progress = unwatched,
    ) -> pd.DataFrame:
        """Score many pairs at once, processing each shared reference only once.

        Nothing is stored; see `score_pairs` for scoring files with resumable runs.

        Parameters
        ----------
        pairs : pd.DataFrame | Sequence[Picture]
            Columns ref and dist; or the references, and then `dist`.
        keep_going : bool
            Leave the rows of bad pairs empty and log the reason, instead of stopping.
        on_pair : Progress
            Called with (pairs done, pairs in all).

        Returns
        -------
        pd.DataFrame
            score, low, high (float64), unfamiliar, agree, edited (boolean); one row per pair in
            order, with the index of `pairs` if it has one.

        Raises
        ------
        DataError
            Lists everything wrong with the pictures, unless `keep_going`. Pairs are numbered from
            0.
        """
        index, refs, dists = both_sides(pairs, dist)
        loads, problems = gather(refs, dists)
        identical, unreadable = equal_pixels(loads, workers=self.workers)
        problems += unreadable.values()
        if problems and not keep_going:
            raise DataError(problems)
        apart = {
            pair: load for pair, load in loads.items() if pair not in identical | unreadable.keys()
        }
        table, failures = self._compute(apart, on_pair)
        problems += failures.values()
        nothing = table.empty and not identical
        if nothing or (failures and not keep_going):
            raise DataError([*problems, "no usable pair is left"] if nothing else problems)
        for line in problems:
            logger.warning("left out: %s", line)
        numbers = pd.Index(map(str, range(len(refs))))
        return settled(self._predict(table), numbers, identical, self.scale[1]).set_axis(index)

    def score_pairs(
        self,
        found: Found,
        *,
        cache: Path,
        keep_going: bool = False,
        cluster: Cluster | None = None,
        on_image: Progress = unwatched,
        on_pair: Progress = unwatched,
    ) -> tuple[pd.DataFrame, list[str]]:
        """Score the pairs found by an adapter, using a feature store.

        Features in the store are not computed again: a killed run resumes where it stopped.

        Parameters
        ----------
        cluster : Cluster | None
            Where to extract features [in this process].

        Returns
        -------
        tuple[pd.DataFrame, list[str]]
            As `score_many`, indexed by pair_id and without the pairs left out; and one line for
            each pair left out.

        Raises
        ------
        DataError
            Lists everything wrong with the images, unless `keep_going`.
        StoreError
            The cache cannot be read or written.
        """
        pairs, problems = build_pairs(
            found, ImageIndex(cache), workers=self.workers, on_image=on_image
        )
        if not keep_going:
            require_pairs(pairs, problems, keep_going=False)
        equal = pairs["ref_key"] == pairs["dist_key"]
        left_out, scores = [*found.left_out, *problems], []
        with self._one_at_a_time:
            for table, failures in extract_in_portions(
                pairs[~equal],
                self.recipe,
                Store(cache),
                self.runtime,
                workers=self.workers,
                keep_going=keep_going,
                cluster=cluster,
                on_progress=on_pair,
            ):
                left_out += failures.values()
                scores.append(self._predict(table))
        predicted = pd.concat(scores)
        kept = pairs["pair_id"][equal | pairs["pair_id"].isin(predicted.index)]
        identical = set(pairs["pair_id"][equal])
        return settled(predicted, pd.Index(kept), identical, self.scale[1]), left_out
