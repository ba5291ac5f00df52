"""Vision transformers of timm: facts, loading, values against a plain use of timm, human scores."""

from __future__ import annotations

import csv
import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.stats
import timm
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import load_file, save_file

from seiqa_features.errors import UsageError, WeightsError
from seiqa_features.extraction.runtime import Runtime
from seiqa_features.extraction.work import forward
from seiqa_features.extractors.common.outputs import matching_outputs
from seiqa_features.extractors.registry import get_extractor
from seiqa_features.extractors.specs import Extract, ExtractorSpec, Resources
from seiqa_features.extractors.vit.timm_vit import PRESETS, read_facts
from seiqa_features.pictures.views import View
from seiqa_features.table.recipe import Block, Recipe
from seiqa_features.threads import one_core_threads
from seiqa_features.weights.files import WeightFiles
from tests.seiqa_features.random_networks import TINY_VIT, timm_state

VIT = TINY_VIT  # class token, mean .5
EVA = "timm:vit_tiny_patch16_dinov3_qkvb.eupe_lvd1689m"  # rotary positions, 4 registers
POOLED = "timm:test_vit2.r160_in1k"  # a register but no class token
DINO = "dinov2_s14"
REAL = "timm:vit_tiny_patch16_224.augreg_in21k_ft_in1k"

Values = Mapping[str, NDArray[np.floating]]
Texture = Callable[..., NDArray[np.uint8]]


def spec_of(name: str) -> ExtractorSpec:
    return get_extractor(name).spec


def model_of(name: str) -> str:
    return spec_of(name).weights[0].name.removeprefix("timm/")


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """`weights(extractor)` is a file of random numbers."""

    @cache
    def write(name: str) -> Path:
        path = tmp_path_factory.mktemp("weights") / f"{name.replace(':', '-')}.safetensors"
        save_file(timm_state(model_of(name)), path)
        return path

    return write


@pytest.fixture(scope="session")
def build(weights: Callable[[str], Path]) -> Callable[[str], Extract]:
    @cache
    def built(name: str) -> Extract:
        entry = get_extractor(name)
        return entry.build(Resources(weights={entry.spec.weights[0].name: weights(name)}))

    return built


@pytest.fixture
def picture(texture: Texture) -> Callable[[int], Image.Image]:
    return lambda seed: Image.fromarray(texture(seed, 90, 120))


@pytest.fixture
def blended(picture: Callable[[int], Image.Image]) -> Callable[[int, int], Image.Image]:
    """The picture of the first seed with that of the second shining through."""
    return lambda seed, other: Image.blend(picture(seed), picture(other), 0.3)


def run(
    name: str,
    extract: Extract,
    refs: list[Image.Image],
    dists: list[Image.Image],
    index: list[int],
    view: str,
) -> Values:
    """What the runner does with pairs once their pictures are decoded."""
    block = Block(spec_of(name), View.parse(view))

    def crops(pictures: list[Image.Image]) -> list[NDArray[np.uint8]]:
        return [
            block.view.prepare(picture, refs[0].size, block.spec.resampling) for picture in pictures
        ]

    return forward(block, extract, ref=crops(refs), dist=crops(dists), ref_index=index)


# --- facts -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PRESETS)
def test_facts_are_those_of_timm(name: str) -> None:
    facts, spec = PRESETS[name], spec_of(name)
    assert facts.model in timm.list_pretrained()
    assert replace(read_facts(facts.model), source=facts.source) == facts
    assert spec.weights[0].location == f"hf:{facts.hub}/model.safetensors"
    assert timm.models.get_pretrained_cfg(facts.model).hf_hub_filename is None
    assert spec.weights == spec_of(f"timm:{facts.model}").weights


def test_a_model_by_name_gets_its_default_tag() -> None:
    spec = spec_of("timm:vit_tiny_patch16_224")
    assert spec.name == REAL
    assert spec.weights[0].name == "timm/vit_tiny_patch16_224.augreg_in21k_ft_in1k"
    assert spec.outputs["cls_ref"].dim == 192
    assert (spec.side_multiple, spec.sides, spec.resampling) == (16, (), "bicubic")


