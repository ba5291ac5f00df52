"""Maps of where a degraded picture lost structure or changed meaning, for visual inspection.

`difference_map` needs no weights; `patch_cosine_map` needs a network. `overlay` draws either over
the picture. None of these are features: the score does not depend on them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from seiqa_features.errors import UsageError
from seiqa_features.extraction.runtime import Runtime
from seiqa_features.extractors.registry import get_extractor
from seiqa_features.extractors.specs import NETWORK_SIDE
from seiqa_features.pictures.views import Resampling, View
from seiqa_features.threads import on_one_core

if TYPE_CHECKING:
    import torch

Picture = NDArray[np.float32]
Map = NDArray[np.float32]

VIEW = View.parse("max512")
PATCH = 16  # side in pixels of the patch of the view that becomes one cell

# MDSI, Ziaei Nafchi et al., IEEE Access 4, 2016, section III.
GRADIENT_C, FUSED_GRADIENT_C, CHROMA_C, GRADIENT_SHARE = 140.0, 55.0, 550.0, 0.6
MDSI_SIDE = 256  # the shorter side is reduced to about this by averaging

VEIL = 0.7
"""Weight of the colour in an overlay; the rest is the picture in grey."""


@on_one_core
def difference_map(*, ref: Picture, dist: Picture) -> Map:
    """Where structure or colour was lost: 1 − the similarity map of MDSI, averaged per patch.

    Both pictures are resized to a longest side of at most 512 pixels, the degraded one with the
    geometry of the reference. The map is 1 − GCS, which weights gradient and chroma similarity 0.6
    to 0.4 (Ziaei Nafchi et al., IEEE Access 4, 2016), clipped to 0..1 and averaged over 16×16
    pixels. Borders are padded by replication, not with black as in the authors' code. A pure
    brightness shift hardly changes gradients and chroma, and therefore the map.

    Parameters
    ----------
    ref : Picture
        RGB [H, W, 3] in 0..1.
    dist : Picture
        RGB [h, w, 3] in 0..1.

    Returns
    -------
    Map
        float32 [rows, columns] in 0..1, 0 = identical; 32 cells along the longest side for
        pictures of 512 pixels or more.

    Raises
    ------
    ValueError
        A picture is not of that shape or range.
    """
    from torch.nn import functional as F

    first, second = (_view(VIEW, picture, ref, "bicubic") for picture in (ref, dist))
    lost = (1 - mdsi_similarity(ref=first, dist=second)).clamp(0, 1)
    rows, columns = (round(side / PATCH) for side in first.shape[2:])
    found: Map = F.adaptive_avg_pool2d(lost, (rows, columns))[0, 0].float().numpy()
    return found


def mdsi_similarity(*, ref: torch.Tensor, dist: torch.Tensor) -> torch.Tensor:
    """The map GCS, whose deviation is MDSI, float64 [1, 1, h, w]; 1 = identical.

    Parameters
    ----------
    ref : torch.Tensor
        RGB 0..1 [1, 3, H, W].
    dist : torch.Tensor
        The same.
    """
    import torch
    from piq.functional import gradient_map, prewitt_filter, rgb2lhm, similarity_map
    from torch.nn import functional as F

    prewitt = prewitt_filter(dtype=torch.float64)
    kernels = torch.stack([prewitt, prewitt.transpose(1, 2)])
    factor = max(1, round(min(ref.shape[2:]) / MDSI_SIDE))
    r, d = (rgb2lhm(F.avg_pool2d(image.double() * 255, factor)) for image in (ref, dist))

    def gradient(luminance: torch.Tensor) -> torch.Tensor:
        continued = F.pad(luminance, [1, 1, 1, 1], mode="replicate")
        magnitude: torch.Tensor = gradient_map(continued, kernels)
        return magnitude[..., 1:-1, 1:-1]

    of_ref, of_dist, of_both = (gradient(x[:, :1]) for x in (r, d, (r + d) / 2))
    structure = similarity_map(of_ref, of_dist, GRADIENT_C)
    structure += similarity_map(of_dist, of_both, FUSED_GRADIENT_C)
    structure -= similarity_map(of_ref, of_both, FUSED_GRADIENT_C)
    products = (r[:, 1:] * d[:, 1:]).sum(dim=1, keepdim=True)
    squares = (r[:, 1:].square() + d[:, 1:].square()).sum(dim=1, keepdim=True)
    chroma = (2 * products + CHROMA_C) / (squares + CHROMA_C)
    similarity: torch.Tensor = GRADIENT_SHARE * structure + (1 - GRADIENT_SHARE) * chroma
    return similarity


@on_one_core
def patch_cosine_map(
    *, ref: Picture, dist: Picture, runtime: Runtime, model: str = "dinov2_s14"
) -> Map:
    """Where the content changed: 1 − cosine of a network's last tokens.

    These are the patch tokens of a vision transformer, or the positions of a convolutional
    network's last map. The degraded picture is resized to the geometry of the reference, and both
    are squeezed to the square input of the network.

    Parameters
    ----------
    ref : Picture
        RGB [H, W, 3] in 0..1.
    dist : Picture
        RGB [h, w, 3] in 0..1.
    runtime : Runtime
        Provides device and weights; builds the network on the first call and keeps it.
    model : str
        Extractor of the timm family: a preset, `timm:<model>`, or `lite0`, which needs no download.

    Returns
    -------
    Map
        float32 [rows, columns] in 0..2 (0 = identical, 1 = unrelated); one cell per token.

    Raises
    ------
    UsageError
        There is no such extractor, or it has no map of tokens.
    WeightsError
        Its weights are missing, changed or damaged.
    ValueError
        A picture is not of that shape or range.
    """
    import torch

    from seiqa_features.extractors.convnet.stages import StageWork
    from seiqa_features.extractors.vit.tokens import TokenWork

    spec = get_extractor(model).spec
    work = runtime.work(model)
    if not isinstance(work, (TokenWork, StageWork)):
        raise UsageError(f"extractor {model} has no map; take lite0, dinov2_s14 or timm:<model>")
    side = spec.sides[0] if spec.sides else NETWORK_SIDE // spec.side_multiple * spec.side_multiple
    view = View.parse(f"s{side}")
    device = runtime.device if runtime.on_gpu(spec) else "cpu"
    with torch.inference_mode():
        first, second = (
            _view(view, picture, ref, spec.resampling).to(device) for picture in (ref, dist)
        )
        cosines = work.cosine_map(ref=first, dist=second)
    found: Map = (1 - cosines).float().cpu().numpy()
    return found


def overlay(image: Picture, difference: Map) -> NDArray[np.uint8]:
    """A map over the grey picture: dark where nothing changed, bright where much changed.

    Colours are matplotlib's "inferno", whose lightness increases evenly for every kind of colour
    vision. They follow the square root of the map, because most visible differences are below 0.1.
    The scale is the same for every picture, so that overlays can be compared.

    Parameters
    ----------
    image : Picture
        RGB [H, W, 3] in 0..1.
    difference : Map
        [h, w], 0 = identical; values above 1 count as 1.

    Returns
    -------
    NDArray[np.uint8]
        uint8 [H, W, 3].

    Raises
    ------
    ValueError
        The picture or the map has the wrong shape or range.
    """
    from matplotlib import colormaps

    if difference.ndim != 2 or not difference.size or not np.isfinite(difference).all():
        raise ValueError(f"difference is {difference.shape}; expected finite numbers [h, w]")
    shown = _eight_bit(image)
    cells = Image.fromarray(np.sqrt(np.clip(difference, 0, 1)).astype(np.float32))
    # Bilinear, because bicubic overshoots and would draw dark rims around bright spots.
    smooth = np.asarray(cells.resize(shown.size, Image.Resampling.BILINEAR))
    colours = colormaps["inferno"](smooth)[..., :3]
    grey = np.asarray(shown.convert("L"), dtype=np.float64)[..., None] / 255
    blended = VEIL * colours + (1 - VEIL) * grey
    pixels: NDArray[np.uint8] = np.round(255 * blended).astype(np.uint8)
    return pixels


def _view(view: View, picture: Picture, ref: Picture, resampling: Resampling) -> torch.Tensor:
    """The view as the pipeline passes it to an extractor: float32 [1, 3, h, w] in 0..1."""
    import torch

    size = (ref.shape[1], ref.shape[0])
    return torch.from_numpy(view.prepare(_eight_bit(picture), size, resampling)).float().div(255)


def _eight_bit(picture: Picture) -> Image.Image:
    if picture.ndim != 3 or picture.shape[2] != 3 or not picture.size:
        raise ValueError(f"picture is {picture.shape}; expected RGB [height, width, 3]")
    low, high = float(picture.min()), float(picture.max())
    if not (low >= 0 and high <= 1):  # also true for NaN
        raise ValueError(f"picture goes from {low:g} to {high:g}; expected 0 to 1")
    return Image.fromarray(np.round(255 * picture).astype(np.uint8))
