"""Scoring a manifest into a copy of it with one more column."""

from __future__ import annotations

import os
from pathlib import Path

from seiqa_features.datasets import manifest
from seiqa_features.errors import DataError
from seiqa_features.progress import Progress, unwatched
from seiqa_models.scorer import Scorer


def score_manifest(
    scorer: Scorer,
    path: Path,
    out: Path,
    *,
    keep_going: bool = False,
    on_pair: Progress = unwatched,
) -> list[str]:
    """Write the manifest's rows, in its order and as they are, plus a `score` column.

    Returns:
        One line per pair left out; its score is empty (only with `keep_going`).

    Raises:
        DataError: what is wrong with manifest, images or the output's place.
    """
    if not manifest.matches(path):
        raise DataError([f"{path}: expected a .csv manifest with columns ref and dist"])
    scores, left_out = scorer.score_pairs(
        manifest.read(path), keep_going=keep_going, on_pair=on_pair
    )
    rows = manifest.read_rows(path)
    rows["score"] = scores.reindex(manifest.pair_ids(rows)).to_numpy()
    temporary = out.with_name(f".{out.name}.{os.getpid()}")
    try:
        rows.to_csv(temporary, index=False)
        temporary.replace(out)
    except OSError as error:
        raise DataError([f"{out}: cannot be written ({error.strerror or error})"]) from None
    return left_out
