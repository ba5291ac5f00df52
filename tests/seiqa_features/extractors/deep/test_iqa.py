"""The pretrained IQA metrics with random weights, read from files by the real loading code."""

from __future__ import annotations

import importlib
import os
import shutil
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision

from seiqa_features.errors import WeightsError
from seiqa_features.extraction.runtime import Runtime
from seiqa_features.extractors.deep import metrics as iqa
from seiqa_features.extractors.registry import all_extractors
from seiqa_features.extractors.specs import Extract, ExtractorSpec, Resources, Weight
from seiqa_features.threads import on_one_core, one_core_threads
from seiqa_features.weights.files import WeightFiles
from tests.conftest import make_texture
from tests.seiqa_features import iqa_weights

NAMES = sorted(iqa_weights.METRICS)
NO_REFERENCE = ("clipiqa", "musiq")
OF_ONE_KIND = ("lpips_vgg", "stlpips", "topiq_fr_pipal")  # of which another is tested

Values = Mapping[str, torch.Tensor]


def spec_of(name: str) -> ExtractorSpec:
    return all_extractors()[name].spec


def picture(seed: int, height: int, width: int) -> torch.Tensor:
    """[1, 3, H, W]."""
    pixels = make_texture(seed, height, width).transpose(2, 0, 1)
    return torch.from_numpy(np.ascontiguousarray(pixels, np.float32) / np.float32(255))[None]


def degraded(seed: int, other: int, height: int, width: int) -> torch.Tensor:
    """The picture of the seed with another one shining through."""
    return 0.75 * picture(seed, height, width) + 0.25 * picture(other, height, width)


SHAPE = (93, 101)  # odd, and four of PieAPP's patches
REF = torch.cat([picture(1, *SHAPE), picture(2, *SHAPE)])
DIST = torch.cat([degraded(1, 7, *SHAPE), degraded(2, 8, *SHAPE), degraded(1, 9, *SHAPE)])
INDEX = torch.tensor([0, 1, 0])


def run(extract: Extract, ref: torch.Tensor, dist: torch.Tensor, index: torch.Tensor) -> Values:
    with torch.inference_mode():
        return extract(ref=ref, dist=dist, ref_index=index)


def pair(extract: Extract, ref: torch.Tensor, dist: torch.Tensor) -> Values:
    return run(extract, ref, dist, torch.tensor([0]))


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("hub")


@pytest.fixture(scope="module")
def weights(hub: Path) -> dict[str, Path]:
    """Every file, in a cache laid out as torch.hub's."""
    return iqa_weights.write_all(hub)


@pytest.fixture(scope="module")
def built(weights: dict[str, Path]) -> Callable[[str], Extract]:
    return cache(lambda name: all_extractors()[name].build(Resources(weights=weights)))


@pytest.fixture(scope="module")
def batch(built: Callable[[str], Extract]) -> Callable[[str], Values]:
    """Values of three pairs on two references together."""
    return cache(lambda name: run(built(name), REF, DIST, INDEX))


# --- what the specs say ----------------------------------------------------------------------


def test_every_metric_and_every_file_is_tested_here() -> None:
    specs = [entry.spec for entry in all_extractors().values()]
    assert {s.name for s in specs if s.weights and "pyiqa" in s.libraries} == set(NAMES)
    needed = {weight for name in NAMES for weight in spec_of(name).weights}
    assert needed == set(iqa_weights.CONTENTS)


def url_by_library(weight: Weight) -> str:
    library, _, name = weight.name.partition("/")
    if library == "torchvision":
        return str(torchvision.models.get_model_weights(name).IMAGENET1K_V1.url)
    if library == "clip":
        return str(importlib.import_module("pyiqa.archs.clip_model")._MODELS[name])
    module, key = {
        iqa.LPIPS_ALEX: ("lpips", "0.1_alex"),
        iqa.LPIPS_VGG: ("lpips", "0.1_vgg"),
        iqa.STLPIPS: ("stlpips", "alex_shift_tolerant"),
        iqa.DISTS: ("dists", "url"),
        iqa.PIEAPP: ("pieapp", "url"),
        iqa.TOPIQ_KADID: ("topiq", name),
        iqa.TOPIQ_PIPAL: ("topiq", name),
        iqa.AFINE: ("afine", "afine"),
        iqa.MUSIQ: ("musiq", "koniq10k"),
    }[weight]
    return str(importlib.import_module(f"pyiqa.archs.{module}_arch").default_model_urls[key])


