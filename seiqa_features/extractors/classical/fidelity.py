"""Full-reference metrics as computed by the libraries, one number per pair.

If pyiqa and piq both have a metric, the one that agrees with the authors' values and is faster is
used. SSIM, MS-SSIM and GMSD are in `local.py` (their maps are features too), CW-SSIM and VIF in
`wavelet.py`, FSIM and SR-SIM in `saliency.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from seiqa_features.extractors.classical.piq_parts import piq_part
from seiqa_features.extractors.registry import extractor
from seiqa_features.extractors.specs import Extract, ExtractorSpec, Output

if TYPE_CHECKING:
    import torch

Metric = Callable[["torch.Tensor", "torch.Tensor"], "torch.Tensor"]  # (dist, ref) [1, 3, H, W]
PIQ_MODULES = {"vif_p": "vif", "information_weighted_ssim": "iw_ssim"}  # others: the function
LICENCES = {
    "piq": "Apache-2.0",
    "pyiqa": "PolyForm-Noncommercial-1.0.0",
    "torch": "MIT (ours)",
}


def _piq(function: str, **options: object) -> Metric:
    module = piq_part(PIQ_MODULES.get(function, function))
    return partial(getattr(module, function), data_range=1.0, reduction="none", **options)


def _mdsi() -> Metric:
    """MDSI in float64, as in its authors' code; float32 deviates, on some CPUs more than others."""
    metric = _piq("mdsi")
    return lambda dist, ref: metric(dist.double(), ref.double())


def _dss() -> Metric:
    """DSS in float64 on luma rounded to 8 bits, as in its authors' code."""
    from seiqa_features.extractors.common.tensors import grey

    metric = _piq("dss")
    return lambda dist, ref: metric(*(grey(image).double() / 255 for image in (dist, ref)))


def _pyiqa(name: str) -> Metric:
    import pyiqa

    metric: Metric = pyiqa.create_metric(name, device="cpu").net  # without the wrapper's no_grad
    return metric


def _nlpd() -> Metric:
    """NLPD on luma rounded to 8 bits, as in the authors' code; the library does not round."""
    from seiqa_features.extractors.common.tensors import grey

    metric = _pyiqa("nlpd")

    def rounded(dist: torch.Tensor, ref: torch.Tensor) -> torch.Tensor:
        return metric(*(grey(image).expand(-1, 3, -1, -1) / 255 for image in (dist, ref)))

    return rounded


def _grey_mse() -> Metric:
    """Mean squared error of BT.601 luma in 0..255 rounded to 8 bits."""
    from seiqa_features.extractors.common.tensors import grey

    return lambda dist, ref: (grey(dist) - grey(ref)).double().square().mean()


def _iw_ssim() -> Metric:
    """IW-SSIM; undefined if the reference is flat, because its covariance has no inverse."""
    import torch

    metric = _piq("information_weighted_ssim")

    def defined(dist: torch.Tensor, ref: torch.Tensor) -> torch.Tensor:
        try:
            return metric(dist, ref)
        except torch.linalg.LinAlgError:  # type: ignore[attr-defined]
            return torch.full((1,), torch.nan)

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
    )

    def build() -> Extract:
        import torch

        metric = load()

        # One pair at a time: the rounding of some of these kernels depends on the batch size.
        def extract(
            *, ref: torch.Tensor, dist: torch.Tensor, ref_index: torch.Tensor
        ) -> dict[str, torch.Tensor]:
            values = [
                metric(dist[i : i + 1], ref[r : r + 1]).reshape(1)
                for i, r in enumerate(ref_index.tolist())
            ]
            return {"value": torch.cat(values).double()}

        return extract

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
    identity=0.0, symmetric=False, version=2,
    source="Ziaei Nafchi et al., MDSI (sum), IEEE Access 4, 2016",
)  # fmt: skip
_register(
    "dss", _dss, library="piq", colour=LUMA8, cost=0.02, identity=1.0,
    min_side=32, version=2, source="Balanov et al., DCT Subbands Similarity, ICIP 2015",
)  # fmt: skip
_register(
    "iw_ssim", _iw_ssim, library="piq", colour=LUMA, cost=0.17,
    identity=1.0, symmetric=False, min_side=161,
    source="Wang and Li, Information Content Weighting, IEEE TIP 20(5), 2011",
)  # fmt: skip
_register(
    "mad", partial(_pyiqa, "mad"), library="pyiqa", colour=LUMA8, cost=15.0, identity=0.0,
    symmetric=False, min_side=64,
    source="Larson and Chandler, Most Apparent Distortion, J. Electronic Imaging 19(1), 2010",
)  # fmt: skip
