"""comparison.html: trained runs side by side, with the pairs on which they disagree as pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup, escape

from pipelines.report.comparing import Trained, shared_pairs
from pipelines.report.pictures import triple
from pipelines.report.plots import colour_key
from pipelines.report.points import MOST_POINTS, named_points
from pipelines.report.render import environment, hashed_script
from pipelines.runs.folder import PAIRS, read_pairs
from seiqa_features.commits import current
from seiqa_features.path_texts import text_path
from seiqa_features.writing import write_whole

SHOWN = 12
"""Pairs shown as pictures for each run compared with the first."""

GROUP_SHOWN = 3
"""Of these, those of one group: otherwise a single scene can fill the gallery."""


def write_comparison(
    path: Path, first: Trained, others: Sequence[Trained], found: Sequence[dict[str, Any]]
) -> None:
    """Write a page that needs no other file and no network.

    Parameters
    ----------
    first : Trained
        The run that the others are compared with.
    others : sequence of Trained
        All others; those without an entry in ``found`` only have a row in the table of runs.
    found : sequence of dict
        Results of `pipelines.report.comparing.against`.
    """
    runs = [first, *others]
    short = {run.folder.name for run in runs}
    names = {
        str(run.folder): run.folder.name if len(short) == len(runs) else str(run.folder)
        for run in runs
    }
    compared = {
        result["run"]: {**result, "run": names[result["run"]], "first": names[result["first"]]}
        for result in found
    }
    pages = [
        _against(run, first, compared[str(run.folder)])
        for run in others
        if str(run.folder) in compared
    ]
    jinja = environment()
    script, script_hash = hashed_script(jinja)
    page = jinja.get_template("comparison.html.j2").render(
        runs=runs,
        names=names,
        compared=pages,
        script=script,
        script_hash=script_hash,
        key=colour_key(),
    )
    write_whole(path, page.encode())


def _against(run: Trained, first: Trained, found: dict[str, Any]) -> dict[str, Any]:
    """The content of the section about one run."""
    both = shared_pairs(run, first).rename(columns={"score": "score_first"})
    both["apart"] = both["score_run"] - both["score_first"]
    before, after = ((both[name] - both["mos"]).abs() for name in ("score_first", "score_run"))
    gain = (before - after).to_numpy()
    both["nearer"] = np.select([gain > 0, gain < 0], [found["run"], found["first"]], "neither")
    most = both.iloc[np.argsort(-both["apart"].abs().to_numpy(), kind="stable")]
    most = most[most["apart"] != 0]
    return {
        **found,
        "label": run.metrics.label_kind,
        "scatter": _scatter(both, found),
        "drawn": min(len(both), MOST_POINTS),
        "nearer": int((gain > 0).sum()),
        "cards": _cards(most, _pictures_of(first.folder)),
    }


def _scatter(both: pd.DataFrame, found: dict[str, Any]) -> Markup:
    """The run's score of every pair against the first run's."""
    if len(both) > MOST_POINTS:
        both = both.sample(MOST_POINTS, random_state=0)
    said = [
        escape(
            f"{name}\n{found['run']}: {row['score_run']:.2f}\n{found['first']}:"
            f" {row['score_first']:.2f}\nlabel {row['mos']:.2f}"
        )
        for name, row in zip(both.index, both.to_dict("records"), strict=True)
    ]
    x, y = both["score_first"].to_numpy(float), both["score_run"].to_numpy(float)
    ends = float(min(x.min(), y.min())), float(max(x.max(), y.max()))
    return named_points(
        x, y, said, names=(found["first"], found["run"]), limits=ends,
        alt=f"Scores of {found['run']} against those of {found['first']}, {len(both)} pairs",
    )  # fmt: skip


def _pictures_of(folder: Path) -> pd.DataFrame | None:
    """Paths of a run's pictures by pair_id; None if it learned from a table."""
    if not current(folder / PAIRS).is_file():
        return None
    return read_pairs(folder).set_index("pair_id")[["ref_path", "dist_path"]]


def _cards(most: pd.DataFrame, pictures: pd.DataFrame | None) -> list[dict[str, Any]]:
    """The pairs with the largest differences, with their pictures where there are some."""
    most = most[most.groupby("group_id").cumcount() < GROUP_SHOWN]
    if pictures is not None:
        most = most.join(pictures)
    cards = []
    for name, row in zip(most.index[:SHOWN], most.to_dict("records"), strict=False):
        paths = [] if pictures is None else [row["ref_path"], row["dist_path"]]
        known = paths and all(isinstance(path, str) for path in paths)
        shown = triple(text_path(paths[0]), text_path(paths[1])) if known else []
        facts = {str(column): value for column, value in row.items()}
        cards.append({**facts, "pair_id": str(name), "pictures": shown})
    return cards
