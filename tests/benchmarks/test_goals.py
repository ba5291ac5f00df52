"""The goals' lines: who is trained on what, and what is judged, on collections made by hand."""

from __future__ import annotations

import goals
import numpy as np
import pandas as pd
import pytest
from goals import lines, some_scenes
from transfer_matrix import Collection

from seiqa_models.stack.regressor import SeiqaRegressor

KINDS = {"tid": ["kind 07", "kind 10", "kind 01", "kind 11"], "live": ["jpeg", "wn"]}


def collection(kinds: list[str], scenes: list[str], scale: float) -> Collection:
    """Six levels of each kind in each scene; two metrics that follow the label closely."""
    rng = np.random.default_rng(len(kinds))
    rows = pd.MultiIndex.from_product([scenes, kinds, range(6)]).to_frame(index=False)
    quality = rows[2] + 0.1 * rng.normal(size=len(rows))
    X = pd.DataFrame({"a": quality + 0.2 * rng.normal(size=len(rows)), "b": -quality})
    return Collection(X, (scale * rows[2]).to_numpy(float), rows[0].to_numpy(), rows[1].to_numpy())


@pytest.fixture
def found() -> dict[str, Collection]:
    tid = collection(KINDS["tid"], [f"kodak0{i}" for i in range(6)], 1.0)
    return {"tid": tid, "live": collection(KINDS["live"], ["kodak00", "sea", "cave"], -5.0)}


def test_every_journey_has_its_lines_and_scenes_in_common_are_left_out(found, monkeypatch):
    judged = []

    def judge(stack, source, other):
        judged.append((set(source.scenes), set(other.scenes), set(source.kinds), set(other.kinds)))
        return original(stack, source, other)

    original = goals.judge
    monkeypatch.setattr(goals, "judge", judge)
    printed = list(lines(SeiqaRegressor(("ridge", "single"), n_splits=2), found))
    assert all(not source & other for source, other, _, _ in judged)
    exact, made_again = {"kind 07", "kind 10"}, {"kind 01", "kind 11"}
    assert judged[0][2:] == (exact, made_again)
    assert judged[5][2:] == (made_again, exact)
    assert judged[-2][1] == {"sea", "cave"}
    starts = [line.split("  ")[0] for line in printed]
    assert starts[:4] == [
        "TID, 6 exact kinds → 6 re-created, home",
        "TID, 6 exact kinds → 6 re-created, abroad",
        "TID, the reverse, home",
        "TID, the reverse, abroad",
    ]
    assert starts[4:7] == [
        "tid → live, home",
        "tid → live, home, within kinds",
        "tid → live, home, JPEG",
    ]
    # LIVE's made-up labels fall where TID's rise: the sign of the figures says who was judged.
    assert float(printed[4].split()[5]) < -0.9
    assert float(printed[0].split()[8]) > 0.9


def test_a_collection_that_is_not_there_has_no_line(found):
    only = {"live": found["live"]}
    assert list(lines(SeiqaRegressor(("ridge",), n_splits=2), only)) == []


def test_scenes_are_drawn_whole_and_alike_each_time(found):
    first, second = (some_scenes(found["tid"], 2) for _ in range(2))
    assert len(first.y) == len(first.X) == 2 * 4 * 6
    assert set(first.scenes) == set(second.scenes)
