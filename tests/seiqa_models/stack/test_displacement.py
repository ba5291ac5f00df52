"""What a displacement costs: found where training has moved rows, and absent elsewhere."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from seiqa_models.bundle import load_bundle, save_bundle
from seiqa_models.stack.displacement import MIN_SCENES, DisplacementCost
from seiqa_models.stack.regressor import SeiqaRegressor

SCENES, STILL, MOVED = 8, 6, 6
COST = 12.0
COLUMN = "aligned__max512__travel"
Made = tuple[pd.DataFrame, np.ndarray, np.ndarray]


@pytest.fixture
def made() -> Made:
    """Still rows, whose labels follow `quality`, and undamaged ones that have only moved."""
    rng = np.random.default_rng(0)
    n = SCENES * (STILL + MOVED)
    moved = np.tile(np.arange(STILL + MOVED) >= STILL, SCENES)
    quality = np.where(moved, 5.0, rng.uniform(1, 4.8, n))
    travel = np.where(moved, np.tile(np.linspace(-0.05, 0.11, STILL + MOVED), SCENES), 0.0)
    X = pd.DataFrame(
        {
            "quality": quality + 0.05 * rng.normal(size=n),
            "detail": quality + 0.05 * rng.normal(size=n),
            COLUMN: travel,
        }
    )
    return X, quality - COST * travel, np.repeat(np.arange(SCENES), STILL + MOVED)


def test_the_slope_is_that_within_scenes_whatever_moved_by_mistake(made: Made) -> None:
    X, y, groups = made
    values = X.to_numpy().copy()
    values[0, 2] = 0.6  # of good quality, and found far away
    level = np.arange(SCENES)[groups] / 10  # scenes differ, which tells nothing
    fitted = DisplacementCost().fit(values, y - level, groups, list(X.columns))
    assert fitted is not None
    assert fitted.cost_ == pytest.approx(COST)
    assert fitted.most_ == pytest.approx(0.6)


def test_there_is_none_without_evidence(made: Made) -> None:
    X, y, groups = made
    values, names = X.to_numpy(), list(X.columns)
    few = groups < MIN_SCENES - 1
    assert DisplacementCost().fit(values[few], y[few], groups[few], names) is None
    assert DisplacementCost().fit(values, y, groups, ["quality", "detail", "other"]) is None
    better = np.where(groups % 2, y, 10 - y)  # in half of the scenes moved pictures are better
    assert DisplacementCost().fit(values, better, groups, names) is None
    still = np.concatenate([values[:, :2], np.zeros((len(values), 1))], axis=1)
    assert DisplacementCost().fit(still, y, groups, names) is None


@pytest.mark.parametrize("learners", [("gp", "ridge"), ("svr@2", "gp")])
def test_a_stack_charges_for_a_displacement_and_for_nothing_else(
    made: Made, learners: tuple[str, ...]
) -> None:
    X, y, groups = made
    stack = SeiqaRegressor(learners, n_splits=4).fit(X, y, groups)
    row = pd.DataFrame({"quality": [4.0] * 4, "detail": [4.0] * 4, COLUMN: [0.0, 0.05, 0.11, 0.4]})
    members = stack.predict_learners(row)[list(learners)].to_numpy()
    cost = stack.displacement_.predict(row[stack.preparation_.columns_].to_numpy())
    assert cost == pytest.approx([0, 0.05 * COST, 0.11 * COST, 0.11 * COST], rel=0.05)
    still = stack.displacement_
    stack.displacement_ = None
    assert members == pytest.approx(stack.predict_learners(row)[list(learners)] - cost[:, None])
    stack.displacement_ = still
    scores = stack.predict(row)
    assert np.all(np.diff(scores[:3]) < -0.2)
    assert scores[3] == pytest.approx(scores[2], abs=0.3)


def test_without_moved_rows_the_stack_has_no_such_term(made: Made, tmp_path: Path) -> None:
    X, y, groups = made
    still = X[COLUMN].to_numpy() <= 0
    stack = SeiqaRegressor(("gp",), n_splits=4).fit(X[still], y[still], groups[still])
    assert stack.displacement_ is None
    charged = SeiqaRegressor(("gp",), n_splits=4).fit(X, y, groups)
    save_bundle(tmp_path / "bundle", charged, recipe={}, card={"label_kind": "MOS"})
    read = load_bundle(tmp_path / "bundle").regressor
    assert np.array_equal(read.predict(X), charged.predict(X))
