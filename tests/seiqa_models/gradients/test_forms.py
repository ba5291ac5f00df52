"""Fitted learners and fusions in PyTorch: the same numbers, with gradients."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.decomposition import PCA

from seiqa_models.fusions.registry import list_fusions, make_fusion
from seiqa_models.gradients.forms import NoFormError, constant, interpolated, torch_form
from seiqa_models.learners.components import OrientedComponents
from seiqa_models.learners.registry import list_learners, make_learner
from seiqa_models.plugins.calls import row_arguments

TREES = {
    *("catboost", "xgboost", "lightgbm", "extra_trees", "monotone"),
    *(f"runner_up_{name}" for name in ("catboost", "xgboost", "lightgbm", "forest", "extra_trees")),
}
NEIGHBOURS = {"runner_up_knn5", "runner_up_knn15"}
OTHERS = {"runner_up_svr_poly", "ordinal_head", "dss_sqa"}
"""Learners that could have a form, but do not."""

WITHOUT_FORM = TREES | NEIGHBOURS | OTHERS


@pytest.fixture(scope="module")
def rows() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Training rows [60, 5] with repeated values, labels, and other rows, partly beyond them."""
    draws = np.random.default_rng(0)
    quality = draws.uniform(0, 5, 60)
    X = np.column_stack([quality, np.exp(-quality), draws.normal(size=(60, 3))])
    X += 0.1 * draws.normal(size=X.shape)
    X[:15, 2] = 0.0
    return X, quality + 0.1 * draws.normal(size=60), X[:20] + 0.2 * draws.normal(size=(20, 5))


def test_every_learner_is_listed_with_or_without_a_form() -> None:
    assert set(list_learners()) >= WITHOUT_FORM


@pytest.mark.parametrize("name", sorted(set(list_learners()) - WITHOUT_FORM))
def test_a_learner_predicts_the_same_and_has_a_gradient(
    name: str, rows: tuple[np.ndarray, np.ndarray, np.ndarray]
) -> None:
    X, y, new = rows
    learner = make_learner(name, random_state=0)
    kinds = np.arange(len(X)) % 3
    learner.fit(X, y, **row_arguments(learner, kinds=kinds))
    if name == "gp":
        assert learner[-1].knows_kinds_
    form = torch_form(learner)
    values = constant(new).requires_grad_()
    predicted = form(values)
    np.testing.assert_allclose(predicted.detach(), learner.predict(new), rtol=1e-9, atol=1e-9)
    predicted.sum().backward()
    assert values.grad is not None
    assert values.grad.isfinite().all()
    step, along = 1e-6, np.random.default_rng(1).normal(size=new.shape)
    rise = learner.predict(new + step * along) - learner.predict(new - step * along)
    expected = (values.grad.numpy() * along).sum(axis=1)
    # A kink within the step is possible: most rows must agree.
    agree = np.isclose(rise / (2 * step), expected, rtol=1e-3, atol=1e-4)
    assert agree.mean() >= 0.9


@pytest.mark.parametrize("name", sorted(WITHOUT_FORM))
def test_what_has_no_form_says_so(
    name: str, rows: tuple[np.ndarray, np.ndarray, np.ndarray]
) -> None:
    if name == "dss_sqa":
        pytest.skip("reads the 5377 numbers of its own extractor only")
    with pytest.raises(NoFormError):
        torch_form(make_learner(name, random_state=0).fit(*rows[:2]))


@pytest.mark.parametrize("name", list_fusions())
def test_a_fusion_fuses_the_same(
    name: str, rows: tuple[np.ndarray, np.ndarray, np.ndarray]
) -> None:
    X, y, new = rows
    fusion = clone(make_fusion(name)).fit(X[:, :2], y)
    fused = torch_form(fusion)(constant(new[:, :2]))
    np.testing.assert_allclose(fused, fusion.predict(new[:, :2]), rtol=1e-12)


def test_components_are_the_same(rows: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    X, y, new = rows
    part = OrientedComponents(3).fit(X, y)
    np.testing.assert_allclose(torch_form(part)(constant(new)), part.transform(new), atol=1e-9)


def test_an_unknown_part_is_named() -> None:
    with pytest.raises(NoFormError, match="PCA"):
        torch_form(PCA())


def test_interpolation_is_numpys() -> None:
    knots, heights = np.array([0.0, 1.0, 1.0, 2.0]), np.array([0.0, 1.0, 2.0, 4.0])
    x = np.array([-1.0, 0.0, 0.25, 1.0, 1.5, 2.0, 3.0])
    found = interpolated(constant(x)[None], constant(knots)[None], constant(heights))
    np.testing.assert_array_equal(found[0], np.interp(x, knots, heights))
    assert found.dtype == torch.float64
