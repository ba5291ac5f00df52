"""Whether a pair may have been given in swapped order, judged by which picture is sharper."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

SIDE = 512  # pixels; larger pictures are reduced to it
RADIUS = 1.5
"""Standard deviation in pixels of the Gaussian that separates fine detail from the rest."""

SHARPER = 1.5
"""How much stronger the detail must be in the degraded picture: blur gives 2 and more."""


def reference_is_blurrier(ref: Image.Image, dist: Image.Image) -> bool:
    """Whether the detail of the degraded picture is that of the reference, but stronger.

    The gain of the detail, a regression of one picture's on the other's, is compared with that of
    the coarse structure. Noise and artefacts do not count, because they are uncorrelated with the
    reference; nor does a change of contrast, because it amplifies both alike.

    Parameters
    ----------
    ref, dist : Image.Image
        RGB; the degraded one is resized to the reference.
    """
    scale = min(1.0, SIDE / max(ref.size))
    size = (max(1, round(ref.width * scale)), max(1, round(ref.height * scale)))
    fine, coarse = [], []
    for picture in (ref, dist):
        grey = picture.convert("L").resize(size, Image.Resampling.BICUBIC)
        smooth = np.asarray(grey.filter(ImageFilter.GaussianBlur(RADIUS)), np.float64)
        fine.append(np.asarray(grey, np.float64) - smooth)
        coarse.append(smooth - smooth.mean())
    return _gain(*fine) > SHARPER * max(_gain(*coarse), 1.0)


def _gain(ref: NDArray[np.float64], dist: NDArray[np.float64]) -> float:
    """Slope of the regression through 0 of the second on the first; 0 if the first is flat."""
    power = float((ref * ref).sum())
    return float((ref * dist).sum()) / power if power else 0.0
