"""Views: named geometric transforms that resize an image pair for an extractor.

``s256``        both images squeezed to a 256×256 square
``c224``        shortest side resized to 224, then the central 224×224 (as in CLIP)
``min224``      shortest side resized to 224, aspect kept up to 4:1 and squeezed beyond that
``max512``      longest side at most 512 pixels, aspect kept, never enlarged
``pad224``      longest side resized to 224, aspect kept, centred on a black 224×224 square
``full``        the size of the reference
``grid224x4``   crops of 224×224 that cover the picture, at most 4 along a side: a larger picture is
                first scaled down to 4·224, a smaller one up to 224. A small change in a large
                picture, lost in ``s224``, fills a large part of a crop.
``tiles512``    tiles of 512×512 that cover the picture at the size of the reference, however large
                it is; of a side below 512 they take the whole. A picture of one tile is seen as in
                ``full``.

``s224_lanczos`` uses a filter other than the extractor's own. In ``max512_aligned`` a degraded
image that was shifted, turned, mirrored, cropped, framed or bent is first moved back onto the
reference, so that a shift by a pixel is no damage
(`seiqa_features.pictures.registration.realigning`). The degraded image always gets the geometry of
the reference by a single resampling from its original pixels, so that pairs of different sizes need
no second step.
"""

from __future__ import annotations

import math
import re
from dataclasses import asdict, dataclass
from typing import Literal, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from seiqa_features.errors import UsageError
from seiqa_features.pictures.decoding import MAX_PIXELS, MIN_SIDE
from seiqa_features.pictures.registration import VERSION

Resampling: TypeAlias = Literal["bicubic", "bilinear", "lanczos"]

LONGEST = 4
"""Maximum aspect ratio of a ``min`` view."""

SMALLEST_TILE = 128
"""Of smaller tiles, a large picture would have thousands."""

LEAST_MOVED = 2048
"""Pictures no longer than that are moved back as they are."""

Kind = Literal["s", "c", "min", "max", "pad", "grid", "tiles"]

_NAME = re.compile(
    r"(s|c|min|max|pad|grid|tiles)([1-9][0-9]{1,3})(?:x([1-9]))?"
    r"(?:_(bicubic|bilinear|lanczos))?(_aligned)?"
)
_FILTERS = {
    "bicubic": Image.Resampling.BICUBIC,
    "bilinear": Image.Resampling.BILINEAR,
    "lanczos": Image.Resampling.LANCZOS,
}


@dataclass(frozen=True)
class View:
    """A parsed view name. `size` is in pixels, `per_side` limits crops (1 except for a grid).

    If `aligned`, the degraded picture is moved back onto the reference before it is prepared.
    """

    name: str
    kind: Kind
    size: int
    per_side: int = 1
    resampling: Resampling | None = None
    aligned: bool = False

    @classmethod
    def parse(cls, name: str) -> View:
        """The view of that name.

        Raises
        ------
        UsageError
            There is no view of that name.
        """
        if name in ("full", "full_aligned"):
            return cls(name, "max", MAX_PIXELS, aligned=name != "full")
        match = _NAME.fullmatch(name)
        if match is None or (match[1] == "grid") != (match[3] is not None):
            raise UsageError(
                f"view {name!r} does not exist; expected e.g. s256, c224, max512, grid224x4 or"
                " tiles512"
            )
        kind = cast(Kind, match[1])
        if kind == "tiles" and int(match[2]) < SMALLEST_TILE:
            raise UsageError(f"view {name!r}: expected tiles of {SMALLEST_TILE} pixels or more")
        resampling = cast(Resampling, match[4])
        return cls(name, kind, int(match[2]), int(match[3] or 1), resampling, match[5] is not None)

    @property
    def described(self) -> dict[str, object]:
        """What determines the prepared pixels, in JSON-compatible form."""
        said = asdict(self)
        if said.pop("aligned"):
            said["aligned"] = VERSION
        return said

    @property
    def square(self) -> bool:
        """Whether the extractor input is always `size`×`size`."""
        return self.kind not in ("min", "max", "tiles")

    @property
    def cropped(self) -> bool:
        """Whether a picture becomes any number of crops, whose values are pooled."""
        return self.kind in ("grid", "tiles")

    def crops(self, ref_size: tuple[int, int]) -> tuple[int, int, int]:
        """How many crops a picture of (width, height) becomes, and the width and height of each."""
        width, height = self.resized(ref_size)
        if self.kind == "c":
            return 1, self.size, self.size
        if not self.cropped:
            return 1, width, height
        count = -(-width // self.size) * -(-height // self.size)
        return count, min(self.size, width), min(self.size, height)

    def prepare(
        self, image: Image.Image, ref_size: tuple[int, int], resampling: Resampling
    ) -> NDArray[np.uint8]:
        """The picture's crops in this view, uint8 [K, 3, H, W]; K is 1 unless it is `cropped`.

        Parameters
        ----------
        image : Image.Image
            RGB.
        ref_size : tuple[int, int]
            (width, height) of the pair's reference, which determines the geometry.
        resampling : Resampling
            Filter to use unless the view specifies one.
        """
        size = self.resized(ref_size)
        if image.size != size:
            image = image.resize(size, _FILTERS[self.resampling or resampling])
        if self.kind == "pad":
            square = Image.new("RGB", (self.size, self.size))
            square.paste(image, ((self.size - size[0]) // 2, (self.size - size[1]) // 2))
            image = square
        pixels = np.asarray(image).transpose(2, 0, 1)
        if self.kind in ("s", "min", "max", "pad"):
            return np.ascontiguousarray(pixels[None])
        _, width, height = self.crops(ref_size)
        rows, columns = self.offsets(size[1]), self.offsets(size[0])
        return np.stack([pixels[:, y : y + height, x : x + width] for y in rows for x in columns])

    def resized(self, ref_size: tuple[int, int]) -> tuple[int, int]:
        """(width, height) of the whole picture before it is cropped."""
        if self.kind == "tiles":
            return ref_size
        if self.kind == "s":
            return self.size, self.size
        if self.kind == "c":  # the long side rounds down, as in torchvision's Resize
            short = min(ref_size)
            width, height = (side * self.size // short for side in ref_size)
            return width, height
        if self.kind == "min":
            short = min(ref_size)
            width, height = (
                min(round(side * self.size / short), LONGEST * self.size) for side in ref_size
            )
            return width, height
        if self.kind == "pad":
            width, height = (max(1, round(side * self.size / max(ref_size))) for side in ref_size)
            return width, height
        smallest = MIN_SIDE if self.kind == "max" else self.size
        scale = min(1.0, self.size * self.per_side / max(ref_size))
        # A strip of 16×2000 pixels keeps its short side: below 16 most metrics are undefined.
        width, height = (max(smallest, round(side * scale)) for side in ref_size)
        return width, height

    def moving_side(self, ref_size: tuple[int, int]) -> int:
        """Longest side in pixels of the pictures that an aligned view moves back.

        From far larger pictures, a small view would be no different, but slow. Few different sides
        are used, so that views share what is moved back.
        """
        share = max(
            side / whole for side, whole in zip(self.resized(ref_size), ref_size, strict=True)
        )
        return max(LEAST_MOVED, 1 << math.ceil(math.log2(4 * share * max(ref_size))))

    def offsets(self, side: int) -> list[int]:
        """Start positions of the crops along a side of the resized picture."""
        if self.kind == "c":
            return [round((side - self.size) / 2)]
        count = -(-side // self.size)  # a tile may be larger than the side: then it starts at 0
        return [round(i * max(0, side - self.size) / max(1, count - 1)) for i in range(count)]
