"""RidgeMeta: the closed form is the refit, and cross-fitted values know nothing of their label."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import Ridge
from sklearn.model_selection import LeaveOneGroupOut

from seiqa_models.core.errors import TableError
from seiqa_models.core.metrics import srocc
from seiqa_models.stack.meta import RidgeMeta


def block_table(dense_column, d=12, shift=0.0):
    n, rng = 40, np.random.default_rng(0)
    matrix = (rng.normal(size=(n, d)) * rng.uniform(0.1, 9, d) + shift).astype(np.float32)
    y = matrix @ rng.normal(size=d) + rng.normal(size=n)
    groups = rng.integers(0, 7, n)
    return pd.DataFrame({"block": dense_column(matrix)}), matrix.astype(float), y, groups


@pytest.mark.parametrize("d", [12, 100], ids=["fewer columns than rows", "more columns"])
@pytest.mark.parametrize("alpha", [0.01, 1.0])
@pytest.mark.parametrize("by", ["group", "row"])
def test_closed_form_equals_refits_without_each_group(dense_column, d, alpha, by):
    X, matrix, y, groups = block_table(dense_column, d=d, shift=3.0)
    groups = groups if by == "group" else None
    values = RidgeMeta(alphas=[alpha]).fit_transform(X, y, groups)["block__ridge"]
    # The block's scale is fixed on all rows (it needs no label); centre and intercept are refitted.
    scale = np.sqrt(np.mean(np.sum((matrix - matrix.mean(axis=0)) ** 2, axis=1)))
    expected = np.empty_like(y)
    for group in np.unique(groups) if by == "group" else range(len(y)):
        out = groups == group if by == "group" else np.arange(len(y)) == group
        refit = Ridge(alpha=alpha, solver="svd").fit(matrix[~out] / scale, y[~out])
        # The intercept of the refit tells the group's own labels; that of all rows is used.
        expected[out] = refit.predict(matrix[out] / scale) - y[~out].mean() + y.mean()
    np.testing.assert_allclose(values, expected, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("d", [12, 100])
def test_transform_equals_the_full_fit(dense_column, d):
    X, matrix, y, groups = block_table(dense_column, d=d, shift=3.0)
    scale = np.sqrt(np.mean(np.sum((matrix - matrix.mean(axis=0)) ** 2, axis=1)))
    expected = Ridge(alpha=0.1, solver="svd").fit(matrix / scale, y).predict(matrix / scale)
    values = RidgeMeta(alphas=[0.1]).fit(X, y, groups).transform(X)["block__ridge"]
    np.testing.assert_allclose(values, expected, rtol=1e-8, atol=1e-8)


def test_alpha_has_the_smallest_held_out_error(dense_column):
    X, matrix, y, groups = block_table(dense_column)
    scale = np.sqrt(np.mean(np.sum((matrix - matrix.mean(axis=0)) ** 2, axis=1)))

    def error(alpha):
        errors = []
        for train, test in LeaveOneGroupOut().split(matrix, y, groups):
            refit = Ridge(alpha=alpha * scale**2).fit(matrix[train], y[train])
            errors.extend((refit.predict(matrix[test]) - y[test]) ** 2)
        return np.mean(errors)

    meta = RidgeMeta(alphas=[1e-3, 1e-1, 10.0, 1e3]).fit(X, y, groups)
    assert meta.alphas_["block"] == min(meta.alphas, key=error)


def test_scale_of_the_block_does_not_matter(dense_column):
    X, matrix, y, groups = block_table(dense_column)
    larger = pd.DataFrame({"block": dense_column(1024 * matrix)})
    np.testing.assert_allclose(
        RidgeMeta().fit_transform(larger, y, groups), RidgeMeta().fit_transform(X, y, groups)
    )


@pytest.mark.parametrize("rows_per_group", [1, 8])
@pytest.mark.parametrize("alpha", [1e-3, 1.0, 1e3])
def test_cross_fitted_noise_tells_nothing_where_a_plain_fit_tells_all(
    dense_column, rows_per_group, alpha
):
    """The trap: more columns than rows, labels of pure noise.

    With the refit's own intercept, alpha = 1000 and single rows give a correlation of -1.0.
    """
    groups = np.arange(80) // rows_per_group
    cross_fitted, plain = [], []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        X, y = (
            pd.DataFrame({"block": dense_column(rng.normal(size=(80, 400)))}),
            rng.normal(size=80),
        )
        meta = RidgeMeta([alpha])
        cross_fitted.append(srocc(y, meta.fit_transform(X, y, groups)["block__ridge"]))
        plain.append(srocc(y, meta.transform(X)["block__ridge"]))
    assert abs(np.mean(cross_fitted)) < 0.15
    assert min(plain) > 0.8


def test_own_labels_move_cross_fitted_values_by_one_constant_only(dense_column):
    X, _, y, groups = block_table(dense_column)
    group = groups == groups[0]
    changed = np.where(group, y + 100, y)
    first = RidgeMeta([0.5]).fit_transform(X, y, groups)["block__ridge"]
    second = RidgeMeta([0.5]).fit_transform(X, changed, groups)["block__ridge"]
    shift = changed.mean() - y.mean()
    np.testing.assert_allclose(second[group] - first[group], shift, atol=1e-9)
    assert (abs(second[~group] - first[~group] - shift) > 1e-3).all()


def test_columns_scalars_first_and_meta_features_named(make_table):
    X, y, groups = make_table(d=20)
    table = RidgeMeta().fit_transform(X[["embedding", "chaff"]], y, groups)
    assert list(table.columns) == ["chaff", "embedding__ridge"]
    assert table.index.equals(X.index)
    assert (table.dtypes == np.float64).all()
    assert srocc(y, table["embedding__ridge"]) > 0.9


def test_constant_block_gives_the_mean(dense_column):
    X = pd.DataFrame({"block": dense_column(np.ones((4, 3)))})
    meta = RidgeMeta()
    values = meta.fit_transform(X, [0.0, 2.0, 4.0, 6.0], [0, 0, 1, 1])["block__ridge"]
    np.testing.assert_allclose(values, 3.0)
    np.testing.assert_allclose(meta.transform(X)["block__ridge"], 3.0)


def test_single_group_leaves_out_rows_and_one_row_is_refused(dense_column):
    X, _, y, _ = block_table(dense_column)
    pd.testing.assert_frame_equal(
        RidgeMeta().fit_transform(X, y, np.zeros(len(y))), RidgeMeta().fit_transform(X, y)
    )
    with pytest.raises(TableError, match="one row only"):
        RidgeMeta().fit(X.iloc[:1], y[:1])
