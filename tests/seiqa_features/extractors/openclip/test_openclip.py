"""OpenCLIP extractors: tiny random networks through the real loading path, against open_clip."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from open_clip import factory, pretrained
from open_clip.transformer import QuickGELU
from PIL import Image
from safetensors.torch import save_file

from seiqa_features.errors import StoreError, UsageError, WeightsError
from seiqa_features.extraction.runtime import Runtime
from seiqa_features.extractors.common.drift import distribution_drift
from seiqa_features.extractors.openclip import embeddings as openclip
from seiqa_features.extractors.openclip.facts import PRESETS, facts_of, hub_file
from seiqa_features.extractors.openclip.prompts import ANCHORS, texts
from seiqa_features.extractors.registry import get_extractor
from seiqa_features.extractors.specs import Extract, Resources
from seiqa_features.pictures.views import View
from seiqa_features.weights.files import WeightFiles
from tests.seiqa_features.extractors.running import assert_same_bits, run
from tests.seiqa_features.random_networks import (
    CLIP_CONFIG,
    CLIP_SIDE,
    CLIP_TEXT,
    CLIP_VISION,
    TINY_CLIP,
    clip_state,
)

SIDE = CLIP_SIDE
WIDE = {**CLIP_CONFIG, "vision_cfg": {**CLIP_VISION, "image_size": 96}}
# As SigLIP: a timm tower, and a tokenizer that would have to be downloaded.
MUTE = {
    "embed_dim": 64,
    "custom_text": True,
    "vision_cfg": {"image_size": 160, "timm_model_name": "test_vit", "timm_pool": "avg"},
    "text_cfg": {**CLIP_TEXT, "hf_tokenizer_name": "nobody/nowhere"},
}
# One tag as OpenAI's, one as different as tags get; the views are their own preprocessing.
TAGS = {
    "openai": pretrained._pcfg(hf_hub="timm/tiny/", quick_gelu=True),
    "squeezed": pretrained._apcfg(hf_hub="somebody/tiny/"),
}
VIEWS = {"openai": "c64", "squeezed": "s64"}
TINY = TINY_CLIP

Texture = Callable[..., np.ndarray]


@pytest.fixture(scope="module", autouse=True)
def weights(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    """Files of random weights by model, registered with open_clip as if they were its own."""
    folder = tmp_path_factory.mktemp("weights")
    configs = {"seiqa-tiny": CLIP_CONFIG, "seiqa-wide": WIDE, "seiqa-mute": MUTE}
    with pytest.MonkeyPatch.context() as patch:
        files = {}
        for name, config in configs.items():
            patch.setitem(factory._MODEL_CONFIGS, name, config)
            files[name] = folder / f"{name}.safetensors"
            patch.setitem(
                pretrained._PRETRAINED,
                name,
                {tag: {**its, "file": str(files[name])} for tag, its in TAGS.items()},
            )
            save_file(clip_state(name), files[name])
        yield files


def build(name: str, path: Path, scratch: Path | None = None) -> Extract:
    entry = get_extractor(name)
    return entry.build(Resources("cpu", {entry.spec.weights[0].name: path}, scratch))


@pytest.fixture(scope="module")
def tiny(weights: dict[str, Path]) -> Extract:
    return build(TINY, weights["seiqa-tiny"])


@pytest.fixture
def picture(texture: Texture) -> Callable[..., torch.Tensor]:
    """`picture(seed, side=64)`, float32 [3, side, side] in 0..1."""

    def make(seed: int, side: int = SIDE) -> torch.Tensor:
        pixels = np.ascontiguousarray(texture(seed, side, side).transpose(2, 0, 1))
        return torch.from_numpy(pixels).float() / 255

    return make


# --- against open_clip -----------------------------------------------------------------------


@pytest.mark.parametrize("tag", TAGS)
@pytest.mark.parametrize("size", [(97, 150), (200, 71)], ids=["wide", "tall"])
def test_values_are_those_of_open_clip_with_its_own_transform(
    tag: str, size: tuple[int, int], weights: dict[str, Path], texture: Texture
) -> None:
    name = f"openclip:seiqa-tiny:{tag}"
    images = [Image.fromarray(texture(seed, *size)) for seed in (1, 2)]
    model, _, transform = open_clip.create_model_and_transforms(
        "seiqa-tiny", tag, force_quick_gelu=TAGS[tag].get("quick_gelu", False)
    )
    tokens = open_clip.get_tokenizer("seiqa-tiny")(texts())
    with torch.inference_mode():
        theirs = model.eval().encode_image(torch.stack([transform(image) for image in images]))
        logits, _ = model.get_logits(torch.stack([transform(image) for image in images]), tokens)

    view, resampling = View.parse(VIEWS[tag]), get_extractor(name).spec.resampling
    ref, dist = (
        torch.from_numpy(view.prepare(image, image.size, resampling)[0]).float() / 255
        for image in images
    )
    ours = run(build(name, weights["seiqa-tiny"]), [ref], [dist], [0])

    torch.testing.assert_close(ours["image_ref"], theirs[:1], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(ours["image_dist"], theirs[1:], atol=1e-5, rtol=1e-5)
    for i, anchor in enumerate(ANCHORS):
        assert ours[f"{anchor}_ref"].item() == pytest.approx(logits[0, i].item() / 20, abs=1e-5)
        assert ours[f"{anchor}_dist"].item() == pytest.approx(logits[1, i].item() / 20, abs=1e-5)
    quality = logits[:, :2].softmax(dim=1)[:, 0]
    assert ours["quality_drift"].item() == pytest.approx((quality[1] - quality[0]).item(), abs=1e-4)
    drift = distribution_drift(
        "concept",
        ref=logits[:1, 2:].double().softmax(dim=1),
        dist=logits[1:, 2:].double().softmax(dim=1),
    )
    for output, value in drift.items():
        torch.testing.assert_close(ours[output], value, atol=1e-3, rtol=0)


@pytest.mark.parametrize(("tag", "count"), [("openai", 6), ("squeezed", 0)])
def test_a_file_gets_the_activation_of_its_tag(
    tag: str, count: int, weights: dict[str, Path]
) -> None:
    """Of 4 + 2 blocks; open_clip takes the activation from the tag's name alone."""
    network = openclip.load(facts_of("seiqa-tiny", tag), weights["seiqa-tiny"])
    assert sum(isinstance(module, QuickGELU) for module in network.modules()) == count
    assert not network.training
    assert not any(parameter.requires_grad for parameter in network.parameters())


