"""The challenge's published scores, beside those of a run on its data."""

from __future__ import annotations

from typing import Any, NamedTuple

from pipelines.report import plots
from pipelines.report.plots import Dot
from pipelines.runs.reading import Run

STANDARD_ERROR = 0.02
"""Of an SROCC near .87 on the challenge's 160 test pairs."""

WITHIN = 1.96 * STANDARD_ERROR
"""Half of a 95 % interval."""


class Team(NamedTuple):
    """A team of the LoViF 2026 SeIQA challenge (arXiv 2604.11207).

    Attributes
    ----------
    final : float | None
        On the test set; None if it is not published.
    config : str | None
        Our configuration of its recipe; None if its method is published nowhere.
    """

    rank: str
    name: str
    final: float | None
    what: str
    config: str | None


NOT_PUBLISHED = "method not published anywhere; only its score can be shown"

TEAMS = (
    Team("1", "RedpanQA", 0.8724, "Qwen3-VL fine-tuned with LoRA, ensemble of 3", "redpanqa"),
    Team("2", "Ayush Gupta", 0.8711, "frozen features, stack of 13 learners", "runner_up"),
    Team("3", "RuntimeTerror", 0.8693, NOT_PUBLISHED, None),
    Team("4", "QA-FTE", 0.8560, NOT_PUBLISHED, None),
    Team("5", "DSS-SQA", 0.8469, "frozen DINOv3 and CLIP, network of six levels", "dss_sqa"),
    Team("–", "cythdg", None, NOT_PUBLISHED, None),
)


def beside(run: Run) -> dict[str, Any]:
    """Table and figure; nothing if the run is not on the challenge's data."""
    if not _is_challenge(run):
        return {}
    honest = run.metrics.honest
    marks = [Dot("this run, honest estimate", honest.final, honest.interval, emphasis=True)]
    marks += [
        Dot(team.name, team.final, (team.final - WITHIN, team.final + WITHIN))
        for team in TEAMS
        if team.final is not None
    ]
    return {
        "teams": TEAMS,
        "standard_error": STANDARD_ERROR,
        "figure": plots.dots(marks, xlabel="final = 0.6·SROCC + 0.4·PLCC"),
    }


def _is_challenge(run: Run) -> bool:
    """Whether the run is in the challenge's layout, with training labels that are levels, as there.

    Other data can be in that layout: the demo's scores are LIVE's.
    """
    known, labels = run.pairs.attrs, run.pairs["mos"][run.pairs["split"] == "train"].dropna()
    layout = known.get("neighbours_alike") and known.get("label_range") == [0.0, 5.0]
    return bool(layout and run.label == "MOS" and (labels % 1 == 0).all())
