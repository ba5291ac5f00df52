"""A job, a pair of pictures and what is to be computed of it, and what comes of it.

Several workers may share a pair.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from threading import Lock
from typing import ParamSpec, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from seiqa_features.pictures.registration.realigning import realigned
from seiqa_features.table.keys import PairKey
from seiqa_features.table.recipe import Block

P = ParamSpec("P")
T = TypeVar("T")

Rows = dict[Block, list[dict[str, object]]]

Crops = NDArray[np.uint8]
"""A picture in a view, uint8 [K, 3, H, W]; K > 1 for a grid or tiles."""

Load = Callable[[], Image.Image]
"""Returns an RGB picture or raises DataError."""


@dataclass(frozen=True)
class Job:
    """One pair of pictures and its missing blocks. Equal keys mean equal pictures.

    ``realigned`` moves the degraded picture (its second argument) back onto the reference, at most
    as long as the third (`seiqa_features.pictures.registration.realigning`).
    """

    key: PairKey
    pair_id: str
    ref: Load
    dist: Load
    blocks: tuple[Block, ...]
    realigned: Callable[[Image.Image, Image.Image, int], Image.Image] = realigned

    def divided(self, parts: Sequence[Sequence[Block]]) -> list[Job]:
        """A job for each part of the blocks; they share what is done with the pictures."""
        realigned = _once(self.realigned, lambda *pictures_and_side: pictures_and_side[-1])
        shared = replace(self, ref=_once(self.ref), dist=_once(self.dist), realigned=realigned)
        return [replace(shared, blocks=tuple(part)) for part in parts]


@dataclass(frozen=True)
class Prepared:
    """One pair in one view, waiting for the GPU. `seconds` is the preparation time."""

    job: Job
    ref: Crops
    dist: Crops
    seconds: float


@dataclass
class Result:
    """Result of a task: rows by block, views for the GPU, and one line per failed pair."""

    rows: Rows = field(default_factory=dict)
    prepared: dict[Block, list[Prepared]] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)

    @cached_property
    def size(self) -> int:
        """Bytes of the pictures that wait for the GPU; blocks of a look share them."""
        looks = {id(pairs): pairs for pairs in self.prepared.values()}.values()
        arrays = (array for pairs in looks for pair in pairs for array in (pair.ref, pair.dist))
        return sum({id(array): array.nbytes for array in arrays}.values())


def _once(function: Callable[P, T], key: Callable[P, int] = lambda *_, **__: 0) -> Callable[P, T]:
    """The function, called by the first of several threads that need its result for a key."""
    lock = Lock()
    found: dict[int, T] = {}

    def result(*args: P.args, **kwargs: P.kwargs) -> T:
        which = key(*args, **kwargs)
        with lock:
            if which not in found:
                found[which] = function(*args, **kwargs)
        return found[which]

    return result
