"""A demo run's honest estimate compared with human scores of the two scenes it never saw."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from PIL import Image

from pipelines.demo.data import HELD_BACK, demo_pairs, score_of
from pipelines.demo.renderings import reference
from pipelines.runs.metrics import Metrics
from pipelines.runs.reading import read
from seiqa_features.errors import DataError
from seiqa_features.path_texts import text_path
from seiqa_features.pictures.decoding import pixel_key
from seiqa_models.evaluation.bootstrap import fresh_interval, score_summary
from seiqa_models.results import Summary


@dataclass(frozen=True)
class Verdict:
    """A run's claim and the truth.

    Attributes
    ----------
    claim : Summary
        The honest estimate, based on the training scenes alone.
    truth : Summary
        Agreement of the held-back scenes' scores with human scores.
    claimed_on, shown_on : int
        Number of pairs of each.
    scenes : int
        Number of scenes that the claim is based on.
    """

    claim: Summary
    truth: Summary
    claimed_on: int
    shown_on: int
    scenes: int

    @property
    def expected(self) -> tuple[float, float]:
        """The interval in which the final of as few scenes as were held back is expected."""
        low, high = fresh_interval(
            self.claim.final, self.claim.interval, groups=self.scenes, fresh=len(HELD_BACK)
        )
        return low, high

    @property
    def held(self) -> bool:
        """Whether the truth is in the expected interval."""
        low, high = self.expected
        return low <= self.truth.final <= high

    def as_object(self) -> dict[str, Any]:
        """The verdict for JSON."""
        claim = {**self.claim.model_dump(), "pairs": self.claimed_on, "scenes": self.scenes}
        truth = {**self.truth.model_dump(), "pairs": self.shown_on, "scenes": list(HELD_BACK)}
        return {
            "claimed": claim, "measured": truth,
            "expected interval": list(self.expected), "inside the interval": self.held,
        }  # fmt: skip

    def lines(self) -> list[str]:
        """The claim and the truth, one per line."""
        (low, high), (least, most) = self.claim.interval, self.expected
        return [
            "claimed accuracy, and accuracy on the two held-back scenes:",
            f"{'':>10}  {'SROCC':>6}  {'PLCC':>6}  {'final':>6}",
            _row("claimed", self.claim) + f"  ({low:.3f} to {high:.3f} on many new scenes), on"
            f" {self.scenes} scenes, each left out in turn ({self.claimed_on} pairs)",
            _row("measured", self.truth)
            + f"  on {' and '.join(HELD_BACK)} ({self.shown_on} pairs)",
            f"{'inside' if self.held else 'outside'} the interval for as few as"
            f" {len(HELD_BACK)} new scenes, {least:.3f} to {most:.3f}",
        ]


def next_steps(run: Path, program: str) -> list[str]:
    """Three things to do with a finished run of the demo, as commands of a shell.

    Parameters
    ----------
    run : Path
        Its folder.
    program : str
        How seiqa was called.
    """
    found = read(run)
    pair = found.pairs[found.pairs["split"] == "test"].iloc[0]
    ref, dist = (shlex.quote(str(text_path(str(pair[side])))) for side in
                 ("ref_path", "dist_path"))  # fmt: skip
    folder = shlex.quote(str(run))
    return [
        "what to do next:",
        f"  {program} score {ref} {dist} --bundle {folder}/bundle --heatmap lost.png",
        f"  {program} audit {shlex.quote(str(found.settings['data']))}",
        f"  {program} sense --bundle {folder}/bundle",
    ]


def judge(run: Path) -> Verdict:
    """Compare a run's scores of the held-back scenes with human scores.

    Raises
    ------
    DataError
        The folder holds no trained run of the demo, or its test pairs are not scored yet.
    """
    try:
        found = read(run)
    except ValueError as error:
        raise DataError([str(error)]) from None
    if found.scores is None:
        raise DataError([f"{run}: its test pairs have no scores; run `seiqa submit` first"])
    people = _people()
    scores = found.scores.set_index("picture_name")["score"]
    tested = set(found.pairs.loc[found.pairs["split"] == "test", "ref_key"])
    known = {pixel_key(Image.fromarray(reference(scene))) for scene in HELD_BACK}
    if tested != known or set(scores.index) != set(people.index):
        raise DataError(
            [f"{run}: a run on {found.metrics.source}, whose test pairs are not the demo's;"
             " give the run on the folder that `seiqa demo` wrote"]
        )  # fmt: skip
    return _verdict(found.metrics, people, scores[people.index])


def _people() -> pd.DataFrame:
    """Human scores of the held-back pictures, by file name."""
    rows = [
        (pair.name, score_of(pair.rated.dmos), pair.rated.scene)
        for pair in demo_pairs()
        if pair.split == "Test"
    ]
    return pd.DataFrame(rows, columns=["name", "mos", "scene"]).set_index("name")


def _verdict(metrics: Metrics, people: pd.DataFrame, scores: pd.Series) -> Verdict:
    truth = score_summary(people["mos"], scores, people["scene"].to_numpy())
    return Verdict(
        metrics.honest, Summary.model_validate(truth), metrics.n, len(people), metrics.groups
    )


def _row(name: str, summary: Summary) -> str:
    figures = (summary.srocc, summary.plcc, summary.final)
    return f"{name:>10}  " + "  ".join(f"{figure:6.4f}" for figure in figures)