def test_interpolation_hub_and_size_come_from_the_weights_own_configuration() -> None:
    assert spec_of("timm:vit_base_patch16_224_miil.in21k").resampling == "bilinear"
    location = spec_of("timm:vit_base_patch16_clip_quickgelu_224.openai").weights[0].location
    assert location == "hf:timm/vit_base_patch16_clip_224.openai/model.safetensors"
    assert spec_of("timm:cait_xxs24_224.fb_dist_in1k").sides == (224,)
    assert spec_of("timm:vit_so400m_patch14_siglip_384.webli").side_multiple == 14


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("vit_tiny_patch16_225", "no pretrained model .* did you mean timm:vit_tiny_patch16_224?"),
        ("vit_tiny_patch16_224.nope", "did you mean timm:vit_tiny_patch16_224"),
        ("test_vit4", "timm has no pretrained model 'test_vit4'; did you mean timm:test_vit"),
        ("mixer_b16_224", "cannot be used: it is no vision transformer with a square map"),
        ("resmlp_12_224", "and no convolutional network with stages"),
    ],
)
def test_a_model_that_cannot_be_had_is_a_usage_error(name: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        get_extractor(f"timm:{name}")
    assert "\n" not in str(caught.value)


def test_views_are_multiples_of_the_patch() -> None:
    Recipe.parse({EVA: ["s224", "s336", "grid224x4"], DINO: ["s224", "s336", "s518", "c224"]})
    with pytest.raises(UsageError, match="such as s512"):
        Recipe.parse({EVA: ["s518"]})
    with pytest.raises(UsageError, match="it needs a square"):
        Recipe.parse({DINO: ["max518"]})


# --- values ----------------------------------------------------------------------------------


def plain_tokens(name: str, file: Path, side: int, **overrides: Any) -> Callable[..., Any]:
    """Picture → tokens of four layers [N, d] and attention [N], as timm's own user gets them.

    The position embedding is resized when the weights are loaded, attention runs unfused, and the
    picture goes through timm's own transform, all of it squeezed to a square.
    """
    network = timm.create_model(
        model_of(name), pretrained=True, pretrained_cfg_overlay={"file": str(file)}, img_size=side
    ).eval()
    settings = {"crop_pct": 1.0, "crop_mode": "squash", "input_size": (3, side, side)}
    config = {**timm.data.resolve_model_data_config(network), **settings, **overrides}
    transform = timm.data.create_transform(**config)
    depth, seen = len(network.blocks), {}

    def keep(key: str, value: torch.Tensor) -> None:
        seen[key] = value[0].double().numpy()

    for i in (1, 2, 3):
        network.blocks[depth * i // 4 - 1].register_forward_hook(
            lambda _, __, tokens, i=i: keep(f"mid{i}", network.norm(tokens))
        )
    last = network.blocks[-1].attn
    last.fused_attn = False
    last.attn_drop.register_forward_hook(
        lambda _, __, weights: keep("attention", weights.mean(dim=1)[:, 0])
    )

    @torch.inference_mode()
    def describe(image: Image.Image) -> dict[str, NDArray[np.float64]]:
        tokens = network.forward_features(transform(image)[None])
        keep("last", tokens)
        keep("head", network.forward_head(tokens, pre_logits=True))
        return {"prefix": network.num_prefix_tokens, **seen}

    return describe


def angle(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    return float(a @ b / np.sqrt((a @ a) * (b @ b)))


def plain_values(name: str, ref: Any, dist: Any) -> dict[str, NDArray[np.float64]]:
    """The outputs by their definitions, patch after patch."""
    prefix, has_class_token = ref["prefix"], "attention_cosine" in spec_of(name).outputs
    maps = {
        layer: np.array(
            [angle(a, b) for a, b in zip(ref[layer][prefix:], dist[layer][prefix:], strict=True)]
        )
        for layer in ("last", "mid1", "mid2", "mid3")
    }
    field = maps["last"]
    cls = [picture["last"][0] if has_class_token else picture["head"] for picture in (ref, dist)]
    means = [picture["last"][prefix:].mean(axis=0) for picture in (ref, dist)]
    values: dict[str, Any] = {
        "cls_ref": cls[0],
        "cls_dist": cls[1],
        "mean_token_cosine": angle(*means),
        "patch_mean": field.mean(),
        "patch_std": field.std(),
        "patch_min": field.min(),
        "patch_skewness": scipy.stats.skew(field),
        "patch_kurtosis": scipy.stats.kurtosis(field, fisher=False),
        "patch_gap": angle(*cls) - field.mean(),
        **{f"patch_q{q:02d}": np.percentile(field, q) for q in (1, 5, 10, 25)},
        **{f"mid{i}_mean": maps[f"mid{i}"].mean() for i in (1, 2, 3)},
        **{f"mid{i}_std": maps[f"mid{i}"].std() for i in (1, 2, 3)},
        **{f"mid{i}_q05": np.percentile(maps[f"mid{i}"], 5) for i in (1, 2, 3)},
    }
    if has_class_token:
        r, d = (p["attention"][prefix:] / p["attention"][prefix:].sum() for p in (ref, dist))
        values["attention_cosine"] = field @ (r + d) / 2
        values["ref_attention_cosine"] = field @ r
        values["attention_shift"] = abs(r - d).sum() / 2
    return {key: np.asarray(value) for key, value in values.items()}


def largest_error(ours: Values, plain: Values) -> float:
    """Of any output, embeddings measured against their largest entry."""
    return max(
        float(np.abs(ours[key][0] - value).max() / max(1.0, np.abs(value).max()))
        for key, value in plain.items()
    )


@pytest.mark.parametrize(
    ("name", "side"), [(VIT, 160), (VIT, 224), (EVA, 112), (POOLED, 96), (DINO, 112)]
)
def test_values_are_those_of_a_plain_use_of_timm(
    name: str,
    side: int,
    build: Callable[[str], Extract],
    weights: Callable[[str], Path],
    picture: Callable[[int], Image.Image],
    blended: Callable[[int, int], Image.Image],
) -> None:
    ref, dist = picture(1), blended(1, 2)
    ours = run(name, build(name), [ref], [dist], [0], f"s{side}")
    describe = plain_tokens(name, weights(name), side)
    plain = plain_values(name, describe(ref), describe(dist))
    others = {"grid", "region_cosine", "region_share", "region_deficit"}  # see test_tokens.py
    others |= matching_outputs("last_").keys()  # see common/test_matching.py
    assert ours.keys() - others == plain.keys()
    assert largest_error(ours, plain) < 1e-4


WRONG = {
    "mean of another model": {"mean": (0.485, 0.456, 0.406)},
    "standard deviation of another model": {"std": (0.229, 0.224, 0.225)},
    "interpolation of another model": {"interpolation": "bilinear"},
    "crop": {"crop_pct": 0.9, "crop_mode": "center"},
}


@pytest.fixture(scope="session")
def real(shared: Path) -> tuple[Extract, Path]:
    """ViT-tiny with its trained weights, and their file."""
    file = shared / "weights" / "vit_tiny_patch16_224.fp16.safetensors"
    entry = get_extractor(REAL)
    return entry.build(Resources(weights={entry.spec.weights[0].name: file})), file


def test_trained_weights_give_timm_values_and_any_wrong_preprocessing_shows(
    real: tuple[Extract, Path], shared: Path
) -> None:
    extract, file = real
    ref = Image.open(shared / "data/tid2013_kodak/reference/I02.png").convert("RGB")
    dist = ref.resize((256, 192)).resize(ref.size)
    ours = run(REAL, extract, [ref], [dist], [0], "s224")

    def error(**overrides: Any) -> float:
        describe = plain_tokens(REAL, file, 224, **overrides)
        return largest_error(ours, plain_values(REAL, describe(ref), describe(dist)))

    assert error() < 1e-4
    for what, overrides in WRONG.items():
        assert error(**overrides) > 1e-2, what


def test_a_picture_with_itself_has_the_identity_value(
    build: Callable[[str], Extract],
    picture: Callable[[int], Image.Image],
    blended: Callable[[int, int], Image.Image],
) -> None:
    for name in (VIT, EVA, POOLED):
        dists = [picture(1), blended(1, 2)]
        values = run(name, build(name), [picture(1)], dists, [0, 0], "s112")
        for output, facts in spec_of(name).outputs.items():
            if facts.identity is not None:
                same, other = np.abs(values[output] - facts.identity).reshape(2, -1).max(axis=1)
                assert same < 1e-6, output
                assert other > 1e-3, output


@pytest.mark.parametrize("name", [VIT, EVA])
def test_values_do_not_depend_on_the_batch_nor_on_other_threads(
    name: str,
    build: Callable[[str], Extract],
    picture: Callable[[int], Image.Image],
    blended: Callable[[int, int], Image.Image],
) -> None:
    refs = [picture(1), picture(2)]
    pairs = [(0, blended(1, 7)), (1, blended(2, 8)), (0, blended(1, 9))]
    index, dists = [r for r, _ in pairs], [dist for _, dist in pairs]
    together = run(name, build(name), refs, dists, index, "s96")
    turned = run(name, build(name), refs[::-1], dists[::-1], [1 - r for r in index[::-1]], "s96")
    with one_core_threads(3) as pool:
        alone = pool.map(lambda p: run(name, build(name), [refs[p[0]]], [p[1]], [0], "s96"), pairs)
    for i, values in enumerate(alone):
        for output, value in values.items():
            assert np.array_equal(value, together[output][i : i + 1]), output
            assert np.array_equal(value[0], turned[output][2 - i]), output


def test_one_network_serves_every_side(
    build: Callable[[str], Extract],
    picture: Callable[[int], Image.Image],
    blended: Callable[[int, int], Image.Image],
) -> None:
    for name, views in {VIT: ("s224", "s336", "s512"), DINO: ("s224", "s518")}.items():
        found = [run(name, build(name), [picture(1)], [blended(1, 2)], [0], view) for view in views]
        for values in found:
            assert {output: value.shape for output, value in values.items()} == {
                output: (1, facts.dim) if facts.dim else (1,)
                for output, facts in spec_of(name).outputs.items()
            }
            assert all(np.isfinite(value).all() for value in values.values())
        assert len({values["patch_mean"].item() for values in found}) == len(views)


def test_half_precision_stays_near_float32(real: tuple[Extract, Path], shared: Path) -> None:
    """Trained weights in bfloat16 (8 bits): averages within .005, single patches within .03."""
    ref = Image.open(shared / "data/tid2013_kodak/reference/I04.png").convert("RGB")
    dists = [ref, ref.resize((256, 192)).resize(ref.size), Image.blend(ref, ref.rotate(180), 0.3)]
    exact = run(REAL, real[0], [ref], dists, [0] * 3, "s224")
    with torch.autocast("cpu", torch.bfloat16):
        rough = run(REAL, real[0], [ref], dists, [0] * 3, "s224")
    for output, facts in spec_of(REAL).outputs.items():
        assert rough[output].dtype == exact[output].dtype
        if facts.role == "value" and output not in ("patch_skewness", "patch_kurtosis"):
            average = output.endswith(("mean", "std", "_cosine", "shift"))
            limit = 0.005 if average and "region" not in output else 0.03
            assert np.abs(rough[output] - exact[output]).max() < limit, output
            assert np.abs(rough[output][0] - (facts.identity or 0.0)).max() < 1e-5, output


# --- loading ---------------------------------------------------------------------------------


def assert_refused(name: str, file: Path) -> None:
    runtime = Runtime(
        WeightFiles(file.parent / "weight_files", {spec_of(name).weights[0].name: file})
    )
    with pytest.raises(WeightsError, match=f"not usable as weights of {name}") as caught:
        runtime.work(name)
    assert "\n" not in str(caught.value)


def test_a_truncated_file_is_refused(weights: Callable[[str], Path], tmp_path: Path) -> None:
    path = tmp_path / "half.safetensors"
    content = weights(VIT).read_bytes()
    path.write_bytes(content[: len(content) // 2])
    assert_refused(VIT, path)


def test_weights_of_another_architecture_are_refused(weights: Callable[[str], Path]) -> None:
    assert_refused(VIT, weights(EVA))
    assert_refused(EVA, weights(VIT))
    assert_refused(VIT, weights(POOLED))
    assert_refused(DINO, weights(VIT))


@pytest.mark.parametrize("name", [VIT, EVA])
@pytest.mark.parametrize("change", ["missing", "unknown", "shape"])
def test_a_tensor_that_does_not_fit_is_refused(
    name: str, change: str, weights: Callable[[str], Path], tmp_path: Path
) -> None:
    state = load_file(weights(name))
    if change == "missing":
        del state["blocks.2.mlp.fc2.bias"]
    elif change == "unknown":
        state["blocks.99.norm1.weight"] = torch.ones(3)
    else:
        state["blocks.2.mlp.fc2.bias"] = torch.ones(3)
    save_file(state, tmp_path / "changed.safetensors")
    assert_refused(name, tmp_path / "changed.safetensors")


@pytest.mark.parametrize("form", ["without classifier", "PyTorch checkpoint"])
def test_the_same_numbers_in_another_file_give_the_same_values(
    form: str,
    build: Callable[[str], Extract],
    weights: Callable[[str], Path],
    picture: Callable[[int], Image.Image],
    blended: Callable[[int, int], Image.Image],
    tmp_path: Path,
) -> None:
    path, state = tmp_path / "mine", load_file(weights(VIT))
    if form == "without classifier":
        path = path.with_suffix(".safetensors")
        save_file({key: value for key, value in state.items() if "head" not in key}, path)
    else:
        path = path.with_suffix(".pth")
        torch.save({"state_dict": state}, path)
    entry = get_extractor(VIT)
    mine = entry.build(Resources(weights={entry.spec.weights[0].name: path}))
    pair = ([picture(1)], [blended(1, 2)], [0], "s96")
    ours, theirs = run(VIT, mine, *pair), run(VIT, build(VIT), *pair)
    assert all(np.array_equal(ours[output], theirs[output]) for output in ours)


def test_without_fused_attention_it_says_so(
    weights: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("timm.layers.config._USE_FUSED_ATTN", 0)
    entry = get_extractor(VIT)
    with pytest.raises(UsageError, match="unset TIMM_FUSED_ATTN"):
        entry.build(Resources(weights={entry.spec.weights[0].name: weights(VIT)}))


# --- human scores ----------------------------------------------------------------------------


def test_patch_cosine_of_trained_weights_agrees_with_human_scores(
    real: tuple[Extract, Path], shared: Path
) -> None:
    """Every sixth rendered TID2013 pair, 10 scenes."""
    tid = shared / "data" / "tid2013_kodak"
    spec = importlib.util.spec_from_file_location("render", tid / "render.py")
    assert spec is not None
    assert spec.loader is not None
    renderer = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(renderer)
    recipes = list(csv.DictReader((tid / "recipe.csv").read_text().splitlines()))[::6]
    found: dict[str, list[float]] = {"patch_mean": [], "attention_cosine": []}
    for scene, group in groupby(recipes, key=itemgetter("ref_img")):
        ref = Image.open(tid / "reference" / scene).convert("RGB")
        dists = [
            Image.fromarray(renderer.render(np.asarray(ref), int(kind), float(param)))
            for kind, param in map(itemgetter("distortion", "param"), group)
        ]
        values = run(REAL, real[0], [ref], dists, [0] * len(dists), "s224")
        for output, column in found.items():
            column.extend(values[output])
    mos = [float(recipe["MOS"]) for recipe in recipes]
    srocc = {output: scipy.stats.spearmanr(column, mos)[0] for output, column in found.items()}
    assert len(mos) == 48
    assert srocc["patch_mean"] >= 0.75
    assert srocc["attention_cosine"] >= 0.75
