"""Views: named geometric transforms, an image pair at the size an extractor looks at it.

``s256``    both images squeezed to a 256×256 square (as classifiers and the runner-up see them)
``max512``  longest side at most 512 pixels, aspect kept, never enlarged

The degraded image always takes the size of the reference's view, in one resampling from its own
pixels, so pairs whose sizes differ need no second step.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from PIL import Image

from seiqa_features.errors import UsageError
from seiqa_features.images import MIN_SIDE

_NAME = re.compile(r"(s|max)([1-9][0-9]{1,3})")


@dataclass(frozen=True)
class View:
    """A parsed view name. `size` is in pixels."""

    name: str
    square: bool
    size: int
    resampling: str = "bicubic, antialiased (Pillow)"  # part of the store's fingerprint

    @classmethod
    def parse(cls, name: str) -> View:
        """The view of that name.

        Raises:
            UsageError: the name is neither s<pixels> nor max<pixels>.
        """
        match = _NAME.fullmatch(name)
        if match is None:
            raise UsageError(f"view {name!r} does not exist; expected e.g. s256 or max512")
        return cls(name, match[1] == "s", int(match[2]))

    def target(self, ref_size: tuple[int, int]) -> tuple[int, int]:
        """(width, height) of both images in this view, from the reference's (width, height)."""
        if self.square:
            return self.size, self.size
        scale = min(1.0, self.size / max(ref_size))
        # A strip of 16×2000 pixels keeps its 16: below that most metrics are undefined.
        width, height = (max(MIN_SIDE, round(side * scale)) for side in ref_size)
        return width, height


def to_array(image: Image.Image, size: tuple[int, int]) -> np.ndarray:
    """float32 [3, H, W] in 0..1 of an RGB image, resampled to (width, height) if need be."""
    if image.size != size:
        image = image.resize(size, Image.Resampling.BICUBIC)
    return np.ascontiguousarray(np.asarray(image).transpose(2, 0, 1), dtype=np.float32) / 255
