"""What is wrong with a stranger's learner or fusion is found on a small table, in one line."""

from __future__ import annotations

import operator

import numpy as np
import pytest
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.linear_model import LassoLarsIC, LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from seiqa_models.core.errors import LearnerError
from seiqa_models.evaluation.trial import try_fusion, try_learner
from seiqa_models.fusions import make_fusion
from seiqa_models.learners.registry import LEARNERS


class Misfit(RegressorMixin, BaseEstimator):
    """Predicts whatever its attribute says, in a type that no bundle may hold."""

    def __init__(self, predicted=None) -> None:
        self.predicted = predicted

    def fit(self, X, y, groups=None):  # noqa: ARG002
        self.mean_ = float(np.mean(y))
        return self

    def predict(self, X):
        if self.predicted is None:
            return np.full(len(X), self.mean_)
        return self.predicted(X)


def lambda_in_a_pipeline():
    return make_pipeline(FunctionTransformer(lambda X: 2 * X), LinearRegression())


def without_its_library():
    raise ModuleNotFoundError("No module named 'ngboost'")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            LassoLarsIC,
            r"cannot learn from 24 rows × 30 columns: ValueError: .*more columns than ro",
        ),
        (without_its_library, "cannot be made: ModuleNotFoundError: No module named 'ngboost'"),
        (Misfit, r"cannot be saved: a bundle may not hold \S*test_trial\.Misfit; a package"),
        (lambda_in_a_pipeline, "cannot be saved"),
        (lambda: Misfit(lambda X: X), r"predicts an array \[24, 30\] for 24 rows, expected \[24\]"),
        (
            lambda: Misfit(lambda X: X[:, 0] / 0),
            "predicts values that are not finite for 24 of 24 rows",
        ),
        (lambda: Misfit(operator.itemgetter("a")), "cannot predict: IndexError: only integers"),
    ],
)
@pytest.mark.filterwarnings("ignore:divide by zero")
def test_a_learner_that_will_fail_is_named_with_what_it_does(make, message, monkeypatch):
    monkeypatch.setitem(LEARNERS, "mine", lambda *_: make())
    with pytest.raises(LearnerError, match=f"learner 'mine' {message}") as caught:
        try_learner("mine")
    assert "\n" not in str(caught.value)


def test_a_learner_of_known_parts_passes(monkeypatch):
    monkeypatch.setitem(LEARNERS, "mine", lambda *_: LinearRegression())
    try_learner("mine")
    with pytest.raises(ValueError, match="unknown learner 'mien': did you mean 'mine'"):
        try_learner("mien")


def test_a_fusion_is_tried_too():
    try_fusion(make_fusion("stacking"))
    with pytest.raises(LearnerError, match="fusion Misfit cannot be saved"):
        try_fusion(Misfit())
    with pytest.raises(LearnerError, match=r"fusion BoundedFusion cannot learn .*max_weight is 2"):
        try_fusion(make_fusion("bounded", max_weight=2))
