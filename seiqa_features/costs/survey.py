"""What a plan needs to know about the pairs and this machine, without decoding a picture."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
from PIL import Image

from seiqa_features.costs.pairs import PairSize
from seiqa_features.datasets.pairs import Pair
from seiqa_features.errors import DataError
from seiqa_features.extractors.registry import get_extractor
from seiqa_features.extractors.specs import Resources
from seiqa_features.threads import on_one_core

SAMPLE = 200
YARDSTICK = "ssim"
"""Extractor whose time on this machine is compared with its spec's."""

ROUNDS = 5


def sizes_of(pairs: Sequence[Pair]) -> list[PairSize]:
    """Sizes of at most `SAMPLE` evenly spread pairs, from the headers of their files.

    Raises
    ------
    DataError
        None of these files is a picture.
    """
    sizes, problems = [], []
    for pair in pairs[:: max(1, -(-len(pairs) // SAMPLE))]:
        try:
            with Image.open(pair.ref) as picture:
                sizes.append(PairSize(*picture.size, pair.dist.suffix))
        except (OSError, ValueError, Image.DecompressionBombError) as error:
            problems.append(f"{pair.ref}: cannot be read as a picture ({error})")
    if not sizes:
        raise DataError(problems or ["there are no pairs"])
    return sizes


@on_one_core
def slowness() -> float:
    """How many times as long a core of this machine takes as the one that costs were measured on.

    By the processor's time, which other programs do not change much; takes half a second.
    """
    import torch

    entry = get_extractor(YARDSTICK)
    work = entry.build(Resources())
    rng = np.random.default_rng(0)
    ref, dist = (torch.from_numpy(rng.random((1, 3, 384, 512), np.float32)) for _ in range(2))
    seconds = []
    with torch.inference_mode():
        for _ in range(ROUNDS):
            started = time.thread_time()
            work(ref=ref, dist=dist, ref_index=torch.tensor([0]))
            seconds.append(time.thread_time() - started)
    return min(seconds) / entry.spec.cost
