"""Baselines by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from seiqa_models.core.checks import check_training_table
from seiqa_models.evaluation.baselines import best_single, index_only, neighbour_mean


def table(y, order=None, **columns):
    return check_training_table(pd.DataFrame(columns), y, None, order)


def test_index_only_is_the_mean_label_of_the_five_nearest_files():
    train = table([0.0, 1, 2, 3, 4, 5, 6], order=[10, 11, 12, 13, 14, 90, 91], a=np.arange(7.0))
    test = train.take(np.array([0]))
    np.testing.assert_allclose(index_only(train, test), [2.0])
    far = table([0.0, 1, 2, 3], order=[89, 89, 1000, 1000], a=np.arange(4.0))
    np.testing.assert_allclose(index_only(train, far), [(2 + 3 + 4 + 5 + 6) / 5] * 4)


def test_neighbour_mean_equals_a_full_search():
    rng = np.random.default_rng(0)
    order, at, y = rng.uniform(size=200), rng.uniform(-0.2, 1.2, size=80), rng.normal(size=200)
    nearest = np.argsort(np.abs(at[:, None] - order[None, :]), axis=1)[:, :5]
    np.testing.assert_allclose(neighbour_mean(order, y, at), y[nearest].mean(axis=1))
    few = neighbour_mean(order[:3], y[:3], at)
    np.testing.assert_allclose(few, y[:3].mean())


def test_index_only_needs_an_order():
    train = table([0.0, 1, 2, 3], a=np.arange(4.0))
    with pytest.raises(ValueError, match="needs the file order"):
        index_only(train, train)


def test_best_single_is_mapped_to_the_labels_by_least_squares():
    rng = np.random.default_rng(0)
    distance = rng.uniform(size=30)
    y = 4 - 3 * distance + 0.1 * rng.normal(size=30)
    train = table(y, noise=rng.normal(size=30), distance=distance)
    prediction, name = best_single(train, train)
    assert name == "distance"
    np.testing.assert_allclose(prediction, np.polyval(np.polyfit(distance, y, 1), distance))
