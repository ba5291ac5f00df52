"""CW-SSIM and VIF, computed from only the wavelet bands they use.

The library builds a whole steerable pyramid of both pictures for every pair: 26 bands although VIF
uses 8, five levels although CW-SSIM uses one. Here only those are built, and those of a reference
once for all its degraded versions. Tests compare the values with the library's and the authors'.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import factorial
from typing import TYPE_CHECKING, Any

from seiqa_features.extractors.registry import extractor
from seiqa_features.extractors.specs import SIMILARITY, Extract, ExtractorSpec

if TYPE_CHECKING:
    import torch

LEVEL, ORIENTATIONS = 4, 8  # CW-SSIM: the published code compares the fourth level's bands
BOX = 7


@extractor(
    ExtractorSpec(
        name="cw_ssim",
        version=1,
        outputs={"value": replace(SIMILARITY, metric="cw_ssim")},
        colour="BT.601 luma, rounded to 8 bits",
        libraries=("torch",),
        licence="MIT (ours)",
        source="Sampat et al., Complex Wavelet Structural Similarity, IEEE TIP 18(11), 2009;"
        " filters: Portilla and Simoncelli, IJCV 40(1), 2000",
        cost=0.02,
        min_side=BOX * 2 ** (LEVEL - 1),
        gpu="float32",
    )
)
def cw_ssim() -> Extract:
    """CW-SSIM with K = 0, its map weighted by a centred Gaussian as in the authors' code."""
    import torch
    from torch.nn import functional as F

    from seiqa_features.extractors.common.pairs import Description, compared
    from seiqa_features.extractors.common.tensors import grey, wide

    def filters(height: int, width: int) -> tuple[torch.Tensor, tuple[slice, slice]]:
        """Filters of the oriented bands [8, h, w] and the crop of the spectrum they apply to."""
        rows, columns = _crop(height), _crop(width)
        y = _frequencies(height)[rows, None]
        x = _frequencies(width)[None, columns]
        angle, radius = torch.atan2(y, x), torch.hypot(x, y)
        least = torch.where(radius > 0, radius, torch.inf).min()
        octave = torch.log2(torch.maximum(radius, least))
        radial = torch.cos(torch.pi / 2 * (octave + LEVEL).clamp(-1, 0))
        for level in range(LEVEL):
            radial = radial * torch.sin(torch.pi / 2 * (-octave - level).clamp(0, 1))
        power = ORIENTATIONS - 1
        scale = 2 ** (2 * power) * factorial(power) ** 2 / (ORIENTATIONS * factorial(2 * power))
        turned = angle - torch.arange(ORIENTATIONS)[:, None, None] * torch.pi / ORIENTATIONS
        lobe = torch.cos(turned).clamp(min=0) ** power
        return 2 * scale**0.5 * lobe * radial, (rows, columns)

    def bands(images: torch.Tensor) -> Description:
        """The responses of the oriented filters, complex [n, 8, h, w]."""
        bank, (rows, columns) = filters(*images.shape[2:])
        spectrum = torch.fft.fft2(wide(grey(images)))
        spectrum = torch.fft.fftshift(spectrum, dim=(-2, -1))[..., rows, columns]
        response = bank.to(spectrum.real.dtype) * spectrum
        return (torch.fft.ifft2(torch.fft.ifftshift(response, dim=(-2, -1))),)

    def box(field: torch.Tensor) -> torch.Tensor:
        return F.avg_pool2d(field, BOX, stride=1)

    def compare(ref: Description, dist: Description) -> dict[str, torch.Tensor]:
        [r], [d] = ref, dist
        cross = d * r.conj()
        energy = box(d.abs().square() + r.abs().square())
        similarity = 2 * torch.hypot(box(cross.real), box(cross.imag)) / energy
        weights = [
            torch.exp(
                -((torch.arange(n) - (n - 1) / 2).double() ** 2) / (2 * (r.shape[2] / 4) ** 2)
            )
            for n in similarity.shape[2:]
        ]
        window = weights[0][:, None] * weights[1][None]
        return {"value": (similarity * (window / window.sum())).sum(dim=(2, 3)).mean(dim=1)}

    return compared(bands, compare)


