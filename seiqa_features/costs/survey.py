"""What a plan needs to know about the pairs and this machine, without decoding a picture."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

import numpy as np
from PIL import Image

from seiqa_features.costs.pairs import USUAL, Core, PairSize
from seiqa_features.datasets.pairs import Pair
from seiqa_features.errors import DataError
from seiqa_features.extractors.registry import get_extractor
from seiqa_features.extractors.specs import ExtractorSpec, Resources
from seiqa_features.pictures.views import View
from seiqa_features.threads import on_one_core
from seiqa_features.weights.places import installed

SAMPLE = 200
MOST_SECONDS = 1.0
"""Extractors that take longer are not measured."""

ROUNDS = 3


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
def measured_core(specs: Iterable[ExtractorSpec]) -> Core:
    """A core of this machine: seconds of each of these extractors that is quick and needs no fetch.

    Other extractors, decoding and resizing are taken to differ by the median ratio. By the
    processor's time, which other programs do not change much; takes some seconds.
    """
    import torch

    ref, dist = _natural_pair()
    seconds, ratios = {}, []
    for spec in sorted(set(specs), key=lambda spec: spec.name):
        files = {weight.name: installed(weight) for weight in spec.weights}
        found = {name: path for name, path in files.items() if path is not None}
        if spec.cost > MOST_SECONDS or len(found) < len(files):
            continue
        view = View.parse(spec.usual_view)
        pixels = [view.prepare(image, USUAL, spec.resampling) for image in (ref, dist)]
        one, other = (torch.from_numpy(crops).float() / 255 for crops in pixels)
        work = get_extractor(spec.name).build(Resources(weights=found))
        times = []
        with torch.inference_mode():
            for _ in range(ROUNDS):
                started = time.thread_time()
                work(ref=one, dist=other, ref_index=torch.arange(len(one)))
                times.append(time.thread_time() - started)
        seconds[spec.name] = min(times)
        ratios.append(seconds[spec.name] / spec.cost)
    return Core(seconds, slowness=float(np.median(ratios)) if ratios else 1.0)


def _natural_pair() -> tuple[Image.Image, Image.Image]:
    """Two pictures, the second with noise, whose spectra fall as those of photographs do (1/f)."""
    rng = np.random.default_rng(0)
    width, height = USUAL
    across, down = np.fft.rfftfreq(width), np.fft.fftfreq(height)
    frequency = np.hypot(across[None], down[:, None])
    frequency[0, 0] = np.inf
    spectrum = np.fft.rfft2(rng.normal(size=(3, height, width))) / frequency
    ref = np.fft.irfft2(spectrum, (height, width)).transpose(1, 2, 0)
    ref = 128 + 50 * ref / ref.std()
    dist = ref + rng.normal(0, 12, ref.shape)
    one, other = (Image.fromarray(np.clip(side, 0, 255).astype(np.uint8)) for side in (ref, dist))
    return one, other