def test_preprocessing_comes_from_the_tag_when_a_file_is_loaded(weights: dict[str, Path]) -> None:
    for tag, its in TAGS.items():
        network = openclip.load(facts_of("seiqa-tiny", tag), weights["seiqa-tiny"])
        own = open_clip.get_model_preprocess_cfg(network)
        for key in ("mean", "std", "interpolation", "resize_mode"):
            assert own[key] == its[key]
        assert get_extractor(f"openclip:seiqa-tiny:{tag}").spec.resampling == its["interpolation"]


def test_a_model_whose_tokenizer_is_a_download_knows_no_texts(
    weights: dict[str, Path], picture: Callable[..., torch.Tensor]
) -> None:
    name = "openclip:seiqa-mute:squeezed"
    embeddings = ("image_ref", "image_dist")
    assert get_extractor(name).spec.outputs.keys() == {*embeddings, *openclip.PATCH_OUTPUTS}
    assert get_extractor(name).spec.libraries == ("torch", "open_clip_torch", "timm")
    images = [picture(seed, 160) for seed in (1, 2)]
    values = run(build(name, weights["seiqa-mute"]), images[:1], images[1:], [0])
    model, _, transform = open_clip.create_model_and_transforms("seiqa-mute", "squeezed")
    normalise = transform.transforms[-1]
    with torch.inference_mode():
        theirs = model.eval().encode_image(normalise(torch.stack(images)))
    ours = torch.cat([values[output] for output in embeddings])
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)


# --- the extractor's contract ----------------------------------------------------------------


def test_outputs_are_as_the_spec_says(tiny: Extract, picture: Callable[..., torch.Tensor]) -> None:
    values = run(tiny, [picture(1), picture(2)], [picture(3), picture(4)], [1, 0])
    outputs = get_extractor(TINY).spec.outputs
    assert values.keys() == outputs.keys()
    for name, facts in outputs.items():
        assert values[name].shape == ((2, facts.dim) if facts.dim else (2,)), name
        assert values[name].dtype == (torch.float32 if facts.dim else torch.float64), name
        assert torch.isfinite(values[name]).all(), name


def test_a_picture_with_itself_has_exactly_the_identity_values(
    tiny: Extract, picture: Callable[..., torch.Tensor]
) -> None:
    same = run(tiny, [picture(1)], [picture(1)], [0])
    negative = run(tiny, [picture(1)], [1 - picture(1)], [0])
    fixed = {
        name: facts.identity
        for name, facts in get_extractor(TINY).spec.outputs.items()
        if facts.identity is not None
    }
    assert len(fixed) == 9 + 38
    for name, identity in fixed.items():
        assert bool((same[name] == identity).all()), name
        assert (negative[name] - identity).abs().max() > 1e-3, name
    assert torch.equal(same["image_ref"], same["image_dist"])