@pytest.mark.parametrize("weight", iqa_weights.CONTENTS, ids=lambda weight: weight.name)
def test_a_file_comes_from_where_its_library_takes_it(weight: Weight) -> None:
    folder, _, url = weight.location.partition("|")
    assert url == url_by_library(weight)
    library = weight.name.split("/")[0]
    assert folder == {"torchvision": "checkpoints"}.get(library, library)


@pytest.mark.parametrize(
    "weight",
    [
        iqa.ALEXNET, iqa.VGG16, iqa.VGG19, iqa.STLPIPS, iqa.PIEAPP, iqa.TOPIQ_KADID,
        iqa.TOPIQ_PIPAL, iqa.MUSIQ,
    ],
    ids=lambda weight: weight.name,
)  # fmt: skip
def test_a_file_is_as_large_as_its_network(weight: Weight) -> None:
    parameters = sum(p.numel() for p in iqa_weights.architecture(weight).parameters())
    assert weight.megabytes == pytest.approx(4e-6 * parameters, rel=0.05)


# --- values ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_outputs_are_as_the_spec_says(name: str, batch: Callable[[str], Values]) -> None:
    values = batch(name)
    assert values.keys() == spec_of(name).outputs.keys()
    for found in values.values():
        assert found.shape == (3,)
        assert found.dtype == torch.float64
        assert torch.isfinite(found).all()
    if name in NO_REFERENCE:
        assert torch.equal(values["difference"], values["dist"] - values["ref"])
    assert len(set(values["dist" if name in NO_REFERENCE else "value"].tolist())) == 3


@pytest.mark.parametrize("name", NAMES)
def test_equal_and_swapped_pictures(
    name: str, built: Callable[[str], Extract], batch: Callable[[str], Values]
) -> None:
    ref, dist = REF[:1], DIST[:1]
    same, back = pair(built(name), ref, ref), pair(built(name), dist, ref)
    for output, facts in spec_of(name).outputs.items():
        there = batch(name)[output][0]
        if facts.identity is not None:
            assert abs(same[output] - facts.identity) < 1e-6, output
            assert abs(there - facts.identity) > 1e-3, output
        assert bool(abs(there - back[output]) <= 1e-6) == facts.symmetric, output


@pytest.mark.parametrize("name", sorted(set(NAMES) - set(OF_ONE_KIND)))
def test_values_do_not_depend_on_other_threads(name: str, built: Callable[[str], Extract]) -> None:
    """Two shapes, so that whatever a network keeps between calls would show."""
    pairs = [
        (picture(seed, *shape), degraded(seed, seed + 9, *shape))
        for seed, shape in enumerate([(64, 93), (93, 64)])
    ]
    alone = [on_one_core(pair)(built(name), *images) for images in pairs]
    with one_core_threads(2) as pool:
        together = list(pool.map(lambda images: pair(built(name), *images), pairs * 2))
    for values, expected in zip(together, alone * 2, strict=True):
        for output, value in values.items():
            assert torch.equal(value, expected[output]), output


@pytest.mark.parametrize("name", NAMES)
def test_smallest_and_blank_pictures_have_values(
    name: str, built: Callable[[str], Extract]
) -> None:
    side = spec_of(name).min_side
    small, blank = picture(1, side, side + 3), torch.full((1, 3, side, side + 3), 0.3)
    strips = picture(1, side, 200), picture(2, side, 200)
    for ref, dist in ((small, blank), (blank, small), strips):
        for value in pair(built(name), ref, dist).values():
            assert torch.isfinite(value).all()
    same = pair(built(name), blank, blank)
    for output, facts in spec_of(name).outputs.items():
        if facts.identity is not None:
            assert abs(same[output] - facts.identity) < 1e-6, output


