"""TID2013 as its authors distribute it: 25 references × 24 distortions × 5 levels.

    reference_images/I01.BMP …      distorted_images/i01_01_1.bmp …      mos_with_names.txt

A row of mos_with_names.txt is "5.51429 i01_01_1.bmp"; the name of the picture begins with that of
its reference, and the number after it is the kind of distortion. TID2008 has the same layout and
scale and the first 17 kinds, and is also read.

Scale: MOS, 0 to 9, higher is better.
Source: Ponomarenko et al., "Image database TID2013: Peculiarities, results and perspectives",
Signal Processing: Image Communication 30, 2015.
Terms: free for research and education with citation; the references are crops of Kodak pictures.
"""

from __future__ import annotations

from pathlib import Path

from seiqa_features.datasets.layouts.rated import (
    Rating,
    add_pairs,
    find_pictures,
    numbered,
    read_lines,
)
from seiqa_features.datasets.pairs import Found

LABEL_RANGE = (0.0, 9.0)
DISTORTIONS = (
    "additive Gaussian noise", "noise stronger in colour", "spatially correlated noise",
    "masked noise", "high frequency noise", "impulse noise", "quantization noise", "Gaussian blur",
    "denoising", "JPEG", "JPEG2000", "JPEG transmission errors", "JPEG2000 transmission errors",
    "non eccentricity pattern noise", "local blocks", "mean shift", "contrast change",
    "colour saturation", "multiplicative Gaussian noise", "comfort noise",
    "lossy compression of noisy images", "colour quantization with dither",
    "chromatic aberrations", "sparse sampling and reconstruction",
)  # fmt: skip
"""The authors' list, abbreviated; numbers start at 1."""


def matches(path: Path) -> bool:
    """Whether the folder contains reference_images and distorted_images."""
    return (path / "reference_images").is_dir() and (path / "distorted_images").is_dir()


def read(path: Path) -> Found:
    """All pairs in the order of mos_with_names.txt, and all problems."""
    found = Found(path, label_range=LABEL_RANGE)
    lines = read_lines(path / "mos_with_names.txt", found)
    ratings = []
    for where, line in lines:
        cells = line.split()
        if len(cells) != 2:
            found.problems.append(f"{where}: expected a score and a picture, found {line!r}")
            continue
        label, dist = cells
        ref = dist.partition("_")[0]
        kind = numbered(dist, DISTORTIONS)
        ratings.append(Rating(where, ref=ref, dist=dist, label=label, distortion=kind))
    if ratings:
        refs = find_pictures(path / "reference_images", found)
        dists = find_pictures(path / "distorted_images", found)
        add_pairs(found, ratings, refs=refs, dists=dists)
    return found
