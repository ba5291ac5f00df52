"""Changes of colour: CIELAB differences by patches, shifts, and a joint histogram."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seiqa_features.extractors.classical.local import patch_outputs
from seiqa_features.extractors.registry import extractor
from seiqa_features.extractors.specs import Extract, ExtractorSpec, Output

if TYPE_CHECKING:
    import torch

LEVELS = 4  # histogram bins per channel
D65 = (0.95047, 1.0, 1.08883)  # white point for an observer of 2°


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
        gpu="float32",
    )
)
def colour() -> Extract:
    """ΔE*ab by patches, mean shifts of lightness and chroma, hue change, log contrast ratio.

    `hue_shift` is the mean distance of the a*b* vectors after removing their difference in
    length. The histogram counts RGB in 4×4×4 bins and sums to 1.
    """
    import torch

    from seiqa_features.extractors.common.pairs import Description, compared
    from seiqa_features.extractors.common.tensors import deviation, patch_statistics

    def describe(images: torch.Tensor) -> Description:
        bins = images.mul(LEVELS).long().clamp(0, LEVELS - 1)
        joint = ((bins[:, 0] * LEVELS + bins[:, 1]) * LEVELS + bins[:, 2]).flatten(1)
        counts = images.new_zeros(len(images), LEVELS**3)
        counts = counts.scatter_add(1, joint, images.new_ones(1, 1).expand(joint.shape))
        return cielab(images), counts / joint.shape[1]

    def compare(ref: Description, dist: Description) -> dict[str, torch.Tensor]:
        (r, hist_r), (d, hist_d) = ref, dist
        difference = (d - r).square()
        delta_e = difference.sum(dim=1).sqrt()
        chroma_r, chroma_d = r[:, 1:].norm(dim=1), d[:, 1:].norm(dim=1)
        hue = (difference[:, 1:].sum(dim=1) - (chroma_d - chroma_r).square()).clamp(min=0).sqrt()
        contrast_r, contrast_d = deviation(r[:, 0]), deviation(d[:, 0])
        return {
            "delta_e": delta_e.mean(dim=(1, 2)),
            "lightness_shift": (d[:, 0] - r[:, 0]).mean(dim=(1, 2)),
            "chroma_shift": (chroma_d - chroma_r).mean(dim=(1, 2)),
            "hue_shift": hue.mean(dim=(1, 2)),
            "contrast_shift": torch.log((contrast_d + 1) / (contrast_r + 1)),
            **patch_statistics(delta_e, worst="high"),
            "hist_ref": hist_r,
            "hist_dist": hist_d,
        }

    return compared(describe, compare)


def cielab(images: torch.Tensor) -> torch.Tensor:
    """CIELAB (D65) of sRGB 0..1 [n, 3, H, W], on a CPU in float64.

    On a CPU by scikit-image, on a GPU by the same formula and constants.
    """
    import torch
    from skimage.color import rgb2lab
    from skimage.color.colorconv import xyz_from_rgb

    if images.device.type == "cpu":
        return torch.from_numpy(rgb2lab(images.numpy(), channel_axis=1)).double()
    linear = torch.where(images > 0.04045, ((images + 0.055) / 1.055) ** 2.4, images / 12.92)
    white = images.new_tensor(D65)[:, None, None]
    xyz = torch.einsum("ij,njhw->nihw", images.new_tensor(xyz_from_rgb.tolist()), linear) / white
    curved = torch.where(xyz > 0.008856, xyz ** (1 / 3), 7.787 * xyz + 16 / 116)
    x, y, z = curved.unbind(dim=1)
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], dim=1)