@pytest.mark.parametrize("name", NAMES)
def test_a_smaller_picture_has_no_value(name: str, built: Callable[[str], Extract]) -> None:
    """So `min_side` is no larger than it must be; 16 is the least of all."""
    side = spec_of(name).min_side - 1
    if side >= 16:
        with pytest.raises((RuntimeError, ValueError)):
            pair(built(name), picture(1, side, side), picture(2, side, side))


@pytest.mark.parametrize("name", [name for name in NAMES if spec_of(name).precision != "float32"])
def test_half_precision_keeps_three_digits(name: str, built: Callable[[str], Extract]) -> None:
    ref, dist = picture(1, 48, 48), degraded(1, 7, 48, 48)
    exact = pair(built(name), ref, dist)
    with torch.autocast("cpu", getattr(torch, spec_of(name).precision)):
        rough = pair(built(name), ref, dist)
    for output, value in rough.items():
        torch.testing.assert_close(value, exact[output], atol=1e-3, rtol=1e-3)
    assert any(not torch.equal(rough[output], exact[output]) for output in exact)


@pytest.mark.parametrize("name", ["stlpips", "dists", "pieapp", "clipiqa", "afine_fr"])
def test_where_there_is_a_gpu_a_batch_goes_together(name: str, weights: dict[str, Path]) -> None:
    """PyTorch's meta device stands in for one: it works out shapes without values."""
    extract = all_extractors()[name].build(Resources("meta", weights))
    values = run(extract, REF.to("meta"), DIST.to("meta"), INDEX.to("meta"))
    for output in spec_of(name).outputs:
        assert values[output].shape == (3,)
        assert values[output].dtype == torch.float64
        assert values[output].device.type == "meta"


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("name", NAMES)
def test_a_gpu_gives_the_same_values(
    name: str, weights: dict[str, Path], batch: Callable[[str], Values]
) -> None:
    extract, precision = (
        all_extractors()[name].build(Resources("cuda", weights)),
        spec_of(name).precision,
    )
    half = precision != "float32"
    with (
        torch.backends.cudnn.flags(allow_tf32=False),
        torch.autocast("cuda", getattr(torch, precision) if half else None, enabled=half),
    ):
        values = run(extract, REF.cuda(), DIST.cuda(), INDEX.cuda())
    for output, value in values.items():
        torch.testing.assert_close(value.cpu(), batch(name)[output], atol=1e-3, rtol=1e-3)


def test_inputs_are_left_as_they_are(built: Callable[[str], Extract]) -> None:
    """After all the tests above, and on a batch of one, whose slice is the batch itself."""
    ref, dist = REF[:1].clone(), DIST[:1].clone()
    for name in ("lpips", "dists", "pieapp", "topiq_fr", "musiq"):
        pair(built(name), ref, dist)
    assert torch.equal(ref, picture(1, *SHAPE))
    assert torch.equal(dist, degraded(1, 7, *SHAPE))
    assert torch.equal(REF[1:], picture(2, *SHAPE))
    assert torch.equal(DIST[2:], degraded(1, 9, *SHAPE))


# --- against the library ---------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_agrees_with_the_library_called_on_each_pair(
    name: str,
    hub: Path,
    built: Callable[[str], Extract],
    batch: Callable[[str], Values],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    metric = iqa_weights.library_metric(name, hub, monkeypatch)
    whole, ref, dist = batch(name), REF, DIST
    if name == "afine_fr":  # the library's takes multiples of 32, and normalises what it is given
        ref, dist = (side[:, :, :64, :96].clone() for side in (REF, DIST))
        whole = run(built(name), ref.clone(), dist.clone(), INDEX)
    refs, dists, index = ref.split(1), dist.split(1), INDEX.tolist()
    with torch.inference_mode():
        if name in NO_REFERENCE:
            before, after = ([metric(x).item() for x in side] for side in (refs, dists))
            theirs = {"ref": [before[r] for r in index], "dist": after}
        else:
            pairs = zip(dists, index, strict=True)
            theirs = {"value": [metric(d.clone(), refs[r].clone()).item() for d, r in pairs]}
        if name == "afine_fr":
            for output, kind in (("natural_dist", "afine_nr"), ("overall", "afine_all_scale")):
                metric.net.model_type = kind
                pairs = zip(dists, index, strict=True)
                theirs[output] = [metric(d.clone(), refs[r].clone()).item() for d, r in pairs]
    for output, values in theirs.items():
        assert whole[output].tolist() == pytest.approx(values, rel=1e-5, abs=1e-6)


