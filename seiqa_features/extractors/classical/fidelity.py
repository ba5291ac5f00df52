"""Full-reference metrics as computed by the libraries, one number per pair.

If pyiqa and piq both have a metric, the one that agrees with the authors' values and is faster is
used. SSIM, MS-SSIM and GMSD are in `local.py` (their maps are features too), CW-SSIM and VIF in
`wavelet.py`, FSIM and SR-SIM in `saliency.py`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from importlib import import_module
from itertools import product
from typing import TYPE_CHECKING, Any, Literal

from seiqa_features.extractors.classical.piq_parts import piq_metric, piq_part
from seiqa_features.extractors.registry import extractor
from seiqa_features.extractors.specs import Extract, ExtractorSpec, Output

if TYPE_CHECKING:
    import torch

Metric = Callable[["torch.Tensor", "torch.Tensor"], "torch.Tensor"]  # (dist, ref) [n, 3, H, W]
PIQ_MODULES = {"vif_p": "vif", "information_weighted_ssim": "iw_ssim"}  # others: the function
DCT, DSS_SIGMA, DSS_LEAST = 8, 1.55, 0.01  # DSS: side of a block, weights of its subbands
DSS_POOLING = (3, 1.5, 0.05)  # window and its deviation, share of the worst places
LICENCES = {
    "piq": "Apache-2.0",
    "pyiqa": "PolyForm-Noncommercial-1.0.0",
    "torch": "MIT (ours)",
}


def _piq(function: str, **options: object) -> Metric:
    metric = piq_metric(PIQ_MODULES.get(function, function), function)
    return partial(metric, data_range=1.0, reduction="none", **options)


def _mdsi() -> Metric:
    """MDSI in float64, as in its authors' code; float32 deviates, on some CPUs more than others."""
    metric = _piq("mdsi")
    return lambda dist, ref: metric(dist.double(), ref.double())


