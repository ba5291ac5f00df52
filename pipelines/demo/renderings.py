"""The demo's pictures with human scores: eight scenes of LIVE, degraded with its own settings.

The folder `live` holds the reference pictures, LIVE's scores of 178 degraded versions, and the
licence. The degraded pictures are made here, by the processes and settings that LIVE publishes:

===========  ============  ======================================================================
jpeg         exact         all pixels as in LIVE (libjpeg, 4:2:0, LIVE's quality)
gblur        exact         all pixels as in LIVE but for ties in rounding, one sample in 100 000
wn           statistical   LIVE's sigma, another realisation of the noise
jp2k         same coder    LIVE's bit rate; OpenJPEG in place of Kakadu
fastfading   original      LIVE's own pictures, stored in the folder
===========  ============  ======================================================================

Source: Sheikh, Wang, Cormack, Bovik, "LIVE Image Quality Assessment Database Release 2";
`live/LICENSE.txt` has its notice.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files

import numpy as np
from PIL import Image
from scipy.ndimage import correlate1d

RGBImage = np.typing.NDArray[np.uint8]

LIVE = files("pipelines.demo") / "live"

BITS_PER_PIXEL = 24
"""Bits per pixel of an uncompressed RGB picture."""


@dataclass(frozen=True)
class Rated:
    """One degraded picture and its score by LIVE's observers.

    Attributes
    ----------
    scene : str
    picture : str
        LIVE's name for it within its kind, such as img36.
    kind : str
        jpeg, gblur, wn, jp2k or fastfading.
    setting : float
        Quality (jpeg), sigma in pixels (gblur), sigma of 1 (wn), bits per pixel (jp2k); 0 for
        fastfading, which has none.
    dmos : float
        Difference mean opinion score: 0 as good as the reference, about 100 the worst.
    ssim : float
        SSIM of the picture and its reference as published by SSIM's authors for LIVE, for checking
        renderings.
    status : str
        exact, statistical, same coder or original.
    """

    scene: str
    picture: str
    kind: str
    setting: float
    dmos: float
    ssim: float
    status: str


def rated_pictures() -> Iterator[Rated]:
    """All rated pictures, scene by scene."""
    for row in csv.DictReader((LIVE / "scores.csv").read_text("utf-8").splitlines()):
        yield Rated(
            row["scene"],
            row["picture"],
            row["kind"],
            float(row["param"] or 0),
            float(row["DMOS"]),
            float(row["ssim"]),
            row["status"],
        )


def reference(scene: str) -> RGBImage:
    """A scene's undistorted picture, uint8 [H, W, 3]."""
    return _stored(scene)


def render(ref: RGBImage, rated: Rated) -> RGBImage:
    """The degraded picture uint8 [H, W, 3] of a scene's reference."""
    if rated.kind == "fastfading":
        return _stored(f"fastfading_{rated.picture}")
    return _PROCESSES[rated.kind](ref, rated)


def _jpeg(ref: RGBImage, rated: Rated) -> RGBImage:
    return _coded(ref, "JPEG", quality=int(rated.setting), subsampling="4:2:0")


def _gblur(ref: RGBImage, rated: Rated) -> RGBImage:
    """Blur with radius three sigma and zero padding: LIVE's blurred pictures have a dark rim."""
    radius = int(3 * rated.setting + 0.5)
    kernel = np.exp(-(np.arange(-radius, radius + 1) ** 2) / (2 * rated.setting**2))
    kernel /= kernel.sum()
    rows = correlate1d(ref.astype(np.float64), kernel, 0, mode="constant")
    return _to_uint8(correlate1d(rows, kernel, 1, mode="constant"))


def _wn(ref: RGBImage, rated: Rated) -> RGBImage:
    seed = int(rated.picture.removeprefix("img"))
    # The legacy generator, whose stream is guaranteed never to change.
    noise = np.random.RandomState(seed).standard_normal(ref.shape)
    return _to_uint8(ref + 255 * rated.setting * noise)


def _jp2k(ref: RGBImage, rated: Rated) -> RGBImage:
    return _coded(
        ref,
        "JPEG2000",
        quality_mode="rates",
        quality_layers=[BITS_PER_PIXEL / rated.setting],
        irreversible=True,  # the 9/7 wavelet
        mct=1,
        num_resolutions=6,
        codeblock_size=(64, 64),
        no_jp2=True,
        comment="",
    )


_PROCESSES = {"jpeg": _jpeg, "gblur": _gblur, "wn": _wn, "jp2k": _jp2k}


def _coded(picture: RGBImage, codec: str, **options: object) -> RGBImage:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, codec, **options)
    return np.asarray(Image.open(buffer).convert("RGB"))


def _stored(name: str) -> RGBImage:
    with (LIVE / f"{name}.webp").open("rb") as file:
        return np.asarray(Image.open(file).convert("RGB"))


def _to_uint8(values: np.typing.NDArray[np.float64]) -> RGBImage:
    return np.clip(np.floor(values + 0.5), 0, 255).astype(np.uint8)
