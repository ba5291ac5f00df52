"""Labels of several collections on one scale: found again, not shrunk, refused where unsound."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from seiqa_models.core.checks import TrainingTable, check_training_table
from seiqa_models.core.errors import TableError
from seiqa_models.stack.collections.scale_maps import ScaleMap
from seiqa_models.stack.collections.scales import Scales, fit_scales

HOME, OTHER = 0, 1
NAMES = ["home", "other"]


def bent(labels: np.ndarray) -> np.ndarray:
    """Another laboratory's scale: 0 to about 100 and curved."""
    return 100 * ((labels + 1) / 7) ** 1.4


def fitted(X: pd.DataFrame, y: np.ndarray, groups: np.ndarray, other: np.ndarray, **more) -> Scales:
    names = np.where(other, "other", "home")
    table, _ = check_training_table(X, y, groups, collections=names).in_canonical_order()
    return fit_scales(table, NAMES, HOME, **more)


@pytest.fixture
def halves(make_table):
    """Two collections of six scenes on one scale: X, y, groups, which rows are of the second."""
    X, y, groups = make_table(n_groups=12, rows=20)
    return X, y.to_numpy(), groups, np.isin(groups, sorted(set(groups))[::2])


def test_map_rises_and_goes_on_straight() -> None:
    curve = ScaleMap(10.0, 20.0, 1.0, 4.0, bend=0.7, twist=-0.2)
    assert curve(np.array([10.0, 20.0])).tolist() == [1, 5]
    labels = np.linspace(0, 30, 500)
    steps = np.diff(curve(labels))
    assert steps.min() > 0
    assert steps[:100] == pytest.approx(steps[0])
    assert steps[-100:] == pytest.approx(steps[-1])


def test_two_halves_of_one_collection_stay_as_they_are(halves) -> None:
    X, y, groups, other = halves
    found = fitted(X, y, groups, other)
    labels = np.quantile(y[other], np.linspace(0.02, 0.98, 9))
    assert found.maps[OTHER](labels) == pytest.approx(labels, abs=0.03 * np.ptp(y))
    same = found.common(y, np.where(other, OTHER, HOME))
    assert (same[~other] == y[~other]).all()


def test_a_bent_scale_is_found_again(halves) -> None:
    X, y, groups, other = halves
    noise = np.random.default_rng(1).normal(0, 2, len(y))
    found = fitted(X, np.where(other, bent(y) + noise, y), groups, other)
    labels = np.quantile(y[other], np.linspace(0.02, 0.98, 9))
    assert found.maps[OTHER](bent(labels)) == pytest.approx(labels, abs=0.03 * np.ptp(y))
    assert found.maps[OTHER].bend > 0.2
    assert min(found.agreement) > 0.9


def test_tid_with_bent_labels_is_brought_back(shared: Path) -> None:
    """A made collection: half of TID2013's scenes, their scores bent and noisy."""
    rows = pd.read_csv(shared / "data/tables/tid2013_dev_metrics.csv")
    rows = rows.sample(500, random_state=0)
    told = ["distortion", "level", "MOS", "MOS_std"]
    X, y = rows.select_dtypes("number").drop(columns=told).iloc[:, :12], rows["MOS"].to_numpy()
    groups = rows["ref_img"].to_numpy()
    other = np.isin(groups, sorted(set(groups))[::2])
    noise = np.random.default_rng(0).normal(0, 2, len(y))
    found = fitted(X, np.where(other, bent(y) + noise, y), groups, other)
    labels = np.quantile(y[other], np.linspace(0.02, 0.98, 9))
    scale = 9  # of TID2013's MOS
    assert found.maps[OTHER](bent(labels)) == pytest.approx(labels, abs=0.03 * scale)


def test_known_labels_of_undistorted_pictures_meet(halves) -> None:
    X, y, groups, other = halves
    labels = np.where(other, 20 * y, y)
    found = fitted(X, labels, groups, other, anchors={"home": 5.2, "other": 104.0})
    assert found.maps[OTHER](np.array([104.0])) == pytest.approx([5.2], abs=0.02)


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (lambda y, _: 100 - 20 * y, r"collection other: SROCC -\d\.\d\d .*runs the other way"),
        (lambda y, rng: rng.permutation(y), "too little to bring it onto one scale"),
        (lambda y, _: np.full_like(y, 7.0), "collection other: every label is 7"),
    ],
)
def test_scales_that_do_not_belong_together_are_refused(halves, labels, said: str) -> None:
    X, y, groups, other = halves
    changed = np.where(other, labels(y, np.random.default_rng(0)), y)
    with pytest.raises(TableError, match=said):
        fitted(X, changed, groups, other)


def test_a_collection_of_few_rows_or_one_scene_is_refused(halves) -> None:
    X, y, groups, _ = halves
    one_scene = groups == groups[0]
    with pytest.raises(TableError, match="collection other has 20 labelled rows of 1 scenes"):
        fitted(X, y, groups, one_scene)
    ten = np.isin(np.arange(len(y)), [*range(5), *range(20, 25)])
    with pytest.raises(TableError, match="collection other has 10 labelled rows of 2 scenes"):
        fitted(X, y, groups, ten)


def test_a_home_of_two_scenes_is_enough_whatever_the_folds(make_table) -> None:
    X, y, groups = make_table(n_groups=12, rows=20)
    home = np.isin(groups, ["ref3", "ref8"])
    found = fitted(X, np.where(home, y, 2 * y), groups, ~home, n_splits=2)
    labels = np.linspace(1, 4, 5)
    assert found.maps[OTHER](2 * labels) == pytest.approx(labels, abs=0.5)


def test_a_table_without_collections_is_a_slip(make_table) -> None:
    X, y, groups = make_table()
    table: TrainingTable = check_training_table(X, y, groups)
    with pytest.raises(ValueError, match="the table names no collections"):
        fit_scales(table, NAMES, HOME)
