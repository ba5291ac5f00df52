"""Objects compared by hand-made detections, and the detector's loading with random weights."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
import torchvision
from torchvision.models.detection import FasterRCNN_ResNet50_FPN_V2_Weights

from seiqa_features.errors import WeightsError
from seiqa_features.extraction.runtime import Runtime
from seiqa_features.extractors.content import objects
from seiqa_features.extractors.content.objects import DETECTOR, SPEC, Found, compare_objects
from seiqa_features.table.recipe import Recipe
from seiqa_features.weights.files import WeightFiles

CAT, DOG = 17, 18
NAN = ("kept", "invented", "agreement", "sureness")


def found(*objects: tuple[int, tuple[int, int, int, int], float]) -> Found:
    boxes = torch.tensor([box for _, box, _ in objects]).float().reshape(-1, 4)
    labels = torch.tensor([label for label, _, _ in objects], dtype=torch.int64)
    return Found(boxes, labels, torch.tensor([score for _, _, score in objects]))


LEFT, NEAR_LEFT, RIGHT = (0, 0, 50, 50), (5, 0, 55, 50), (100, 0, 150, 50)
SCENE = found((CAT, LEFT, 0.9), (DOG, RIGHT, 0.8), (DOG, LEFT, 0.2))


def test_a_scene_with_itself() -> None:
    values = compare_objects(SCENE, SCENE)
    assert (values["count_ref"], values["count_dist"]) == (2, 2)
    for name in NAN:
        assert values[name] == SPEC.outputs[name].identity


def test_a_shift_keeps_an_object() -> None:
    moved = found((CAT, NEAR_LEFT, 0.9), (DOG, RIGHT, 0.8))
    assert compare_objects(SCENE, moved)["agreement"] == 1


def test_a_swapped_object_is_one_lost_and_one_invented() -> None:
    swapped = found((DOG, LEFT, 0.9), (DOG, RIGHT, 0.8))
    values = compare_objects(SCENE, swapped)
    assert (values["kept"], values["invented"], values["agreement"]) == (0.5, 0.5, 0.5)
    assert values["sureness"] == 0.5


def test_an_object_that_fades_is_lost_but_for_its_sureness() -> None:
    faded = found((CAT, LEFT, 0.45), (DOG, RIGHT, 0.9))
    values = compare_objects(SCENE, faded)
    assert (values["kept"], values["invented"]) == (0.5, 0)
    assert values["agreement"] == pytest.approx(2 / 3)
    assert values["sureness"] == pytest.approx((0.5 + 1) / 2)


def test_one_box_is_the_partner_of_one() -> None:
    two = found((CAT, LEFT, 0.9), (CAT, NEAR_LEFT, 0.9))
    values = compare_objects(two, found((CAT, LEFT, 0.9)))
    assert (values["kept"], values["invented"]) == (0.5, 0)


def test_objects_far_from_their_place_are_others() -> None:
    values = compare_objects(found((CAT, LEFT, 0.9)), found((CAT, RIGHT, 0.9)))
    assert (values["kept"], values["invented"]) == (0, 1)


@pytest.mark.parametrize("dist", [found(), SCENE])
def test_without_an_object_in_the_reference_the_change_is_undefined(dist: Found) -> None:
    values = compare_objects(found((CAT, LEFT, 0.3)), dist)
    assert values["count_ref"] == 0
    assert values["count_dist"] == (2 if dist is SCENE else 0)
    assert all(math.isnan(values[name]) for name in NAN)


def test_agreement_is_symmetric() -> None:
    other = found((CAT, LEFT, 0.9), (CAT, RIGHT, 0.7), (DOG, RIGHT, 0.6))
    there, back = compare_objects(SCENE, other), compare_objects(other, SCENE)
    assert there["agreement"] == back["agreement"] == pytest.approx(4 / 5)


# --- the detector ----------------------------------------------------------------------------


def test_the_file_is_torchvisions() -> None:
    weights = FasterRCNN_ResNet50_FPN_V2_Weights.COCO_V1
    assert DETECTOR.location == f"checkpoints|{weights.url}"
    assert len(weights.meta["categories"]) == objects.CLASSES
    assert DETECTOR.megabytes == round(4e-6 * weights.meta["num_params"])


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Numbers for every tensor of the full detector; large ones repeat a short random vector."""
    with torch.device("meta"):
        network = torchvision.models.detection.fasterrcnn_resnet50_fpn_v2(
            weights=None, weights_backbone=None, num_classes=objects.CLASSES
        )
    seed = torch.Generator().manual_seed(0)
    state = {}
    for name, tensor in network.state_dict().items():
        if not tensor.is_floating_point():
            state[name] = torch.zeros(tensor.shape, dtype=tensor.dtype)
        elif tensor.ndim > 1:
            scale = (2 / tensor[0].numel()) ** 0.5
            row = scale * torch.randn(tensor.shape[1:], generator=seed)
            state[name] = row.expand(tensor.shape)
        else:
            state[name] = torch.ones(tensor.shape) * (not name.endswith(("bias", "mean")))
    path = tmp_path_factory.mktemp("detector") / "detector.pth"
    torch.save(state, path)
    return path


def test_the_detector_is_loaded_and_each_picture_goes_alone(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load = objects.load

    def small(path: Path) -> object:
        network = load(path)
        network.transform.min_size = (64,)  # the real one enlarges pictures to 800 pixels
        network.rpn._post_nms_top_n = {"training": 20, "testing": 20}
        network.roi_heads.score_thresh = 0.0
        return network

    monkeypatch.setattr(objects, "load", small)
    work = Runtime(WeightFiles(tmp_path, {DETECTOR.name: file})).work("objects")
    seed = torch.Generator().manual_seed(1)
    ref, dist = torch.rand(2, 3, 64, 80, generator=seed), torch.rand(2, 3, 64, 80, generator=seed)
    with torch.inference_mode():
        whole = work(ref=ref, dist=dist, ref_index=torch.tensor([1, 0]))
        alone = work(ref=ref[1:], dist=dist[:1], ref_index=torch.tensor([0]))
    assert whole.keys() == SPEC.outputs.keys()
    for name, value in whole.items():
        assert value.shape == (2,)
        assert value.dtype == torch.float64
        assert torch.equal(value[:1].nan_to_num(-1), alone[name].nan_to_num(-1)), name


def test_a_file_that_lacks_a_tensor_is_refused(file: Path, tmp_path: Path) -> None:
    state = torch.load(file, weights_only=True)
    del state["rpn.head.cls_logits.weight"]
    torch.save(state, tmp_path / "other.pth")
    files = WeightFiles(tmp_path / "weights", {DETECTOR.name: tmp_path / "other.pth"})
    with pytest.raises(WeightsError, match="not usable as weights of objects"):
        Runtime(files).work("objects")


def test_without_weights_it_is_unavailable_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path))
    recipe = Recipe.parse({"objects": ["max512"], "gms": ["max512"]})
    _, unavailable = Runtime(WeightFiles(tmp_path)).bind(recipe, skip_unavailable=True)
    assert unavailable == {"objects": f"weights {DETECTOR.name} are missing"}
