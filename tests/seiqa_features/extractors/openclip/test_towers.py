"""Convolutional image towers of open_clip, and CoCa's: against plain use of the library."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import open_clip
import pytest
import timm
import torch
from open_clip import factory
from safetensors.torch import save_file
from torch.nn import functional as F

from seiqa_features import extract
from seiqa_features.extractors.convnet import lite0
from seiqa_features.extractors.convnet.timm_convnet import LITE0
from seiqa_features.extractors.openclip import patches, stages
from seiqa_features.extractors.openclip.facts import facts_of, hub_file
from seiqa_features.extractors.registry import get_extractor
from seiqa_features.extractors.specs import Extract
from seiqa_features.weights.files import WeightFiles
from tests.seiqa_features.extractors.running import assert_same_bits, run
from tests.seiqa_features.photographs import photograph
from tests.seiqa_features.random_networks import (
    TOWERS,
    register_clip,
    resources_for,
    tower_state,
)

RESNET_STAGES = ("stage1", "stage2", "stage3", "stage4", "stage5")
STAGES = {
    "seiqa-resnet": RESNET_STAGES,
    "seiqa-convnext": RESNET_STAGES[:4],
    "seiqa-efficientnet": (*RESNET_STAGES, "head"),
    "seiqa-coca": (),
}
MATCHED = {
    "seiqa-resnet": ("stage4", "stage5"),
    "seiqa-convnext": ("stage3", "stage4"),
    "seiqa-efficientnet": ("stage5", "head"),
    "seiqa-coca": ("mid2", "last"),
}

# The tower that trained weights are at hand for.
TRAINED = {
    **TOWERS["seiqa-efficientnet"],
    "vision_cfg": {
        "image_size": 224, "timm_model_name": "tf_efficientnet_lite0", "timm_pool": "avg",
    },
}  # fmt: skip
LITE0_TOWER = "openclip:seiqa-lite0:tag"

Build = Callable[[str], Extract]


@pytest.fixture(scope="module", autouse=True)
def _models() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        register_clip(patch, {**TOWERS, "seiqa-lite0": TRAINED})
        yield


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """The extractor of a tower by the model's name, with random weights from a file."""
    folder = tmp_path_factory.mktemp("weights")
    works: dict[str, Extract] = {}

    def build(model: str) -> Extract:
        if model not in works:
            name = f"openclip:{model}:tag"
            works[model] = get_extractor(name).build(resources_for(name, Path(folder)))
        return works[model]

    return build


def network_of(model: str) -> torch.nn.Module:
    network: torch.nn.Module = open_clip.create_model(model).eval()
    network.load_state_dict(tower_state(model))
    return network


def side_of(model: str) -> int:
    side: int = TOWERS[model]["vision_cfg"]["image_size"]
    return side


def noise(model: str) -> torch.Tensor:
    shape = 1, 3, side_of(model), side_of(model)
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def pixels(name: str, model: str, *, moved: int = 0) -> torch.Tensor:
    """The middle of a photograph, or what lies as many pixels to its left: [3, side, side]."""
    whole, side = np.asarray(photograph(name)), side_of(model)
    y, x = (whole.shape[0] - side) // 2, (whole.shape[1] - side) // 2 - moved
    corner = np.ascontiguousarray(whole[y : y + side, x : x + side].transpose(2, 0, 1))
    return torch.from_numpy(corner).float() / 255


# --- against open_clip -----------------------------------------------------------------------


@pytest.mark.parametrize("model", TOWERS)
def test_one_pass_gives_the_embedding_of_encode_image_to_the_bit(model: str) -> None:
    network, images = network_of(model), noise(model)
    reader = stages.reader if STAGES[model] else patches.reader
    with torch.inference_mode():
        assert torch.equal(reader(network)(images)["image"], network.encode_image(images))


@pytest.mark.parametrize("model", TOWERS)
def test_the_extractor_returns_that_embedding(model: str, built: Build) -> None:
    ref, dist = pixels("coffee", model), pixels("chelsea", model)
    found = run(built(model), [ref], [dist], [0])
    network = network_of(model)
    with torch.inference_mode():
        for name, picture in (("image_ref", ref), ("image_dist", dist)):
            expected = network.encode_image((picture[None] - 0.5) / 0.5)
            assert torch.equal(found[name], expected), name


