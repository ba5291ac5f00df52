"""The contract that every registered extractor keeps, walked over the whole registry."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import torch

from seiqa_features.errors import UsageError
from seiqa_features.extractors import registry
from seiqa_features.extractors.registry import (
    all_extractors,
    extractor,
    get_extractor,
    list_extractors,
)
from seiqa_features.extractors.specs import Extract, ExtractorSpec, Output
from seiqa_features.table.pairing import paired_outputs
from tests.seiqa_features.extractors import running
from tests.seiqa_features.extractors.running import Values, assert_same_bits
from tests.seiqa_features.random_networks import (
    CONTENT,
    TINY_CLIP,
    TINY_TOWERS,
    TINY_VIT,
    TOWERS,
    register_clip,
    register_tiny_clip,
    resources_for,
)

# Of transformers a tiny one of each family stands for the presets, which differ from it by a line
# of facts. MAD's cost grows steeply with the picture; it has its own test on small ones below.
TRANSFORMERS = ("timm/", "open_clip/", "Qwen/")
CONVOLUTIONAL = {
    name
    for name, entry in all_extractors().items()
    if not any(weight.name.startswith(TRANSFORMERS) for weight in entry.spec.weights)
}
NAMES = [*sorted(CONVOLUTIONAL - {"mad"} - CONTENT), TINY_VIT, TINY_CLIP, *TINY_TOWERS]
HEIGHT, WIDTH = 177, 193  # odd, and over every min_side
NETWORK_SHAPE = 93, 101  # of pyiqa's, which take a while: odd, and four of PieAPP's patches

Texture = Callable[..., np.ndarray]


@pytest.fixture(scope="module", autouse=True)
def _tiny_clip() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        register_tiny_clip(patch)
        register_clip(patch, TOWERS)
        yield


@cache
def built(name: str) -> Extract:
    """With random numbers for what needs weights, read by the real loading code."""
    with TemporaryDirectory() as folder:
        return get_extractor(name).build(resources_for(name, Path(folder)))


def spec_of(name: str) -> ExtractorSpec:
    return get_extractor(name).spec


def shape_of(name: str, height: int = HEIGHT, width: int = WIDTH) -> tuple[int, int]:
    """Height and width that the extractor takes: squares for transformers."""
    spec = spec_of(name)
    if spec.sides:
        return spec.sides[0], spec.sides[0]
    if spec.side_multiple > 1:
        return 10 * spec.side_multiple, 10 * spec.side_multiple
    if "pyiqa" in spec.libraries and (height, width) == (HEIGHT, WIDTH):
        return NETWORK_SHAPE
    return height, width


def run(name: str, refs: list[torch.Tensor], dists: list[torch.Tensor], index: list[int]) -> Values:
    height, width = shape_of(name, *refs[0].shape[1:])

    def cut(pictures: list[torch.Tensor]) -> list[torch.Tensor]:
        return [picture[:, :height, :width] for picture in pictures]

    return running.run(built(name), cut(refs), cut(dists), index)


def pair(name: str, ref: torch.Tensor, dist: torch.Tensor) -> Values:
    return run(name, [ref], [dist], [0])


@pytest.fixture
def picture(texture: Texture) -> Callable[..., torch.Tensor]:
    def make(seed: int, height: int = HEIGHT, width: int = WIDTH) -> torch.Tensor:
        pixels = texture(seed, height, width).transpose(2, 0, 1)
        return torch.from_numpy(np.ascontiguousarray(pixels, np.float32) / np.float32(255))

    return make


@pytest.fixture
def degraded(picture: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
    """The picture of the seed with another one shining through, on 8-bit levels."""

    def make(seed: int, other: int, height: int = HEIGHT, width: int = WIDTH) -> torch.Tensor:
        mixed = 0.75 * picture(seed, height, width) + 0.25 * picture(other, height, width)
        return (255 * mixed).round() / 255

    return make


# --- specs -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*all_extractors(), TINY_VIT, TINY_CLIP, *TINY_TOWERS])
def test_spec_is_filled_in(name: str) -> None:
    spec = spec_of(name)
    assert spec.name == name == name.lower()
    assert ":" in name or name.replace("_", "").isalnum()
    assert "__" not in name
    assert spec.version >= 1
    assert spec.outputs
    assert not any("__" in output for output in spec.outputs)
    for text in (spec.colour, spec.licence, spec.source):
        assert text.strip() == text != ""
    assert spec.libraries
    assert spec.cost > 0 or ":" in name
    assert 16 <= spec.min_side <= min(HEIGHT, WIDTH)


@pytest.mark.parametrize("name", [*all_extractors(), TINY_VIT, TINY_CLIP, *TINY_TOWERS])
def test_embedding_outputs_come_in_pairs(name: str) -> None:
    roles = {output: facts.role for output, facts in spec_of(name).outputs.items()}
    for role, other in (("ref", "dist"), ("dist", "ref")):
        for output in (output for output, its in roles.items() if its == role):
            stem = output.removesuffix(f"_{role}")
            assert stem != output
            assert roles[f"{stem}_{other}"] == other
            assert spec_of(name).outputs[output].dim == spec_of(name).outputs[f"{stem}_{other}"].dim


@pytest.mark.parametrize("name", [*all_extractors(), TINY_VIT, TINY_CLIP, *TINY_TOWERS])
def test_no_output_has_the_name_of_a_column_that_embeddings_are_paired_to(name: str) -> None:
    outputs = spec_of(name).outputs
    values = {output for output, facts in outputs.items() if facts.role == "value"}
    paired = paired_outputs({key: outputs[key] for key in outputs.keys() - values})
    assert not values & paired.keys()


def test_there_are_the_families_we_promise() -> None:
    assert {
        "psnr", "ssim", "gms", "cw_ssim", "vif", "vif_p", "fsim", "vsi", "nlpd", "haarpsi",
        "mdsi", "srsim", "dss", "iw_ssim", "mad", "colour", "fourier", "clip_l14", "clip_b16",
        "clip_l14_336", "dinov2_s14", "dinov2_b14", "dinov2_l14", "dinov2_g14", "dinov2_l14_reg",
        "dinov3_b16", "lpips", "lpips_vgg", "dists", "pieapp", "topiq_fr", "musiq", "clipiqa",
        "dinov3_l16", "siglip2_so400m", "pe_spatial_l14", "pe_core_l14", "text", "objects",
    } <= all_extractors().keys()  # fmt: skip


@pytest.mark.parametrize(
    ("names", "extractor_name", "output"),
    [
        (("gmsd", "GMSD"), "gms", "gmsd"),
        (("ms_ssim", "MS-SSIM", "msssim"), "ssim", "ms_value"),
        (("ssim", "SSIM"), "ssim", "value"),
        (("cw_ssim", "CW-SSIM"), "cw_ssim", "value"),
        (("fsimc", "FSIMc"), "fsim", "chromatic"),
        (("fsim", "FSIM"), "fsim", "value"),
        (("srsim", "SR-SIM"), "srsim", "value"),
        (("srsimc", "SR-SIMc"), "srsim", "chromatic"),
        (("haarpsi", "HaarPSI"), "haarpsi", "value"),
        (("vif", "VIF"), "vif", "value"),
        (("vifp", "VIFp", "vif_p"), "vif_p", "value"),
        (("iw_ssim", "IW-SSIM", "iwssim"), "iw_ssim", "value"),
        (("psnr", "PSNR"), "psnr", "value"),
        (("mdsi",), "mdsi", "value"),
        (("lpips", "LPIPS"), "lpips", "value"),
        (("lpips-vgg",), "lpips_vgg", "value"),
        (("dists", "DISTS"), "dists", "value"),
        (("st-lpips",), "stlpips", "value"),
        (("pieapp", "PieAPP"), "pieapp", "value"),
        (("musiq", "MUSIQ"), "musiq", "dist"),
        (("CLIP-IQA",), "clipiqa", "dist"),
    ],
)
def test_metrics_are_found_by_the_names_that_the_field_gives_them(
    names: tuple[str, ...], extractor_name: str, output: str
) -> None:
    for name in names:
        home = registry.find_metric(name)
        assert home is not None
        assert (home[0].name, home[1]) == (extractor_name, output)


def test_every_extractor_of_one_value_is_a_metric_by_its_own_name() -> None:
    for name, entry in all_extractors().items():
        if list(entry.spec.outputs) == ["value"]:
            assert entry.spec.outputs["value"].metric == name
            assert registry.find_metric(name) == (entry.spec, "value")


def test_lists_hold_extractors_and_metrics() -> None:
    listed = list_extractors()
    assert listed == sorted(set(listed))
    assert all_extractors().keys() <= set(listed)
    assert {"gmsd", "ms_ssim", "fsimc", "srsimc"} <= set(listed)
    assert list_extractors("GMS*") == ["gms", "gmsd", "gmsm"]
    assert list_extractors("nothing*") == []
    with pytest.raises(UsageError, match="pattern is"):
        list_extractors(["ssim"])
    pretrained, others = (list_extractors(pretrained=given) for given in (True, False))
    assert sorted(pretrained + others) == listed
    assert "lpips" in pretrained
    assert "gmsd" in others


def test_who_names_a_metric_for_an_extractor_is_told_where_it_is() -> None:
    with pytest.raises(UsageError, match="the extractor is gms, with the metric as its output"):
        get_extractor("gmsd")
    with pytest.raises(UsageError, match="'haarpsy' does not exist; did you mean haarpsi"):
        get_extractor("haarpsy")


def test_a_metrics_name_is_registered_once() -> None:
    for name in ("FSIM-c", "colour"):
        output = Output(metric=name)
        spec = ExtractorSpec("new", 1, {"value": output}, "RGB", ("torch",), "MIT", "ours", 0.1)
        with pytest.raises(ValueError, match="of extractor 'new' is taken"):
            extractor(spec)(lambda: pytest.fail("it was built"))
    assert "new" not in registry._EXTRACTORS


def test_a_name_is_registered_once() -> None:
    with pytest.raises(ValueError, match="'psnr' is taken"):
        registry.register(all_extractors()["psnr"])


def test_a_name_has_no_double_underscore() -> None:
    spec = ExtractorSpec("a__b", 1, {"value": Output()}, "RGB", ("torch",), "MIT", "ours", 0.1)
    with pytest.raises(ValueError, match="double underscore"):
        extractor(spec)(lambda: pytest.fail("it was built"))
    assert "a__b" not in registry._EXTRACTORS


def test_listing_extractors_imports_no_heavy_library() -> None:
    code = (
        "import sys; from seiqa_features.extractors.registry import all_extractors;"
        "from seiqa_features.table.recipe import Recipe;"
        "side = lambda spec: spec.sides[0] if spec.sides else 16 * spec.side_multiple;"
        "view = lambda spec: spec.only_view or f's{side(spec)}';"
        "Recipe.parse({name: [view(e.spec)] for name, e in all_extractors().items()});"
        "heavy = {'torch', 'timm', 'open_clip', 'piq', 'pyiqa', 'skimage', 'scipy', 'sklearn'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"


# --- values ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_outputs_are_as_the_spec_says(
    name: str, picture: Callable[..., torch.Tensor], degraded: Callable[..., torch.Tensor]
) -> None:
    values = run(name, [picture(1), picture(2)], [degraded(2, 8), degraded(1, 9)], [1, 0])
    assert set(values) == set(spec_of(name).outputs)
    for output, facts in spec_of(name).outputs.items():
        found = values[output]
        assert found.shape == ((2, facts.dim) if facts.dim else (2,)), output
        assert found.dtype == (torch.float32 if facts.dim else torch.float64), output
        assert torch.isfinite(found).all(), output


@pytest.mark.parametrize("name", NAMES)
def test_a_picture_with_itself_has_the_identity_value(
    name: str, picture: Callable[..., torch.Tensor], degraded: Callable[..., torch.Tensor]
) -> None:
    same, others = pair(name, picture(1), picture(1)), (degraded(1, 9), picture(2))
    changed = [pair(name, picture(1), other) for other in others]
    for output, facts in spec_of(name).outputs.items():
        if facts.identity is not None:
            expected = torch.full_like(same[output], facts.identity)
            torch.testing.assert_close(same[output], expected, atol=1e-5, rtol=0)
            shifts = [(other[output] - facts.identity).abs().max() for other in changed]
            # A convolutional network takes these textures for one and the same thing, and nothing
            # has moved.
            assert max(shifts) > 1e-3 or output in ("class_top1", "concept_top1", "travel"), output


@pytest.mark.parametrize("name", NAMES)
def test_symmetry_where_promised_and_only_there(
    name: str, picture: Callable[..., torch.Tensor], degraded: Callable[..., torch.Tensor]
) -> None:
    ref, dist = picture(1), degraded(1, 9)
    there, back = pair(name, ref, dist), pair(name, dist, ref)
    # Matching is symmetric by chance where every place has its like at the same place.
    to_another, from_another = pair(name, ref, picture(2)), pair(name, picture(2), ref)
    for output, facts in spec_of(name).outputs.items():
        if facts.role != "value" or output == "travel":  # nothing has moved here
            continue
        difference = (there[output] - back[output]).abs().max()
        further = (to_another[output] - from_another[output]).abs().max()
        if facts.symmetric:
            assert max(difference, further) <= 1e-6, output
        else:
            assert max(difference, further) > 1e-6, f"{output} may promise symmetry"


@pytest.mark.parametrize("name", NAMES)
def test_values_do_not_depend_on_the_batch(
    name: str, picture: Callable[..., torch.Tensor], degraded: Callable[..., torch.Tensor]
) -> None:
    refs = [picture(1), picture(2)]
    dists = [degraded(1, 7), degraded(2, 8), degraded(1, 9)]
    index = [0, 1, 0]
    whole = run(name, refs, dists, index)
    for i, (dist, r) in enumerate(zip(dists, index, strict=True)):
        alone = pair(name, refs[r], dist)
        assert_same_bits(alone, {output: value[i : i + 1] for output, value in whole.items()})
    permuted = run(name, refs[::-1], [dists[i] for i in (2, 0, 1)], [1, 1, 0])
    assert_same_bits(permuted, {output: value[[2, 0, 1]] for output, value in whole.items()})


MIXED_TOLERANCE = 0.05
"""Of scalars in bfloat16."""
UNSTEADY = ("skewness", "kurtosis", "region_", "_top1", "_top5", "_top10", "_entropy_change")
"""But not of these: quotients of small numbers, what a threshold decides, bits out of nine."""


@pytest.mark.parametrize("name", ["lpips", TINY_VIT, TINY_CLIP])
def test_mixed_precision_stays_near_and_does_not_depend_on_the_batch(
    name: str, picture: Callable[..., torch.Tensor], degraded: Callable[..., torch.Tensor]
) -> None:
    refs, dists = [picture(1), picture(2)], [degraded(1, 7), degraded(2, 8)]
    exact = run(name, refs, dists, [0, 1])
    with torch.autocast("cpu", torch.bfloat16):
        mixed = run(name, refs, dists, [0, 1])
        alone = pair(name, refs[1], dists[1])
    assert_same_bits(alone, {output: value[1:] for output, value in mixed.items()})
    for output, facts in spec_of(name).outputs.items():
        if not facts.dim and not any(part in output for part in UNSTEADY):
            error = (mixed[output] - exact[output]).abs().max()
            assert error < MIXED_TOLERANCE, output
    assert any(not torch.equal(mixed[output], exact[output]) for output in exact)


@pytest.mark.parametrize("name", NAMES)
def test_inputs_are_left_as_they_are(
    name: str, picture: Callable[..., torch.Tensor], degraded: Callable[..., torch.Tensor]
) -> None:
    height, width = shape_of(name)
    ref, dist = (made[None, :, :height, :width] for made in (picture(1), degraded(1, 9)))
    before = ref.clone(), dist.clone()
    with torch.inference_mode():
        built(name)(ref=ref, dist=dist, ref_index=torch.tensor([0]))
    assert torch.equal(ref, before[0])
    assert torch.equal(dist, before[1])


@pytest.mark.parametrize("shape", [(0, 0), (1, 3), (0, 300)], ids=["square", "odd", "strip"])
@pytest.mark.parametrize("name", NAMES)
def test_smallest_pictures_have_values(
    name: str,
    shape: tuple[int, int],
    picture: Callable[..., torch.Tensor],
    degraded: Callable[..., torch.Tensor],
) -> None:
    """Outputs may be undefined at that size, but not all of them, and none infinite."""
    height, width = shape_of(name, *(spec_of(name).min_side + more for more in shape))
    values = pair(name, picture(1, height, width), degraded(1, 9, height, width))
    assert any(bool(torch.isfinite(value).all()) for value in values.values())
    assert not any(bool(torch.isinf(value).any()) for value in values.values())


@pytest.mark.parametrize("name", NAMES)
def test_blank_pictures_break_nothing(name: str, picture: Callable[..., torch.Tensor]) -> None:
    """A blank page is a picture too: its values are defined or NaN, never wrong or an error."""
    blank = torch.full((3, HEIGHT, WIDTH), 0.5)
    for ref, dist in ((blank, picture(1)), (picture(1), blank)):
        values = pair(name, ref, dist)
        assert not any(bool(torch.isinf(value).any()) for value in values.values())
    same = pair(name, blank, blank)
    for output, facts in spec_of(name).outputs.items():
        if facts.identity is not None:
            value = same[output]
            error = (value - facts.identity).abs()
            assert bool((value.isnan() | (error < 1e-5)).all()), output


@pytest.mark.parametrize("name", NAMES)
def test_values_do_not_depend_on_the_number_of_threads(
    name: str, picture: Callable[..., torch.Tensor], degraded: Callable[..., torch.Tensor]
) -> None:
    """The runner gives each worker one thread; a reader of the library may have more."""
    threads = torch.get_num_threads()
    ref, dist = picture(1), degraded(1, 9)
    try:
        torch.set_num_threads(1)
        one = pair(name, ref, dist)
        torch.set_num_threads(2)
        two = pair(name, ref, dist)
    finally:
        torch.set_num_threads(threads)
    for output in one:
        torch.testing.assert_close(one[output], two[output], atol=1e-6, rtol=1e-5)


def test_mad_keeps_the_contract(
    picture: Callable[..., torch.Tensor], degraded: Callable[..., torch.Tensor]
) -> None:
    refs = [picture(1, 72, 80), picture(2, 72, 80)]
    dists = [degraded(2, 8, 72, 80), degraded(1, 9, 72, 80)]
    values = run("mad", refs, dists, [1, 0])["value"]
    assert values.shape == (2,)
    assert values.dtype == torch.float64
    assert torch.isfinite(values).all()
    assert (values > 0).all()
    assert torch.equal(pair("mad", refs[1], dists[0])["value"], values[:1])
    assert abs(pair("mad", refs[0], refs[0])["value"].item() - 0.0) < 1e-5
