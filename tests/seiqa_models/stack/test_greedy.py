"""Greedy selection, and that the search does as well."""

from __future__ import annotations

import numpy as np
import pytest

from seiqa_models.core.metrics import final_score
from seiqa_models.stack.fusion import BoundedFusion
from seiqa_models.stack.greedy import greedy_weights


def test_greedy_selection_counts_what_helps():
    rng = np.random.default_rng(0)
    y = rng.uniform(0, 5, 120)
    P = np.column_stack([y + s * rng.normal(size=120) for s in (0.6, 0.6, 5.0)])
    weights = greedy_weights(P, y)
    assert weights.sum() == pytest.approx(1)
    assert weights[2] < 0.1
    assert final_score(y, P @ weights) >= max(final_score(y, column) for column in P.T)
    searched = BoundedFusion(shrinkage=0.0).fit(P, y)
    assert final_score(y, searched.predict(P)) >= final_score(y, P @ weights) - 5e-4
