"""The losses over pairs, by hand."""

from __future__ import annotations

from math import erf, sqrt

import numpy as np
import pytest
import torch

from seiqa_models.learners.networks.losses import fidelity_loss, softplus_loss

Y = torch.tensor([[0.0], [1.0], [1.0]])
F = torch.tensor([[0.5], [0.0], [2.0]])


def test_softplus_loss():
    squared = (0.5**2 + 1 + 1) / 3
    # Four ordered pairs with different labels: (0, 1) is the wrong way round, (0, 2) is right.
    ranking = (np.log1p(np.exp(0.5)) + np.log1p(np.exp(-1.5))) / 2
    assert float(softplus_loss(F, Y)) == pytest.approx(0.25 * squared + 0.8 * ranking, rel=1e-6)
    assert float(softplus_loss(F, torch.ones(3, 1))) == pytest.approx(
        0.25 * float(((F - 1) ** 2).mean())
    )


def test_fidelity_loss():
    plcc = np.corrcoef(F[:, 0], Y[:, 0])[0, 1]

    def fidelity(difference, g):
        p = (1 + erf(difference / sqrt(2))) / 2
        return 1 - sqrt(p * g + 1e-6) - sqrt((1 - p) * (1 - g) + 1e-6)

    # Each pair counts both ways round with the same value; rows 1 and 2 have the same label.
    pairs = (fidelity(0.5, 0.0) + fidelity(-1.5, 0.0) + fidelity(-2.0, 0.5)) / 3
    expected = 0.5 * (1 - plcc) + 0.5 * pairs
    assert float(fidelity_loss(F, Y)) == pytest.approx(expected, abs=1e-5)


def test_fidelity_loss_of_constant_predictions_or_one_row_has_a_gradient():
    for rows in (1, 3):
        prediction = torch.zeros(rows, 1, requires_grad=True)
        loss = fidelity_loss(prediction, Y[:rows])
        loss.backward()
        assert torch.isfinite(prediction.grad).all()
        assert float(loss.detach()) > 0.4


def test_only_rows_of_one_collection_are_compared():
    """Rows 0 and 1 are together, row 2 is of another collection."""
    together = torch.tensor([[1, 1, 0], [1, 1, 0], [0, 0, 1]], dtype=torch.bool)
    squared = (0.5**2 + 1 + 1) / 3
    wrong_way = np.log1p(np.exp(0.5))
    found = float(softplus_loss(F, Y, together))
    assert found == pytest.approx(0.25 * squared + 0.8 * wrong_way, rel=1e-6)
    plcc = np.corrcoef(F[:, 0], Y[:, 0])[0, 1]
    p = (1 + erf(0.5 / sqrt(2))) / 2  # that row 0 is preferred, which it should not be
    pair = 1 - sqrt(1e-6) - sqrt((1 - p) + 1e-6)
    expected = 0.5 * (1 - plcc) + 0.5 * pair
    assert float(fidelity_loss(F, Y, together)) == pytest.approx(expected, abs=2e-3)
    everybody = torch.ones(3, 3, dtype=torch.bool)
    for loss in (softplus_loss, fidelity_loss):
        assert float(loss(F, Y, everybody)) == float(loss(F, Y))
