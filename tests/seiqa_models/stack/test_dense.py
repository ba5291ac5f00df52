"""Learners that read the numbers of dense blocks, inside the stack."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from seiqa_models.bundle import load_bundle, save_bundle
from seiqa_models.core.errors import TableError
from seiqa_models.core.metrics import srocc
from seiqa_models.evaluation.contributions import contributions
from seiqa_models.evaluation.evaluate import evaluate
from seiqa_models.stack.regressor import SeiqaRegressor

LEARNERS = ["ordinal_head@dense", "ridge"]


def block(values):
    flat = pa.array(np.asarray(values, np.float32).ravel())
    return pd.arrays.ArrowExtensionArray(pa.FixedSizeListArray.from_arrays(flat, values.shape[1]))


@pytest.fixture
def table():
    """Levels that a block's numbers tell, and a scalar that tells little."""
    rng = np.random.default_rng(0)
    hidden = rng.normal(size=(90, 8))
    y = np.clip(np.rint(2.5 + hidden[:, 0] + hidden[:, 1]), 0, 5)
    index = pd.Index([f"p{i:02}" for i in range(90)], name="pair_id")
    X = pd.DataFrame(
        {
            "net__s224__inputs": block(hidden),
            "net__s224__inputs_mirrored": block(hidden + 0.1 * rng.normal(size=hidden.shape)),
            "psnr__full__value": y + 2 * rng.normal(size=90),
        },
        index=index,
    )
    return X, y, np.arange(90) // 3


def test_estimate_bundle_and_contributions(table, tmp_path):
    X, y, groups = table
    done = evaluate(SeiqaRegressor(LEARNERS, n_splits=3), X, y, groups, n_splits=3)
    assert srocc(y, done.predictions["ordinal_head@dense"]) > 0.7
    scores = done.regressor.predict(X)
    recipe = {"features": {}, "blocks": {}}
    save_bundle(tmp_path / "bundle", done.regressor, recipe=recipe, card={"label_kind": "MOS"})
    np.testing.assert_array_equal(load_bundle(tmp_path / "bundle").regressor.predict(X), scores)
    head = done.regressor.learners_["ordinal_head@dense"]
    assert head.blocks == [("net__s224__inputs", 8), ("net__s224__inputs_mirrored", 8)]
    shares = contributions(done.regressor, X)
    total = done.regressor.fuse_unclipped(done.regressor.predict_learners(X))
    np.testing.assert_allclose(shares.sum(axis=1), total, atol=1e-9)


def test_a_table_without_blocks_is_named(table):
    X, y, groups = table
    with pytest.raises(TableError, match="the table has no dense blocks: leave out the learners"):
        SeiqaRegressor(LEARNERS, n_splits=2).fit(X[["psnr__full__value"]], y, groups)


def test_a_block_of_another_width_is_named(table):
    X, y, groups = table
    fitted = SeiqaRegressor(["ordinal_head@dense"], n_splits=2).fit(X, y, groups)
    narrow = X.assign(net__s224__inputs=block(np.ones((90, 3))))
    with pytest.raises(TableError, match="has 3 values a row, the model was trained with 8"):
        fitted.predict(narrow)
