"""Pairs seen last, reduced and kept so that their heat maps can be drawn on request."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from weakref import ref as weak

import numpy as np
from PIL import Image

from seiqa_features.extraction.heatmap import VIEW, difference_map, overlay

COUNT = 16
"""Number of pairs that are kept: 25 MB at most."""


class RecentPairs:
    """Keeps the pictures of the last `COUNT` pairs.

    Keeping those of every pair could fill the memory, and drawing every map would cost more than
    most scores.
    """

    def __init__(self) -> None:
        self._pairs: deque[_Pair] = deque(maxlen=COUNT)

    def keep(self, ref: Image.Image, dist: Image.Image) -> Callable[[], Image.Image | None]:
        """Keep an RGB pair; the function draws its heat map, or gives None once it is forgotten."""
        pair = _Pair(ref, dist)
        self._pairs.append(pair)
        return partial(_drawn, weak(pair))


class _Pair:
    """Both pictures at the size of the difference map."""

    def __init__(self, ref: Image.Image, dist: Image.Image) -> None:
        size = VIEW.resized(ref.size)
        self.sides = [picture.resize(size, Image.Resampling.BICUBIC) for picture in (ref, dist)]


def _drawn(kept: weak[_Pair]) -> Image.Image | None:
    pair = kept()
    if pair is None:
        return None
    ref, dist = (np.asarray(side, np.float32) / np.float32(255) for side in pair.sides)
    return Image.fromarray(overlay(dist, difference_map(ref=ref, dist=dist)))