def test_values_do_not_depend_on_the_batch(
    tiny: Extract, picture: Callable[..., torch.Tensor]
) -> None:
    refs, dists = [picture(1), picture(2)], [picture(seed) for seed in (3, 4, 5)]
    whole = run(tiny, refs, dists, [0, 1, 0])
    for i, r in enumerate((0, 1, 0)):
        alone = run(tiny, [refs[r]], [dists[i]], [0])
        assert_same_bits(alone, {name: value[i : i + 1] for name, value in whole.items()})
    permuted = run(tiny, refs[::-1], [dists[2], dists[0], dists[1]], [1, 1, 0])
    assert_same_bits(permuted, {name: value[[2, 0, 1]] for name, value in whole.items()})


def test_symmetry_where_promised(tiny: Extract, picture: Callable[..., torch.Tensor]) -> None:
    there = run(tiny, [picture(1)], [picture(2)], [0])
    back = run(tiny, [picture(2)], [picture(1)], [0])
    for name, facts in get_extractor(TINY).spec.outputs.items():
        if facts.role == "value":
            assert torch.equal(there[name], back[name]) == facts.symmetric, name


def test_mixed_precision_stays_near(tiny: Extract, picture: Callable[..., torch.Tensor]) -> None:
    """bfloat16 has 8 bits: embeddings keep their direction, cosines two decimals."""
    exact = run(tiny, [picture(1)], [picture(2)], [0])
    with torch.autocast("cpu", torch.bfloat16):
        mixed = run(tiny, [picture(1)], [picture(2)], [0])
    for name in ("image_ref", "image_dist"):
        assert mixed[name].dtype == torch.float32
        assert not torch.equal(mixed[name], exact[name])
        assert torch.cosine_similarity(mixed[name], exact[name]).item() > 0.999
    for name in ("good_ref", "good_dist", "bad_ref", "bad_dist"):
        assert mixed[name].dtype == torch.float64
        assert mixed[name].item() == pytest.approx(exact[name].item(), abs=0.01)
    assert mixed["concept_jsd"].item() == pytest.approx(exact["concept_jsd"].item(), abs=0.05)


# --- weights that do not fit -----------------------------------------------------------------