@pytest.mark.parametrize(
    ("model", "modules"),
    [
        ("seiqa-resnet", ["avgpool", "layer1", "layer2", "layer3", "layer4"]),
        ("seiqa-convnext", [f"trunk.stages.{number}" for number in range(4)]),
        ("seiqa-efficientnet", [f"trunk.blocks.{number}" for number in range(5)] + ["trunk.bn2"]),
    ],
)
def test_maps_are_what_leaves_each_stage(model: str, modules: list[str]) -> None:
    network, outputs = network_of(model), []
    for module in modules:
        network.visual.get_submodule(module).register_forward_hook(
            lambda _, __, output: outputs.append(output.clone())
        )
    with torch.inference_mode():
        found = stages.reader(network)(noise(model))
    assert tuple(found) == (*STAGES[model], "image")
    for name, expected in zip(STAGES[model], outputs, strict=True):
        assert torch.equal(found[name], expected), name


def test_cocas_tokens_are_those_that_its_pooler_sees() -> None:
    network, images = network_of("seiqa-coca"), noise("seiqa-coca")
    layers: list[torch.Tensor] = []
    for block in network.visual.transformer.resblocks:
        block.register_forward_hook(lambda _, __, output: layers.append(output))
    seen: list[torch.Tensor] = []
    network.visual.attn_pool.ln_k.register_forward_hook(lambda _, __, output: seen.append(output))
    with torch.inference_mode():
        network.encode_image(images)
        found = patches.reader(network)(images)
        tokens = [network.visual.attn_pool.ln_k(layer)[:, 1:] for layer in layers[:4]]
    torch.testing.assert_close(found["last"], F.normalize(seen[0][:, 1:], dim=-1))
    for name, expected in zip(("mid1", "mid2", "mid3", "last"), tokens, strict=True):
        torch.testing.assert_close(found[name], F.normalize(expected, dim=-1))
        assert found[name].shape == (1, 16, 64)


# --- the extractor's values ------------------------------------------------------------------


@pytest.mark.parametrize("model", TOWERS)
def test_a_picture_with_itself_has_exactly_the_identity_values(model: str, built: Build) -> None:
    picture = pixels("coffee", model)
    same = run(built(model), [picture], [picture], [0])
    for name, facts in get_extractor(f"openclip:{model}:tag").spec.outputs.items():
        if facts.identity is not None:
            assert bool((same[name] == facts.identity).all()), name


@pytest.mark.parametrize("model", TOWERS)
def test_a_shift_by_two_pixels_costs_less_than_another_picture(model: str, built: Build) -> None:
    ref = pixels("coffee", model)
    dists = [pixels("coffee", model, moved=2), pixels("chelsea", model)]
    found = run(built(model), [ref], dists, [0, 0])
    for name in MATCHED[model]:
        for output in ("kept_mean", "kept_q05", "found_mean", "found_q05", "near_mean"):
            shifted, other = found[f"{name}_{output}"].tolist()
            assert other < shifted < 1, f"{name}_{output}"
        shifted, other = found[f"{name}_transport"].tolist()
        assert 0 < shifted < other, name


@pytest.mark.parametrize("model", TOWERS)
def test_values_do_not_depend_on_the_batch(model: str, built: Build) -> None:
    refs = [pixels("coffee", model), pixels("chelsea", model)]
    dists = [pixels("astronaut", model), refs[0], pixels("chelsea", model, moved=2)]
    whole = run(built(model), refs, dists, [0, 1, 1])
    assert whole.keys() == get_extractor(f"openclip:{model}:tag").spec.outputs.keys()
    for i, r in enumerate((0, 1, 1)):
        assert_same_bits(run(built(model), [refs[r]], [dists[i]], [0]), rows(whole, [i]))
    permuted = run(built(model), refs[::-1], [dists[2], dists[0], dists[1]], [0, 1, 0])
    assert_same_bits(permuted, rows(whole, [2, 0, 1]))


def rows(values: Mapping[str, torch.Tensor], index: list[int]) -> dict[str, torch.Tensor]:
    return {name: value[index] for name, value in values.items()}


@pytest.mark.parametrize("model", TOWERS)
def test_matching_has_a_gradient(model: str, built: Build) -> None:
    ref, dist = pixels("coffee", model)[None], pixels("chelsea", model)[None].requires_grad_()
    found = built(model)(ref=ref, dist=dist, ref_index=torch.tensor([0]))
    for name in MATCHED[model]:
        for output in ("kept_mean", "transport"):
            value = found[f"{name}_{output}"]
            [slope] = torch.autograd.grad(value.sum(), dist, retain_graph=True)
            assert slope.isfinite().all(), name
            assert slope.abs().max() > 0, name


