"""SigLIP 2 and PE-Spatial: small networks of their architectures, with random weights."""

from __future__ import annotations

from pathlib import Path

import pytest
import timm
import torch

from seiqa_features.extractors.registry import get_extractor
from seiqa_features.extractors.vit.timm_vit import PRESETS
from tests.seiqa_features.random_networks import resources_for

SMALL = {
    "siglip2_so400m": "timm:test_vit3.r160_in1k",
    "pe_spatial_l14": "timm:vit_pe_spatial_tiny_patch16_512.fb",
}
"""Preset → a small network that is built as its own is."""

SIDE = 160
PICTURES = torch.rand(3, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("preset", SMALL)
def test_the_small_network_is_of_the_same_architecture(preset: str) -> None:
    model = SMALL[preset].removeprefix("timm:")
    with torch.device("meta"):
        small, large = (timm.create_model(name) for name in (model, PRESETS[preset].model))
    assert type(small) is type(large)
    for fact in ("cls_token", "attn_pool", "rope"):
        there = [getattr(network, fact, None) is not None for network in (small, large)]
        assert there[0] == there[1], fact
    assert PRESETS[preset].class_token == (small.cls_token is not None)


@pytest.mark.parametrize("preset", SMALL)
def test_it_loads_and_keeps_the_contract(preset: str, tmp_path: Path) -> None:
    name = SMALL[preset]
    entry = get_extractor(name)
    same_outputs = entry.spec.outputs.keys() == get_extractor(preset).spec.outputs.keys()
    assert same_outputs
    work = entry.build(resources_for(name, tmp_path))
    with torch.inference_mode():
        index = torch.tensor([0, 1])
        whole = work(ref=PICTURES[:2], dist=PICTURES[1:], ref_index=index)
        alone = work(ref=PICTURES[1:2], dist=PICTURES[2:], ref_index=index[:1])
        itself = work(ref=PICTURES[:1], dist=PICTURES[:1], ref_index=index[:1])
    assert whole.keys() == entry.spec.outputs.keys()
    for output, facts in entry.spec.outputs.items():
        assert torch.isfinite(whole[output]).all(), output
        assert torch.equal(whole[output][1:], alone[output]), output
        if facts.identity is not None:
            torch.testing.assert_close(
                itself[output], torch.full_like(itself[output], facts.identity), atol=1e-5, rtol=0
            )
            assert (whole[output] - facts.identity).abs().max() > 1e-4, output
