"""MonotoneCalibration: more linear, never another order."""

from __future__ import annotations

import numpy as np
import pytest

from seiqa_models.core.metrics import plcc
from seiqa_models.stack.calibration import MonotoneCalibration


@pytest.fixture
def bent():
    rng = np.random.default_rng(0)
    score = rng.normal(size=400)
    return score, np.exp(score) + 0.2 * rng.normal(size=400)


def test_bent_scores_follow_the_label_more_linearly(bent):
    score, y = bent
    calibrated = MonotoneCalibration().fit(score, y).predict(score)
    assert plcc(y, calibrated) > plcc(y, score) + 0.05
    assert abs(calibrated.mean() - y.mean()) < 0.2


def test_order_stays_even_far_outside_and_where_labels_fall(bent):
    score, _ = bent
    y = np.where(score > 0, 1.0 - score, score)
    fitted = MonotoneCalibration().fit(score, y)
    assert len(fitted.x_) > 2
    grid = np.linspace(-20, 20, 2001)
    assert np.diff(fitted.predict(grid)).min() > 0


@pytest.mark.parametrize("scores", [np.ones(100), -np.arange(100.0), np.arange(100.0)[:3]])
def test_scores_that_say_nothing_or_few_rows_are_left_alone(scores):
    y = np.arange(len(scores), dtype=float)
    np.testing.assert_array_equal(MonotoneCalibration().fit(scores, y).predict(scores), scores)


def test_a_bend_that_other_groups_do_not_share_is_not_learned():
    """Two groups, one bent up and one bent down: together a curve, apart a contradiction."""
    score = np.tile(np.linspace(0, 1, 400), 2)
    groups = np.repeat([0, 1], 400)
    y = np.where(groups == 0, score**4, 1.2 * score**0.3)
    np.testing.assert_array_equal(MonotoneCalibration().fit(score, y, groups).predict(score), score)
