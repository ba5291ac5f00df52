"""Comparison after alignment: how the picture moved, and what differs once it is moved back.

Metrics that compare pixel by pixel treat a shift of two pixels or a crop of two percent as damage.
Here the degraded picture is first aligned with the reference: a shift by phase correlation, then a
small affine map by maximising the correlation coefficient; where these fail, a quarter turn or any
affine map from keypoints; what that leaves may be a smooth bend. The map itself becomes features,
and three metrics are computed on the region that both pictures show.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from seiqa_features.extractors.classical.piq_parts import piq_metric
from seiqa_features.extractors.registry import extractor
from seiqa_features.extractors.specs import Extract, ExtractorSpec, Output
from seiqa_features.pictures.registration.estimating import align
from seiqa_features.pictures.registration.maps import Grey, Pixels, filled_box
from seiqa_features.pictures.registration.realigning import both_resampled, is_trusted
from seiqa_features.pictures.registration.warps import warp
from seiqa_features.pictures.registration.windows import both_show, core_of

if TYPE_CHECKING:
    import torch

SMALLEST = 96
"""Minimum side in pixels of the common region; below it the metrics are undefined."""

WINDOW = 8
"""Side in pixels of the windows in which the largest difference is sought: a character or two."""

VISIBLE = 1 / 255
"""Differences far below it are as good as none."""


@extractor(
    ExtractorSpec(
        name="aligned",
        version=9,
        outputs={
            "shift": Output(identity=0.0),
            "rotation": Output(identity=0.0),
            "scale": Output(identity=0.0),
            "travel": Output(identity=0.0),
            "overlap": Output(identity=1.0),
            "correlation": Output(identity=1.0, better="higher"),
            "gain": Output(identity=0.0),
            "residual": Output(identity=0.0, better="lower"),
            "peak": Output(identity=0.0, better="lower"),
            "concentration": Output(identity=0.0),
            "ssim": Output(identity=1.0, better="higher"),
            "gmsd": Output(identity=0.0, better="lower"),
            "mdsi": Output(identity=0.0, better="lower"),
        },
        colour="luma for the alignment, SSIM and the residual; RGB for GMSD and MDSI",
        libraries=("torch", "piq", "opencv-python-headless"),
        licence="MIT (ours), Apache-2.0 (piq, OpenCV)",
        source="phase correlation: Kuglin and Hines, 1975; ECC: Evangelidis, Psarakis, PAMI 2008; "
        "SIFT: Lowe, IJCV 2004; DIS flow: Kroeger et al., ECCV 2016",
        cost=0.09,
        min_side=SMALLEST,
        gpu="no",
        gpu_note="OpenCV aligns one pair at a time on the CPU",
    )
)
def aligned() -> Extract:
    """Shift as a share of the diagonal, |rotation| in degrees, |log₂ scale|, and the residual.

    ``travel`` is the root mean square, over the picture, of the distance that a pixel has moved, as
    a share of the diagonal; 0 unless the views ``_aligned`` move the picture back. ``correlation``
    is that of the aligned luma, ``gain`` its increase by alignment; ``residual`` is the root mean
    square of the luma difference in 0..1, and ``peak`` that of the window where it is largest.
    ``concentration`` is the logarithm of how many times larger this is than in a typical window: it
    tells an edited part from a distortion of the whole picture. What a
    picture lost by being resampled when it moved is also taken from the reference.
    """
    import torch

    from seiqa_features.extractors.common.tensors import luma

    metrics = _metrics()

    def compare(ref: torch.Tensor, dist: torch.Tensor) -> dict[str, torch.Tensor]:
        found = align(*map(_luma, (ref, dist)))
        shape = ref.shape[1], ref.shape[2]
        movement = found.movement(shape)
        moved = dist
        if is_trusted(found, shape):
            ref, moved = map(_tensor, both_resampled(_pixels(ref), _pixels(dist), found))
        elif found.moves:
            movement["travel"] = 0.0
            pixels = np.ascontiguousarray(dist.permute(1, 2, 0).numpy())
            moved = torch.from_numpy(warp(pixels, found.matrix, None, found.bend)).permute(2, 0, 1)
        values = {name: torch.tensor(value).double() for name, value in movement.items()}
        shown = both_show(found.matrix, shape, core_of(found.window), found.bend)
        top, bottom, left, right = filled_box(shown)
        if min(bottom - top, right - left) < SMALLEST:
            undefined = ("residual", "peak", "concentration", *metrics)
            return {**values, **{name: torch.tensor(torch.nan).double() for name in undefined}}
        both = [image[None, :, top:bottom, left:right] for image in (moved, ref)]
        difference = (luma(both[0]) - luma(both[1])).double() / 255
        values["residual"] = difference.square().mean().sqrt()
        values["peak"], values["concentration"] = _concentration(difference)
        return values | {name: metric(*both).double()[0] for name, metric in metrics.items()}

    def extract(
        *, ref: torch.Tensor, dist: torch.Tensor, ref_index: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        pairs = zip(ref_index.tolist(), dist, strict=True)
        rows = [compare(ref[index], image) for index, image in pairs]
        return {name: torch.stack([row[name] for row in rows]) for name in rows[0]}

    return extract


def _luma(image: torch.Tensor) -> Grey:
    """float32 [H, W] in 0..1 of RGB [3, H, W] in 0..1."""
    from seiqa_features.extractors.common.tensors import luma

    return np.asarray((luma(image[None])[0, 0] / 255).numpy())


def _pixels(image: torch.Tensor) -> Pixels:
    """uint8 [H, W, 3] of RGB [3, H, W] in 0..1."""
    return np.asarray((image * 255).round().byte().permute(1, 2, 0).numpy())


def _tensor(pixels: Pixels) -> torch.Tensor:
    """RGB [3, H, W] in 0..1 of uint8 [H, W, 3]."""
    import torch

    return torch.from_numpy(pixels).permute(2, 0, 1).float() / 255


def _concentration(difference: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """``peak`` and ``concentration`` of a luma difference float64 [1, 1, h, w] in -1..1."""
    import torch

    windows = torch.nn.functional.avg_pool2d(difference.square(), WINDOW, WINDOW // 2).sqrt()
    peak, typical = windows.max(), windows.median()
    return peak, torch.log((peak + VISIBLE) / (typical + VISIBLE))


def _metrics() -> dict[str, Any]:
    """Name → metric of (dist, ref) [1, 3, h, w], one number."""
    from seiqa_features.extractors.common.tensors import grey

    ssim, gmsd, mdsi = (piq_metric(name, name) for name in ("ssim", "gmsd", "mdsi"))
    return {
        "ssim": lambda d, r: ssim(grey(d) / 255, grey(r) / 255, data_range=1.0, reduction="none"),
        "gmsd": lambda d, r: gmsd(d, r, data_range=1.0, reduction="none"),
        # In float64, for the reason given in `fidelity.py`.
        "mdsi": lambda d, r: mdsi(d.double(), r.double(), data_range=1.0, reduction="none"),
    }
