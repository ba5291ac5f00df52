"""Patch tokens of open_clip: against plain use of the library, and with trained weights."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.nn import functional as F

from seiqa_features import extract
from seiqa_features.extractors.openclip.facts import facts_of
from seiqa_features.extractors.openclip.patches import reader
from seiqa_features.extractors.registry import get_extractor
from seiqa_features.extractors.specs import Resources
from tests.seiqa_features.extractors.running import assert_same_bits
from tests.seiqa_features.photographs import photograph
from tests.seiqa_features.random_networks import CLIP_CONFIG, CLIP_TEXT, clip_state, register_clip

# As SigLIP: a tower of timm's without a class token, pooled by attention.
POOLED = {
    "embed_dim": 64,
    "custom_text": True,
    "vision_cfg": {"image_size": 160, "timm_model_name": "test_vit3", "timm_pool": "map"},
    "text_cfg": CLIP_TEXT,
}
PE_CORE = {
    **POOLED,
    "embed_dim": 64,
    "vision_cfg": {"image_size": 384, "timm_model_name": "vit_pe_core_tiny_patch16_384",
                   "timm_pool": "map", "timm_proj": None},
}  # fmt: skip
# The tower that a file of trained weights is of.
TRAINED = {
    "embed_dim": 192,
    "custom_text": True,
    "vision_cfg": {
        "image_size": 224, "timm_model_name": "vit_tiny_patch16_224", "timm_pool": "token",
        "timm_proj": "none",
    },
    "text_cfg": {**CLIP_TEXT, "width": 192, "heads": 3},
}  # fmt: skip
CONFIGS: dict[str, dict[str, Any]] = {
    "seiqa-tiny": CLIP_CONFIG,
    "seiqa-pooled": POOLED,
    "seiqa-pe": PE_CORE,
    "seiqa-trained": TRAINED,
}
VIT = "timm:vit_tiny_patch16_224"
TRAINED_NAME = "openclip:seiqa-trained:tag"


@pytest.fixture(scope="module", autouse=True)
def _models() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        register_clip(patch, CONFIGS)
        yield


def network_of(name: str) -> torch.nn.Module:
    network: torch.nn.Module = open_clip.create_model(name).eval()
    network.load_state_dict(clip_state(name))
    return network


@pytest.mark.parametrize(
    ("name", "side"), [("seiqa-tiny", 64), ("seiqa-pooled", 160), ("seiqa-pe", 384)]
)
def test_one_pass_gives_the_embedding_of_encode_image_to_the_bit(name: str, side: int) -> None:
    network = network_of(name)
    images = torch.randn(1, 3, side, side, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        assert torch.equal(reader(network)(images)["image"], network.encode_image(images))


def test_layers_are_those_at_each_quarter_of_the_depth_after_the_last_norm() -> None:
    network = network_of("seiqa-tiny")
    outputs: list[torch.Tensor] = []
    for block in network.visual.transformer.resblocks:
        block.register_forward_hook(lambda _, __, output: outputs.append(output))
    images = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        found = reader(network)(images)
        tokens = [network.visual.ln_post(output)[:, 1:] for output in outputs]
    for name, expected in zip(("mid1", "mid2", "mid3", "last"), tokens, strict=True):
        torch.testing.assert_close(found[name], F.normalize(expected, dim=-1))
        assert found[name].shape == (1, 16, 64)
    mean = F.normalize(tokens[-1].mean(dim=1), dim=-1)
    torch.testing.assert_close(found["mean"], mean)
    torch.testing.assert_close(found["cls"], F.normalize(found["image"], dim=-1))


@pytest.mark.parametrize("name", ["seiqa-tiny", "seiqa-pooled", "seiqa-pe"])
def test_a_vision_transformer_has_patches(name: str) -> None:
    assert facts_of(name, "tag").stages == ()
    outputs = get_extractor(f"openclip:{name}:tag").spec.outputs
    assert {"last_transport", "mid2_kept_mean", "concept_jsd"} <= outputs.keys()
    assert outputs["image_dist"].dim == CONFIGS[name]["embed_dim"]


# --- trained weights -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, shared: Path) -> dict[str, Path]:
    """A file of trained weights for timm's extractor, and open_clip's with the same tower."""
    file = shared / "weights" / "vit_tiny_patch16_224.fp16.safetensors"
    tower = {f"visual.trunk.{key}": value.float() for key, value in load_file(file).items()}
    state = {key: tower.get(key, value) for key, value in clip_state("seiqa-trained").items()}
    assert sum(key in tower for key in state) == sum("trunk" in key for key in state)
    path = tmp_path_factory.mktemp("trained") / "clip.safetensors"
    save_file({key: value.contiguous() for key, value in state.items()}, path)
    names = (get_extractor(name).spec.weights[0].name for name in (VIT, TRAINED_NAME))
    return dict(zip(names, (file, path), strict=True))


def test_a_tower_of_trained_weights_says_what_it_says_in_timm(trained: dict[str, Path]) -> None:
    ref = pixels_of("coffee")
    dist = np.ascontiguousarray(np.roll(ref, 40, axis=1))
    ours, theirs = (
        extract(name, ref, dist, weights=trained, details=True, view="s224")
        for name in (TRAINED_NAME, VIT)
    )
    shared_names = [
        "patch_mean", "patch_q05", "mid1_mean", "mid2_q05", "last_kept_mean", "last_near_q05",
        "last_transport", "region_share", "mean_token_cosine",
    ]  # fmt: skip
    for name in shared_names:
        mine = ours[f"{TRAINED_NAME}__{name}"]
        assert mine == pytest.approx(theirs[f"{spec_name(VIT)}__{name}"], abs=2e-3), name


def spec_name(name: str) -> str:
    return get_extractor(name).spec.name


def test_with_trained_weights_a_shift_is_less_than_another_content(
    trained: dict[str, Path],
) -> None:
    ref, other = pixels_of("coffee"), pixels_of("chelsea")
    shifted = np.ascontiguousarray(np.roll(ref, 4, axis=1))
    swapped = ref.copy()
    swapped[60:150, 100:210] = other[:90, :110]
    values = extract(
        TRAINED_NAME, [ref, ref], [shifted, swapped], weights=trained, details=True, view="s224"
    )
    for layer in ("mid2", "last"):
        lost = 1 - values[f"{TRAINED_NAME}__{layer}_kept_q05"]
        assert lost[0] < lost[1], layer
        transport = values[f"{TRAINED_NAME}__{layer}_transport"]
        assert transport[0] < transport[1], layer


def test_a_pair_has_the_same_bits_alone_and_in_company(trained: dict[str, Path]) -> None:
    """With the trained tower, on other references and in another order."""
    entry = get_extractor(TRAINED_NAME)
    weight = entry.spec.weights[0].name
    work = entry.build(Resources(weights={weight: trained[weight]}))
    pictures = torch.stack([tensor(pixels_of(name)) for name in ("coffee", "chelsea", "astronaut")])
    with torch.inference_mode():
        whole = work(ref=pictures, dist=pictures.flip(0), ref_index=torch.tensor([0, 1, 2]))
        alone = work(ref=pictures[2:], dist=pictures[:1], ref_index=torch.tensor([0]))
    assert_same_bits({name: value[2:] for name, value in whole.items()}, alone)


def tensor(pixels: np.ndarray) -> torch.Tensor:
    """A corner of it, [3, 224, 224] in 0..1."""
    corner = np.resize(pixels, (288, 288, 3))[:224, :224]
    return torch.from_numpy(corner.transpose(2, 0, 1).copy()).float() / 255


def pixels_of(name: str) -> np.ndarray:
    return np.asarray(photograph(name))