# --- files that do not fit -------------------------------------------------------------------


def state_of_torch() -> tuple[str, str | None]:
    return torch.hub.get_dir(), os.environ.get("TORCH_FORCE_WEIGHTS_ONLY_LOAD")


def build_with(weight: Weight, path: Path, weights: dict[str, Path], folder: Path) -> Extract:
    """Build a metric that needs the file by way of the runtime, with another file for it."""
    name = next(name for name in NAMES if weight in spec_of(name).weights)
    return Runtime(WeightFiles(folder / "weights", {**weights, weight.name: path})).work(name)


@pytest.mark.parametrize(
    ("weight", "change", "complaint"),
    [
        (iqa.STLPIPS, lambda state: state.pop("lin2.model.1.weight"), "it lacks lin2.model.1"),
        (iqa.STLPIPS, lambda state: state.update(more=torch.ones(1)), "it holds more"),
        (
            iqa.DISTS,
            lambda state: state.update(alpha=torch.ones(3)),
            r"Error\(s\) in loading state_dict",
        ),
        (iqa.TOPIQ_KADID, lambda state: state.update(net=state.pop("params")), "it lacks params"),
        (
            iqa.ALEXNET,
            lambda state: state.pop("features.0.bias"),
            r"Error\(s\) in loading state_dict",
        ),
    ],
    ids=["lacks", "holds", "shape", "key", "backbone"],
)
def test_a_file_with_other_tensors_is_refused(
    weight: Weight,
    change: Callable[[dict[str, object]], object],
    complaint: str,
    weights: dict[str, Path],
    tmp_path: Path,
) -> None:
    state = torch.load(weights[weight.name], weights_only=True)
    change(state)
    torch.save(state, tmp_path / "other.pth")
    before = state_of_torch()
    with pytest.raises(WeightsError, match=complaint) as caught:
        build_with(weight, tmp_path / "other.pth", weights, tmp_path)
    assert str(tmp_path / "other.pth") in str(caught.value)
    assert state_of_torch() == before


@pytest.mark.parametrize(
    "weight", [iqa.ALEXNET, iqa.STLPIPS, iqa.MUSIQ, iqa.CLIP_RN50], ids=lambda weight: weight.name
)
def test_a_truncated_file_is_refused(
    weight: Weight, weights: dict[str, Path], tmp_path: Path
) -> None:
    whole = weights[weight.name].read_bytes()
    path = tmp_path / "half.pth"
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(WeightsError, match="not usable as weights"):
        build_with(weight, path, weights, tmp_path)


class Trap:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.folder),)


@pytest.mark.parametrize(
    "weight", [iqa.ALEXNET, iqa.STLPIPS, iqa.CLIP_RN50], ids=lambda weight: weight.name
)
def test_a_file_runs_no_code(weight: Weight, weights: dict[str, Path], tmp_path: Path) -> None:
    path, sprung = tmp_path / "trap.pth", tmp_path / "sprung"
    torch.save({"features.0.weight": Trap(sprung)}, path)
    with pytest.raises(WeightsError, match="not usable as weights"):
        build_with(weight, path, weights, tmp_path)
    assert not sprung.exists()


def test_building_is_silent_and_leaves_no_trace(
    weights: dict[str, Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Files under names of the user's own are found, and torch.hub's place is as before."""
    own = {name: tmp_path / f"{i}.bin" for i, name in enumerate(weights)}
    for name, path in own.items():
        shutil.copy(weights[name], path)
    before = state_of_torch()
    for name in ("lpips", "dists", "musiq", "clipiqa"):
        all_extractors()[name].build(Resources(weights=own))
    assert capfd.readouterr() == ("", "")
    assert state_of_torch() == before