# --- trained weights -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A file of an open_clip network whose tower has the weights of lite0."""
    folder = tmp_path_factory.mktemp("trained")
    numbers = lite0.load(WeightFiles(folder).verified(LITE0)).state_dict().values()
    names = timm.create_model("tf_efficientnet_lite0").state_dict()
    tower = {f"visual.trunk.{key}": value for key, value in zip(names, numbers, strict=True)}
    state = {key: tower.get(key, value) for key, value in tower_state("seiqa-lite0").items()}
    assert sum(key in tower for key in state) == sum("trunk" in key for key in state) > 200
    save_file(state, folder / "clip.safetensors")
    return {get_extractor(LITE0_TOWER).spec.weights[0].name: folder / "clip.safetensors"}


def test_a_tower_of_trained_weights_says_what_it_says_by_itself(trained: dict[str, Path]) -> None:
    ref = np.asarray(photograph("coffee"))
    dist = np.ascontiguousarray(np.roll(ref, 40, axis=1))
    ours = extract(LITE0_TOWER, ref, dist, weights=trained, details=True, view="s224")
    theirs = extract("lite0", ref, dist, details=True, view="s224")
    maps = [name for name in get_extractor("lite0").spec.outputs if name.startswith(("st", "head"))]
    assert len(maps) == 6 * 4 + 2 * 7
    for name in maps:
        assert ours[f"{LITE0_TOWER}__{name}"] == theirs[f"lite0__{name}"], name


def test_with_trained_weights_a_shift_costs_less_than_another_content(
    trained: dict[str, Path],
) -> None:
    ref, other = (np.asarray(photograph(name)) for name in ("coffee", "chelsea"))
    swapped = ref.copy()
    swapped[60:150, 100:210] = other[:90, :110]
    shifted = np.ascontiguousarray(np.roll(ref, 2, axis=1))
    values = extract(
        LITE0_TOWER, [ref, ref], [shifted, swapped], weights=trained, details=True, view="s224"
    )
    for layer in ("stage5", "head"):
        lost = 1 - values[f"{LITE0_TOWER}__{layer}_kept_q05"]
        assert lost[0] < lost[1] / 2, layer
        transport = values[f"{LITE0_TOWER}__{layer}_transport"]
        assert transport[0] < transport[1] / 2, layer


# --- specs -----------------------------------------------------------------------------------


@pytest.mark.parametrize("model", TOWERS)
def test_a_spec_names_the_maps(model: str) -> None:
    facts = facts_of(model, "tag")
    assert facts.stages == STAGES[model]
    outputs = get_extractor(f"openclip:{model}:tag").spec.outputs
    matched = [name.removesuffix("_transport") for name in outputs if name.endswith("_transport")]
    assert sorted(matched) == sorted(MATCHED[model])
    for name in facts.stages:
        assert {f"{name}_{kind}" for kind in ("mean", "q05", "pooled", "distance")} <= set(outputs)
    assert ("patch_mean" in outputs) == (not facts.stages)
    assert outputs["image_dist"].dim == TOWERS[model]["embed_dim"]


@pytest.mark.parametrize(
    ("model", "tag", "file", "names"),
    [
        ("RN50", "openai", "timm/resnet50_clip.openai", RESNET_STAGES),
        ("convnext_base_w", "laion2b_s13b_b82k", "laion/CLIP-convnext_base_w-laion2B-s13B-b82K",
         RESNET_STAGES[:4]),
        ("MobileCLIP-S1", "datacompdr", "apple/MobileCLIP-S1-OpenCLIP",
         (*RESNET_STAGES[:4], "head")),
        ("coca_ViT-B-32", "laion2b_s13b_b90k", "laion/CoCa-ViT-B-32-laion2B-s13B-b90k", ()),
        ("coca_ViT-L-14", "laion2b_s13b_b90k", "laion/CoCa-ViT-L-14-laion2B-s13B-b90k", ()),
    ],
)  # fmt: skip
def test_hub_models_have_maps(model: str, tag: str, file: str, names: tuple[str, ...]) -> None:
    """By open_clip's registry and architectures; nothing is downloaded."""
    assert (model, tag) in open_clip.list_pretrained()
    assert model in factory._MODEL_CONFIGS
    assert hub_file(model, tag).startswith(f"{file}/")
    assert facts_of(model, tag).stages == names
    spec = get_extractor(f"openclip:{model}:{tag}").spec
    assert spec.weights[0].location == f"hf:{hub_file(model, tag)}"
    assert sum(name.endswith("_kept_mean") for name in spec.outputs) == 2
    assert spec.version == 1
