"""Token matching: what moved has its like, what is gone or new has none."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from seiqa_features.extractors.common.matching import match
from seiqa_features.extractors.common.outputs import matching_outputs


def tokens(seed: int, side: int = 8, width: int = 32) -> torch.Tensor:
    """A map of random vectors [1, width, side, side]."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(1, width, side, side, generator=generator)


def matched(ref: torch.Tensor, dist: torch.Tensor) -> dict[str, float]:
    return {name: value.item() for name, value in match(ref, dist).items()}


def test_outputs_are_those_that_specs_declare() -> None:
    assert match(tokens(0), tokens(1), prefix="x_").keys() == matching_outputs("x_").keys()


def test_equal_maps_have_the_identity_values_exactly() -> None:
    for name, output in matching_outputs("").items():
        assert matched(tokens(0), tokens(0))[name] == output.identity


def test_lengths_of_vectors_do_not_count() -> None:
    found = matched(tokens(0), 7 * tokens(0))
    assert found["kept_mean"] == pytest.approx(1, abs=1e-6)
    assert found["transport"] == pytest.approx(0, abs=1e-6)


def test_a_shift_by_one_place_keeps_its_matches() -> None:
    moved = torch.roll(tokens(0), 1, dims=3)
    found = matched(tokens(0), moved)
    assert found["kept_q05"] == found["found_q05"] == 1
    assert found["transport"] == pytest.approx(0, abs=1e-9)
    assert found["near_mean"] > 0.85  # only the column that wrapped around is out of reach


def test_a_far_move_is_found_anywhere_but_not_nearby() -> None:
    found = matched(tokens(0), torch.roll(tokens(0), 4, dims=3))
    assert found["kept_mean"] == 1
    assert found["near_mean"] < 0.6


def test_what_is_lost_and_what_is_new_are_told_apart() -> None:
    scene, flat = tokens(0), tokens(0).clone()
    flat[..., :4, :] = scene[..., 7:, 7:]  # the upper half shows what the corner shows already
    lost, invented = matched(scene, flat), matched(flat, scene)
    assert lost["kept_q05"] < 0.6 < 1 == lost["found_q05"]
    assert invented["kept_q05"] == 1 > 0.6 > invented["found_q05"]


def test_more_replaced_places_cost_more_transport() -> None:
    scene, other = tokens(0), tokens(1)
    costs = []
    for rows in range(0, 9, 2):
        mixed = torch.cat([scene[:, :, rows:], other[:, :, :rows]], dim=2)
        costs.append(matched(scene, mixed)["transport"])
    assert costs == sorted(costs)
    assert costs[0] == 0
    assert costs[-1] > 0.3


def test_transport_is_symmetric_and_near_the_exact_assignment() -> None:
    from scipy.optimize import linear_sum_assignment

    one, other = tokens(0, side=6, width=4), tokens(1, side=6, width=4)
    there, back = matched(one, other)["transport"], matched(other, one)["transport"]
    assert there == pytest.approx(back, rel=1e-6)
    a, b = (torch.nn.functional.normalize(x, dim=1).flatten(2)[0].T.numpy() for x in (one, other))
    cost = 1 - a @ b.T
    exact = cost[linear_sum_assignment(cost)].mean()
    # The divergence of the regularised problem lies below the exact cost, the nearer the colder.
    assert 0.3 * exact < there < 1.1 * exact


def test_large_maps_are_averaged_before_transport() -> None:
    found = matched(tokens(0, side=20), tokens(1, side=20))
    assert np.isfinite(list(found.values())).all()


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (3, 2)])
def test_any_shape_of_map(shape: tuple[int, int]) -> None:
    generator = torch.Generator().manual_seed(3)
    ref, dist = torch.randn(2, 1, 8, *shape, generator=generator).unbind(0)
    assert np.isfinite(list(matched(ref, dist).values())).all()
    assert matched(ref, ref)["near_mean"] == 1


def test_flat_maps_of_zeros_are_defined() -> None:
    zeros = torch.zeros(1, 8, 4, 4)
    assert np.isfinite(list(matched(zeros, tokens(0, side=4, width=8)).values())).all()


def test_pairs_do_not_see_each_other() -> None:
    both = match(torch.cat([tokens(0), tokens(2)]), torch.cat([tokens(1), tokens(3)]))
    alone = match(tokens(2), tokens(3))
    for name, value in both.items():
        torch.testing.assert_close(value[1:], alone[name], rtol=1e-6, atol=1e-9)
