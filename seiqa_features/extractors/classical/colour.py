"""Changes of colour: CIELAB differences by patches, shifts, and a joint histogram."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seiqa_features.extractors.classical.local import patch_outputs
from seiqa_features.extractors.registry import extractor
from seiqa_features.extractors.specs import Extract, ExtractorSpec, Output

if TYPE_CHECKING:
    import torch

LEVELS = 4  # histogram bins per channel


@extractor(
    ExtractorSpec(
        name="colour",
        version=1,
        outputs={
            "delta_e": Output(identity=0.0, symmetric=True, better="lower"),
            "lightness_shift": Output(identity=0.0),
            "chroma_shift": Output(identity=0.0),
            "hue_shift": Output(identity=0.0, symmetric=True, better="lower"),
            "contrast_shift": Output(identity=0.0),
            **patch_outputs(0.0, better="lower"),
            "hist_ref": Output(dim=LEVELS**3, role="ref"),
            "hist_dist": Output(dim=LEVELS**3, role="dist"),
        },
        colour="CIELAB (sRGB, D65) and RGB",
        libraries=("torch", "scikit-image"),
        licence="MIT (ours), BSD-3-Clause (scikit-image)",
        source="colour difference: CIE 1976 ΔE*ab",
        cost=0.05,
    )
)
def colour() -> Extract:
    """ΔE*ab by patches, mean shifts of lightness and chroma, hue change, log contrast ratio.

    `hue_shift` is the mean distance of the a*b* vectors after removing their difference in
    length. The histogram counts RGB in 4×4×4 bins and sums to 1.
    """
    import torch
    from skimage.color import rgb2lab

    from seiqa_features.extractors.common.tensors import patch_statistics, stack

    def describe(image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        lab = torch.from_numpy(rgb2lab(image.numpy(), channel_axis=0)).double()
        bins = image.mul(LEVELS).long().clamp(0, LEVELS - 1)
        joint = (bins[0] * LEVELS + bins[1]) * LEVELS + bins[2]
        counts = torch.bincount(joint.flatten(), minlength=LEVELS**3)
        return lab, counts.float() / joint.numel()

    def compare(
        ref: tuple[torch.Tensor, torch.Tensor], dist: tuple[torch.Tensor, torch.Tensor]
    ) -> dict[str, torch.Tensor]:
        (r, hist_r), (d, hist_d) = ref, dist
        difference = (d - r).square()
        delta_e = difference.sum(dim=0).sqrt()
        chroma_r, chroma_d = r[1:].norm(dim=0), d[1:].norm(dim=0)
        hue = (difference[1:].sum(dim=0) - (chroma_d - chroma_r).square()).clamp(min=0).sqrt()
        return {
            "delta_e": delta_e.mean(),
            "lightness_shift": (d[0] - r[0]).mean(),
            "chroma_shift": (chroma_d - chroma_r).mean(),
            "hue_shift": hue.mean(),
            "contrast_shift": torch.log((d[0].std() + 1) / (r[0].std() + 1)),
            **patch_statistics(delta_e, worst="high"),
            "hist_ref": hist_r,
            "hist_dist": hist_d,
        }

    def extract(
        *, ref: torch.Tensor, dist: torch.Tensor, ref_index: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        refs = [describe(image) for image in ref]
        return stack(
            [compare(refs[r], describe(dist[i])) for i, r in enumerate(ref_index.tolist())]
        )

    return extract