def test_a_truncated_file_is_refused(weights: dict[str, Path], tmp_path: Path) -> None:
    whole = weights["seiqa-tiny"].read_bytes()
    path = tmp_path / "cut.safetensors"
    path.write_bytes(whole[: len(whole) // 2])
    weight = get_extractor(TINY).spec.weights[0]
    runtime = Runtime(WeightFiles(tmp_path, {weight.name: path}))
    with pytest.raises(WeightsError, match=r"cut\.safetensors: not usable as weights of") as error:
        runtime.work(TINY)
    assert "\n" not in str(error.value)


def test_a_file_of_another_architecture_is_refused(weights: dict[str, Path]) -> None:
    with pytest.raises(RuntimeError, match=r"Error\(s\) in loading state_dict"):
        build(TINY, weights["seiqa-mute"])


def test_a_file_for_another_picture_size_is_refused(weights: dict[str, Path]) -> None:
    """open_clip would stretch its position embedding without a word."""
    with pytest.raises(ValueError, match=r"positional_embedding .*\(37, 64\), expected \(17, 64\)"):
        build(TINY, weights["seiqa-wide"])


# --- text embeddings -------------------------------------------------------------------------


def test_values_do_not_show_whether_text_embeddings_were_kept(
    weights: dict[str, Path],
    tiny: Extract,
    tmp_path: Path,
    picture: Callable[..., torch.Tensor],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path, scratch = weights["seiqa-tiny"], tmp_path / "scratch"
    cold = build(TINY, path, scratch)
    assert [file.suffix for file in scratch.iterdir()] == [".npy"]
    with monkeypatch.context() as patch:
        patch.delattr(open_clip, "get_tokenizer")  # nothing is left to compute them with
        warm = build(TINY, path, scratch)
    expected = run(tiny, [picture(1)], [picture(2)], [0])
    assert_same_bits(run(cold, [picture(1)], [picture(2)], [0]), expected)
    assert_same_bits(run(warm, [picture(1)], [picture(2)], [0]), expected)


def test_text_embeddings_are_kept_for_one_file_one_tag_and_one_version(
    weights: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch, other = tmp_path / "scratch", tmp_path / "other.safetensors"
    save_file(clip_state("seiqa-tiny", seed=1), other)
    build(TINY, weights["seiqa-tiny"], scratch)
    build(TINY, other, scratch)
    build("openclip:seiqa-tiny:squeezed", other, scratch)
    kept = [np.load(file) for file in scratch.iterdir()]
    assert len(kept) == 3
    assert not any(np.array_equal(kept[i], kept[i - 1]) for i in range(3))
    monkeypatch.setattr(openclip, "version", lambda _: "0")
    build(TINY, other, scratch)
    assert len(list(scratch.iterdir())) == 4


@pytest.mark.parametrize("damage", ["cut", "one bit"])
def test_damaged_text_embeddings_are_computed_again(
    damage: str, weights: dict[str, Path], tmp_path: Path
) -> None:
    build(TINY, weights["seiqa-tiny"], tmp_path)
    (kept,) = tmp_path.iterdir()
    whole = kept.read_bytes()
    flipped = whole[:1000] + bytes([whole[1000] ^ 1]) + whole[1001:]
    kept.write_bytes(whole[:1000] if damage == "cut" else flipped)
    build(TINY, weights["seiqa-tiny"], tmp_path)
    assert kept.read_bytes() == whole


def test_a_folder_that_cannot_be_written_is_one_clear_line(
    weights: dict[str, Path], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot write text embeddings"):
        build(TINY, weights["seiqa-tiny"], tmp_path / "file")


# --- specs -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_what_open_clip_has(name: str) -> None:
    literal = PRESETS[name]
    found = facts_of(literal.model, literal.tag)
    own = {key: getattr(literal, key) for key in ("licence", "cost", "source")}
    assert replace(found, **own) == literal
    assert found.cost == pytest.approx(literal.cost, rel=0.1)


def test_every_tag_of_open_clip_has_a_file_on_the_hub() -> None:
    """Our reading of the registry; that the files exist needs the network."""
    files = {hub_file(model, tag) for model, tag in open_clip.list_pretrained()}
    assert len(files) > 100
    assert all(file.count("/") == 2 and file.endswith((".safetensors", ".bin")) for file in files)
    assert {
        "timm/ViT-B-16-SigLIP/open_clip_model.safetensors",
        "laion/CLIP-ViT-H-14-laion2B-s32B-b79K/open_clip_pytorch_model.bin",
        "jienengchen/ViTamin-S/pytorch_model.bin",
        "timm/ViT-SO400M-16-SigLIP2-512/open_clip_model.safetensors",
        "timm/PE-Core-L-14-336/open_clip_model.safetensors",
    } <= files


@pytest.mark.parametrize(
    ("rest", "dim", "side", "resampling", "reads"),
    [
        ("ViT-H-14:laion2b_s32b_b79k", 1024, 224, "bicubic", True),
        ("RN50:openai", 1024, 224, "bicubic", True),
        ("convnext_base_w:laion2b_s13b_b82k", 640, 256, "bicubic", True),
        ("coca_ViT-B-32:laion2b_s13b_b90k", 512, 224, "bicubic", True),
        ("EVA02-B-16:merged2b_s8b_b131k", 512, 224, "bicubic", True),
        ("MobileCLIP-S1:datacompdr", 512, 256, "bilinear", True),
        ("ViT-B-16-SigLIP-384:webli", 768, 384, "bicubic", False),
    ],
)
def test_any_model_of_open_clip_has_a_spec(
    rest: str, dim: int, side: int, resampling: str, reads: bool
) -> None:
    spec = get_extractor(f"openclip:{rest}").spec
    assert spec.name == f"openclip:{rest}"
    assert spec.outputs["image_dist"].dim == dim
    assert spec.sides == (side,)
    assert spec.resampling == resampling
    assert ("concept_jsd" in spec.outputs) == reads
    assert spec.weights[0].name == f"open_clip/{rest.replace(':', '/')}"
    assert spec.weights[0].megabytes > 200
    assert spec.cost > 0


def test_a_preset_and_its_long_name_share_their_weights() -> None:
    long = get_extractor("openclip:ViT-B-16:openai").spec.weights[0]
    short = get_extractor("clip_b16").spec.weights[0]
    assert (long.name, long.location) == (short.name, short.location)


@pytest.mark.parametrize("rest", ["ViT-L-14:opnai", "ViT-L-14", "VitL14:openai"])
def test_an_unknown_model_is_told_the_nearest(rest: str) -> None:
    with pytest.raises(UsageError, match=r"does not exist; did you mean openclip:ViT-L-14[^ ]*\?$"):
        get_extractor(f"openclip:{rest}")


def test_a_model_that_needs_another_download_is_refused_in_one_line() -> None:
    with pytest.raises(UsageError, match="roberta-base, is a download of its own") as error:
        get_extractor("openclip:roberta-ViT-B-32:laion2b_s12b_b32k")
    assert "\n" not in str(error.value)


def test_naming_a_model_says_nothing_of_random_weights() -> None:
    code = (
        "from seiqa_features.extractors.registry import get_extractor\n"
        "get_extractor('openclip:RN50:openai')"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=120
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_version_goes_with_the_texts() -> None:
    """No other field of a spec shows a change of texts: raise VERSION and mend this digest."""
    digest = hashlib.sha256("\n".join(texts()).encode()).hexdigest()[:16]
    assert (openclip.VERSION, digest) == (1, "dbc300e3aabc93a5")
