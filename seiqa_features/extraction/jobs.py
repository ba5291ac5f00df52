"""A job: a pair of pictures and what is to be computed of it; several workers may share a pair."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from threading import Lock
from typing import ParamSpec, TypeVar

from PIL import Image

from seiqa_features.pictures.registration.realigning import realigned
from seiqa_features.table.keys import PairKey
from seiqa_features.table.recipe import Block

P = ParamSpec("P")
T = TypeVar("T")

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
