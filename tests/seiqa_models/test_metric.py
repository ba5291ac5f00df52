"""ScoreMetric in an evaluation loop."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from seiqa_features.errors import DataError
from seiqa_models.metric import ScoreMetric
from seiqa_models.scorer import Scorer


@pytest.fixture(scope="module")
def scorer():
    return Scorer.load(workers=1)


def test_the_mean_of_what_the_scorer_says(scorer):
    rng = np.random.default_rng(0)
    clean = torch.tensor(rng.random((3, 3, 64, 64), dtype=np.float32))
    noisy = (clean + 0.1 * torch.randn(clean.shape, generator=torch.manual_seed(0))).clamp(0, 1)
    metric = ScoreMetric(scorer)
    metric.update(noisy[:2], clean[:2])
    metric.update(noisy[2:], clean[2:])
    expected = scorer.score_many(list(clean), list(noisy))["score"]
    assert metric.scores == pytest.approx(expected.tolist(), abs=1e-9)
    assert metric.compute() == pytest.approx(expected.mean())
    metric.reset()
    with pytest.raises(ValueError, match="call update before compute"):
        metric.compute()


def test_batches_of_different_length_are_refused(scorer):
    pictures = np.zeros((2, 64, 64, 3))
    with pytest.raises(DataError):
        ScoreMetric(scorer).update(pictures, pictures[:1])


def test_a_single_pair_is_no_batch(scorer):
    with pytest.raises(DataError, match="ref: a str; expected a sequence of pictures"):
        ScoreMetric(scorer).update("degraded.png", "reference.png")
