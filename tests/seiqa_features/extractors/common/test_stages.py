"""Maps of stages: how they are named and compared."""

from __future__ import annotations

import pytest
import torch

from seiqa_features.extractors.common.outputs import stage_outputs
from seiqa_features.extractors.common.stages import compare, compare_maps, named


def maps(count: int, seed: int) -> dict[str, torch.Tensor]:
    """Of two stages and a final map, for as many pictures."""
    generator = torch.Generator().manual_seed(seed)
    shapes = (4, 8, 8), (8, 4, 4), (16, 4, 4)
    first, second, last = (torch.randn(count, *shape, generator=generator) for shape in shapes)
    return named([first, second], last)


def test_a_final_map_has_a_name_if_it_is_not_that_of_the_last_stage() -> None:
    assert list(maps(1, 0)) == ["stage1", "stage2", "head"]
    stage = torch.zeros(1, 4, 8, 8, dtype=torch.bfloat16)
    found = named([stage], stage)
    assert list(found) == ["stage1"]
    assert found["stage1"].dtype == torch.float32


def test_outputs_are_those_that_specs_declare() -> None:
    ref, dist = maps(2, 0), maps(3, 1)
    index = torch.tensor([1, 0, 1])
    whole = compare(ref=ref, dist=dist, ref_index=index, stages=tuple(ref))
    assert whole.keys() == stage_outputs(tuple(ref)).keys()
    assert {"stage2_transport", "head_transport"} < whole.keys()
    assert "stage1_transport" not in whole
    for name, values in whole.items():
        assert values.shape == (3,), name
        assert values.dtype == torch.float64, name


def test_pairs_follow_the_index() -> None:
    ref = maps(2, 0)
    dist = {name: values.flip(0) for name, values in ref.items()}
    same = compare(ref=ref, dist=dist, ref_index=torch.tensor([1, 0]), stages=tuple(ref))
    for name, facts in stage_outputs(tuple(ref)).items():
        assert same[name].tolist() == [facts.identity] * 2, name
    other = compare(ref=ref, dist=dist, ref_index=torch.tensor([0, 1]), stages=tuple(ref))
    assert other["head_mean"].max() < 0.5


def test_stage_values_of_known_maps() -> None:
    ref = torch.tensor([[1.0, 0.0], [0.0, 1.0]]).reshape(1, 2, 1, 2)  # places (1, 0) and (0, 1)
    dist = torch.tensor([[1.0, 1.0], [0.0, 0.0]]).reshape(1, 2, 1, 2)  # places (1, 0) and (1, 0)
    found = {name: value.item() for name, value in compare_maps("s", ref, dist).items()}
    assert found["s_mean"] == pytest.approx(0.5)
    assert found["s_q05"] == pytest.approx(0.05)
    assert found["s_pooled"] == pytest.approx(2**-0.5, abs=1e-6)
    assert found["s_distance"] == pytest.approx(2**0.5 / (2 * 2**0.5))