def _dss() -> Metric:
    """DSS in float64 on luma rounded to 8 bits, as in its authors' code.

    The steps are piq's; its own function asks the GPU at each subband whether its weight counts.
    """
    import torch

    from seiqa_features.extractors.common.tensors import grey

    parts = piq_part("dss")
    square = (torch.arange(1, DCT + 1, dtype=torch.float64) - 0.5) ** 2
    weight = (-(square[None] + square[:, None]) / (2 * DSS_SIGMA**2)).exp()
    weight = torch.where(weight < DSS_LEAST, 0, weight)
    share = weight / weight.sum() + torch.finfo(torch.float64).eps
    reach = -2 * DSS_SIGMA**2 * math.log(DSS_LEAST)
    bands = [
        (m, n) for m, n in product(range(DCT), repeat=2) if (m + 0.5) ** 2 + (n + 0.5) ** 2 <= reach
    ]

    def cosines(image: torch.Tensor) -> torch.Tensor:
        height, width = (side // DCT * DCT for side in image.shape[2:])
        whole: torch.Tensor = parts._dct_decomp(image[..., :height, :width] / 255 * 255, DCT)
        return whole

    def metric(dist: torch.Tensor, ref: torch.Tensor) -> torch.Tensor:
        d, r = (cosines(grey(image).double()) for image in (dist, ref))
        alike = torch.zeros(len(dist), DCT, DCT, device=dist.device)
        for m, n in bands:
            band = (..., slice(m, None, DCT), slice(n, None, DCT))
            alike[:, m, n] = parts._subband_similarity(d[band], r[band], m == n == 0, *DSS_POOLING)
        return (alike * share).sum(dim=(1, 2))

    return metric


def _pyiqa(name: str) -> Any:
    """The network class itself: pyiqa's `create_metric` would switch gradients off."""
    import torch

    architecture = import_module(f"pyiqa.archs.{name}_arch")
    net = getattr(architecture, name.upper())().eval()
    return net.to(torch.get_default_device())


def _nlpd() -> Metric:
    """NLPD on luma rounded to 8 bits, as in the authors' code; the library does not round."""
    from seiqa_features.extractors.common.tensors import grey

    metric = _pyiqa("nlpd")
    del metric.pad_sym
    metric.pad_sym = _mirrored  # the same border, without sending indices to the GPU

    def rounded(dist: torch.Tensor, ref: torch.Tensor) -> torch.Tensor:
        pair = (grey(image).expand(-1, 3, -1, -1) / 255 for image in (dist, ref))
        values: torch.Tensor = metric(*pair)
        return values

    return rounded


def _mirrored(image: torch.Tensor) -> torch.Tensor:
    """Bordered by 2 mirrored pixels a side, as a window of 5 with stride 1 needs them."""
    import torch

    for dim in (-2, -1):
        size = image.shape[dim]
        first, last = image.narrow(dim, 0, 2), image.narrow(dim, size - 2, 2)
        image = torch.cat([first.flip(dim), image, last.flip(dim)], dim=dim)
    return image


def _grey_mse() -> Metric:
    """Mean squared error of BT.601 luma in 0..255 rounded to 8 bits."""
    from seiqa_features.extractors.common.tensors import grey, wide

    return lambda dist, ref: wide(grey(dist) - grey(ref)).square().mean(dim=(1, 2, 3))


def _iw_ssim() -> Metric:
    """IW-SSIM; undefined if the reference is flat, because its covariance has no inverse."""
    import torch

    metric = _piq("information_weighted_ssim")

    def defined(dist: torch.Tensor, ref: torch.Tensor) -> torch.Tensor:
        try:
            return metric(dist, ref)
        except torch.linalg.LinAlgError:  # type: ignore[attr-defined]
            if len(dist) > 1:
                raise  # the caller then tries each pair by itself
            return dist.new_full((1,), torch.nan)

    return defined


def _register(
    name: str,
    load: Callable[[], Metric],
    *,
    library: str,
    colour: str,
    source: str,
    cost: float,
    identity: float,
    symmetric: bool = True,
    min_side: int = 16,
    version: int = 1,
    gpu: Literal["float32", "float64"] = "float32",
    gpu_note: str = "",
    waits: bool = False,
) -> None:
    value = Output(
        identity=identity,
        symmetric=symmetric,
        better="higher" if identity else "lower",
        metric=name,
        differentiable=True,
    )
    spec = ExtractorSpec(
        name=name,
        version=version,
        outputs={"value": value},
        colour=colour,
        libraries=tuple(dict.fromkeys(("torch", library))),
        licence=LICENCES[library],
        source=source,
        cost=cost,
        min_side=min_side,
        gpu=gpu,
        gpu_note=gpu_note,
        waits=waits,
    )

    def build() -> Extract:
        from seiqa_features.extractors.common.pairs import measured

        return measured(load())

    extractor(spec)(build)


RGB = "RGB, 0..1"
LUMA = "BT.601 luma from RGB 0..1"
LUMA8 = "BT.601 luma, rounded to 8 bits"

_register(
    "psnr", partial(_piq, "psnr"), library="piq", colour=RGB, cost=0.003, identity=80.0,
    source="peak signal-to-noise ratio in dB; 80 for equal pictures (mean-square error + 1e-8)",
)  # fmt: skip
_register(
    "grey_mse", _grey_mse, library="torch", colour=LUMA8, cost=0.001, identity=0.0,
    source="mean-square error, as the challenge's runner-up takes it; PSNR says the same in dB",
)  # fmt: skip
_register(
    "vif_p", partial(_piq, "vif_p"), library="piq", colour=LUMA, cost=0.08, identity=1.0,
    symmetric=False, min_side=41, source="Sheikh and Bovik, VIF, pixel-domain version, 2006",
)  # fmt: skip
_register(
    "vsi", partial(_piq, "vsi"), library="piq", colour="LMN and CIELAB from RGB", cost=0.05,
    identity=1.0, source="Zhang, Shen and Li, VSI, IEEE TIP 23(10), 2014",
)  # fmt: skip
_register(
    "nlpd", _nlpd, library="pyiqa", colour=LUMA8, cost=0.03, identity=0.0,
    min_side=64, source="Laparra et al., Normalized Laplacian Pyramid Distance, 2016",
)  # fmt: skip
_register(
    "haarpsi", partial(_piq, "haarpsi"), library="piq", colour="YIQ from RGB", cost=0.02,
    identity=1.0, source="Reisenhofer et al., HaarPSI, Signal Processing: IC 61, 2018",
)  # fmt: skip
_register(
    "mdsi", _mdsi, library="piq", colour="LHM from RGB", cost=0.02,
    identity=0.0, symmetric=False, version=2, gpu="float64",
    gpu_note="float32 misses the authors' values",
    source="Ziaei Nafchi et al., MDSI (sum), IEEE Access 4, 2016",
)  # fmt: skip
_register(
    "dss", _dss, library="piq", colour=LUMA8, cost=0.02, identity=1.0,
    min_side=32, version=2, gpu="float64", gpu_note="float32 misses the authors' values",
    source="Balanov et al., DCT Subbands Similarity, ICIP 2015",
)  # fmt: skip
_register(
    "iw_ssim", _iw_ssim, library="piq", colour=LUMA, cost=0.17,
    identity=1.0, symmetric=False, min_side=161, waits=True,
    gpu_note="waits for the eigenvalues of the covariance at four scales",
    source="Wang and Li, Information Content Weighting, IEEE TIP 20(5), 2011",
)  # fmt: skip
_register(
    "mad", partial(_pyiqa, "mad"), library="pyiqa", colour=LUMA8, cost=15.0, identity=0.0,
    symmetric=False, min_side=64, waits=True,
    gpu_note="waits, because the library selects by masks and sends its filters anew",
    source="Larson and Chandler, Most Apparent Distortion, J. Electronic Imaging 19(1), 2010",
)  # fmt: skip
