"""Pooling over crops: the mean hides a small change, the worst crop shows it."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from seiqa_features.extractors.specs import Output
from seiqa_features.table.pooling import pool, pooled_outputs

OUTPUTS = {
    "similarity": Output(identity=1.0, symmetric=True),
    "distance": Output(identity=0.0),
    "quality": Output(),
    "grid": Output(dim=2, identity=1.0),
    "cls_ref": Output(dim=2, role="ref"),
    "cls_dist": Output(dim=2, role="dist"),
}
VALUES = {
    "similarity": np.array([0.9, 0.2, 1.0]),
    "distance": np.array([1.0, -7.0, 2.0]),
    "quality": np.array([1.0, 2.0, 6.0]),
    "grid": np.array([[0, 1], [1, 1], [2, 1]], np.float32),
    "cls_ref": np.array([[1, 0], [1, 0], [1, 0]], np.float32),
    "cls_dist": np.array([[1, 0], [0, 1], [1, 0]], np.float32),
}


def test_mean_and_worst() -> None:
    pooled = pool(VALUES, OUTPUTS)
    assert pooled["similarity_mean"] == pytest.approx(0.7)
    assert pooled["similarity_worst"] == 0.2
    assert pooled["distance_worst"] == -7.0
    assert pooled["quality_mean"] == 3.0
    assert pooled["grid_mean"].tolist() == [1, 1]


def test_embeddings_are_averaged_and_their_crop_cosines_kept() -> None:
    pooled = pool(VALUES, OUTPUTS)
    np.testing.assert_allclose(pooled["cls_dist"], [2 / 3, 1 / 3], rtol=1e-6)
    assert pooled["cls_dist"].dtype == np.float32
    assert pooled["cls_crop_cosine_mean"] == pytest.approx(2 / 3)
    assert pooled["cls_crop_cosine_worst"] == 0


def test_undefined_crops_are_left_out() -> None:
    one = pool({**VALUES, "similarity": np.array([0.9, np.nan, 0.5])}, OUTPUTS)
    assert one["similarity_mean"] == pytest.approx(0.7)
    assert one["similarity_worst"] == 0.5
    none = pool({**VALUES, "similarity": np.full(3, np.nan)}, OUTPUTS)
    assert np.isnan(none["similarity_mean"])
    assert np.isnan(none["similarity_worst"])


def test_outputs_are_what_pool_gives() -> None:
    outputs, pooled = pooled_outputs(OUTPUTS), pool(VALUES, OUTPUTS)
    assert outputs.keys() == pooled.keys()
    assert {name: value.ndim > 0 for name, value in pooled.items()} == {
        name: output.dim > 0 for name, output in outputs.items()
    }


def test_one_crop_pools_to_itself() -> None:
    first = {name: value[:1] for name, value in VALUES.items()}
    pooled = pool(first, OUTPUTS)
    for name in ("similarity", "distance"):
        assert pooled[f"{name}_mean"] == pooled[f"{name}_worst"] == VALUES[name][0]
    assert pooled["cls_crop_cosine_worst"] == 1


def test_means_leave_undefined_crops_out_and_the_filters_of_warnings_alone() -> None:
    before, nan = list(warnings.filters), np.nan
    crops = np.array([[1.0, nan, nan], [2.0, 5.0, nan], [4.5, nan, nan]])
    means = pool({"a": crops}, {"a": Output(dim=3)})["a_mean"]
    np.testing.assert_array_equal(means, [2.5, 5.0, nan])
    assert np.isnan(pool({"a": np.array([nan, nan])}, {"a": Output()})["a_mean"])
    assert list(warnings.filters) == before
