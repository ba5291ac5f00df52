"""The matrix trained-on × judged-on: tables as collections, and scenes that they share."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from transfer_matrix import judge, read, shared

from seiqa_models.stack.regressor import SeiqaRegressor


def write_table(path: Path, scenes: list[str], seed: int) -> Path:
    """Six levels of two kinds in each scene; one metric follows the label, one a little."""
    rng = np.random.default_rng(seed)
    rows = pd.MultiIndex.from_product(
        [scenes, [1, 2], range(6)], names=["ref_img", "distortion", "level"]
    ).to_frame(index=False)
    mos = rows["level"] + 0.1 * rng.normal(size=len(rows))
    rows = rows.assign(MOS=mos, close=mos + 0.7 * rng.normal(size=len(rows)))
    rows.assign(far=mos + 3 * rng.normal(size=len(rows))).to_csv(path, index=False)
    return path


def test_scenes_of_two_tables_are_told_apart_by_name(tmp_path: Path) -> None:
    one = read(write_table(tmp_path / "one.csv", ["a", "b", "c"], 0))
    other = read(write_table(tmp_path / "other.csv", ["c", "d", "e", "f"], 1))
    ((columns, names),) = shared(one, {"one": one, "other": other})
    assert (set(columns), names) == ({"close", "far"}, ["one", "other"])
    stack = SeiqaRegressor(("ridge", "single"), n_splits=3)
    stack.fit(one.X[columns], one.y, one.scenes)
    judged: list[int] = []
    predict = stack.predict_learners
    stack.predict_learners = lambda X: judged.append(len(X)) or predict(X)  # type: ignore[method-assign]
    table = judge(stack, one, other, itself=False)
    assert judged == [3 * 2 * 6]  # without the scene that both have
    assert table.loc["best metric (close)", "all"] > 0.8
    assert table.loc["stack, home", ["all", "ref", "kind"]].min() > 0.8
    assert {"ridge", "single", "fusion bagged", "stack, abroad"} <= set(table.index)