def _frequencies(n: int) -> torch.Tensor:
    """Frequencies of the shifted DFT, −1 (Nyquist) to just under 1."""
    import torch

    return (torch.arange(n) - n // 2).double() / (n / 2)


def _crop(n: int) -> slice:
    """The low frequencies that remain after the pyramid has halved the picture three times."""
    start, size = 0, n
    for _ in range(LEVEL - 1):
        kept = (size + 1) // 2
        start += size // 2 - kept // 2
        size = kept
    return slice(start, start + size)


@extractor(
    ExtractorSpec(
        name="vif",
        version=2,
        outputs={"value": replace(SIMILARITY, symmetric=False, metric="vif")},
        colour="BT.601 luma, rounded to 8 bits",
        libraries=("torch", "pyiqa"),
        licence="PolyForm-Noncommercial-1.0.0",
        source="Sheikh and Bovik, Image Information and Visual Quality, IEEE TIP 15(2), 2006",
        cost=0.12,
        min_side=96,
        gpu="float64",
        gpu_note="inverts a nearly singular covariance, and waits for its eigenvalues",
        waits=True,
    )
)
def vif() -> Extract:
    """VIF over two orientations of four levels, with the library's channel and source models.

    The source model is in float64, as in the authors' code: inverting a nearly singular covariance
    in float32 differs between CPUs and changes VIF by up to 4e-4.
    """
    import torch
    from pyiqa.archs.vif_arch import VIF, sp5_filters
    from torch.nn import functional as F

    from seiqa_features.extractors.common.pairs import Description, compared
    from seiqa_features.extractors.common.tensors import grey

    class StridedVIF(VIF):  # type: ignore[misc]
        """The library's model, but window sums are computed only on its grid of step 3."""

        def corrDn_win(self, image, filt, step, channels, start, end):  # type: ignore  # noqa: ARG002, N802
            reach = len(filt) // 2
            padded = F.pad(image, (reach,) * 4, "reflect")
            rows, columns = (slice(a, b + 2 * reach) for a, b in zip(start, end, strict=True))
            kernel = torch.from_numpy(filt).to(image)[None, None]
            return F.conv2d(padded[..., rows, columns], kernel, stride=step)

    def correlate(image: torch.Tensor, kernel: Any, step: int = 1) -> torch.Tensor:
        padded = F.pad(image, ((len(kernel) - 1) // 2,) * 4, "reflect")
        return F.conv2d(padded, torch.from_numpy(kernel).to(image)[None, None], stride=step)

    model, kernels = StridedVIF(), sp5_filters()
    oriented = kernels["bfilts"].T.reshape(model.ori + 1, 7, 7).transpose(0, 2, 1)
    per_level = len(oriented)
    count = len(model.subbands)

    def pyramid(image: torch.Tensor) -> Description:
        """The used bands, coarse to fine."""
        bands: dict[int, torch.Tensor] = {}
        low = correlate(grey(image), kernels["lo0filt"])
        for level in range(model.level):
            for position in range(1, per_level + 1):
                place = (model.level - 1 - level) * per_level + position
                if place + 1 in model.subbands:
                    bands[place] = correlate(low, oriented[per_level - position])
            low = correlate(low, kernels["lofilt"], step=2)
        return tuple(bands[place] for place in sorted(bands))

    def placed(bands: Sequence[torch.Tensor]) -> list[torch.Tensor | None]:
        """The bands where the library looks for them."""
        found = dict(zip(model.subbands, bands, strict=True))
        return [found.get(place) for place in range(1, 1 + max(found))]

    def source(image: torch.Tensor) -> Description:
        """The bands of references and their model: local variance fields, then eigenvalues."""
        bands = pyramid(image)
        fields, eigenvalues, _ = model.refparams_vecgsm(placed([band.double() for band in bands]))
        return (*bands, *fields, *eigenvalues)

    def information(ref: Description, dist: Description) -> dict[str, torch.Tensor]:
        """Information kept by the degraded picture, divided by the information in the reference.

        Undefined (NaN) if the reference is flat and contains no information.
        """
        kept, held = [], []
        gains, noises = model.vifsub_est_M(placed(ref[:count]), placed(dist))
        parts = gains, noises, ref[count : 2 * count], ref[2 * count :]
        for subband, gain, noise, field, eigen in zip(model.subbands, *parts, strict=True):
            window = 2 ** -(-(subband - 1) // per_level) + 1
            border = -(-(window - 1) // (2 * model.M))
            inner = (..., slice(border, -border), slice(border, -border))
            energy = field[inner][..., None] * eigen[:, :, None, None]
            gained = gain[inner].square()[..., None] * energy
            known = torch.log2(1 + gained / (noise[inner][..., None] + model.sigma_nsq))
            kept.append(known.flatten(1).sum(dim=1))
            held.append(torch.log2(1 + energy / model.sigma_nsq).flatten(1).sum(dim=1))
        return {"value": torch.stack(kept).sum(dim=0) / torch.stack(held).sum(dim=0)}

    return compared(pyramid, information, describe_ref=source)
