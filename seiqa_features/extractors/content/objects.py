"""Objects found by a detector in both pictures: which are kept, which are new (torchvision)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seiqa_features.extractors.content.comparing import comparing
from seiqa_features.extractors.registry import register
from seiqa_features.extractors.specs import (
    Extract,
    Extractor,
    ExtractorSpec,
    Output,
    Resources,
    Weight,
)

if TYPE_CHECKING:
    import torch

DETECTOR = Weight(
    "torchvision/fasterrcnn_resnet50_fpn_v2",
    "checkpoints|https://download.pytorch.org/models/fasterrcnn_resnet50_fpn_v2_coco-dd69338a.pth",
    175,
    "BSD-3-Clause",
)
CLASSES = 91  # COCO's numbering, with gaps and the background

SURE = 0.5
"""Minimum score for a detection to count as an object."""

SAME_PLACE = 0.5
"""Minimum overlap (intersection over union) of two boxes in the same place, as in PASCAL VOC."""

SPEC = ExtractorSpec(
    name="objects",
    version=1,
    outputs={
        "count_ref": Output(),
        "count_dist": Output(),
        "kept": Output(identity=1.0, better="higher"),
        "invented": Output(identity=0.0, better="lower"),
        "agreement": Output(identity=1.0, symmetric=True, better="higher"),
        "sureness": Output(identity=1.0, better="higher"),
    },
    colour="RGB, normalised by the detector itself",
    libraries=("torch", "torchvision"),
    licence="MIT (ours), BSD-3-Clause (torchvision)",
    source="Ren et al., Faster R-CNN, NeurIPS 2015; Li et al., 2021 (v2), trained on COCO",
    cost=22.0,  # from its operation count: 0.56 · 10¹² per picture
    min_side=32,
    weights=(DETECTOR,),
    precision="float32",
    gpu_note="waits for the number of objects in each picture",
    waits=True,
)


@dataclass(frozen=True)
class Found:
    """The detections in one picture.

    Attributes
    ----------
    boxes : torch.Tensor
        Float [n, 4], left, top, right, bottom in pixels.
    labels : torch.Tensor
        Int64 [n], classes.
    scores : torch.Tensor
        Float [n], 0..1.
    """

    boxes: torch.Tensor
    labels: torch.Tensor
    scores: torch.Tensor


def compare_objects(ref: Found, dist: Found) -> dict[str, float]:
    """Compare objects: those of one class in the same place match, each with at most one partner.

    Returns
    -------
    dict[str, float]
        ``count_ref`` and ``count_dist``, the numbers of objects. The others are in 0..1, and NaN
        if the reference has no objects: ``kept``, the share of the reference's objects that are in
        the degraded picture; ``invented``, the share of the degraded picture's objects that are
        not in the reference; ``agreement``, twice the number of common objects divided by the
        total in both (F1); and ``sureness``, the mean over the reference's objects of the
        partner's score divided by the object's own, capped at 1, with 0 for objects without a
        partner; here detections below `SURE` can be partners too.
    """
    sure_ref, sure_dist = ref.scores >= SURE, dist.scores >= SURE
    n, m = int(sure_ref.sum()), int(sure_dist.sum())
    values = {"count_ref": float(n), "count_dist": float(m)}
    if not n:
        undefined = ("kept", "invented", "agreement", "sureness")
        return values | dict.fromkeys(undefined, float("nan"))
    same = _same_things(ref, dist)[sure_ref]
    common = len(_pairs(same[:, sure_dist]))
    own = ref.scores[sure_ref].double()
    partners = _pairs(same)
    ratios = [float((dist.scores[d].double() / own[r]).clamp(max=1)) for r, d in partners]
    return {
        **values,
        "kept": common / n,
        "invented": (m - common) / max(1, m),
        "agreement": 2 * common / (n + m),
        "sureness": sum(ratios) / n,
    }


def _same_things(ref: Found, dist: Found) -> torch.Tensor:
    """Overlap [n, m] of boxes of the same class in the same place, 0 for others."""
    import torch
    from torchvision.ops import box_iou

    overlap = box_iou(ref.boxes, dist.boxes)
    same = (ref.labels[:, None] == dist.labels) & (overlap >= SAME_PLACE)
    return torch.where(same, overlap, 0.0)


def _pairs(overlap: torch.Tensor) -> list[tuple[int, int]]:
    """One-to-one partners with the largest total overlap."""
    from scipy.optimize import linear_sum_assignment

    rows, columns = linear_sum_assignment(overlap.cpu().numpy(), maximize=True)
    return [(r, d) for r, d in zip(rows.tolist(), columns.tolist(), strict=True) if overlap[r, d]]


def build(resources: Resources) -> Extract:
    """The extractor function: each picture goes through the detector once, separately."""
    network = load(resources.weights[DETECTOR.name]).to(resources.device)

    def find(image: torch.Tensor) -> Found:
        [found] = network([image])
        return Found(found["boxes"].cpu(), found["labels"].cpu(), found["scores"].cpu())

    return comparing(find, compare_objects, SPEC.outputs)


def load(file: Path) -> Any:
    """torchvision's detector with the weights from the file, bypassing the torch.hub cache.

    Raises
    ------
    RuntimeError
        A tensor is missing or has the wrong name or shape.
    """
    import torch
    from torchvision.models.detection import fasterrcnn_resnet50_fpn_v2

    network = fasterrcnn_resnet50_fpn_v2(weights=None, weights_backbone=None, num_classes=CLASSES)
    network.load_state_dict(torch.load(file, map_location="cpu", weights_only=True))
    return network.eval().requires_grad_(False)


register(Extractor(SPEC, build))
