"""TID2013 as its authors distribute it: 25 references × 24 distortions × 5 levels.

    reference_images/I01.BMP …      distorted_images/i01_01_1.bmp …      mos_with_names.txt

A row of mos_with_names.txt is "5.51429 i01_01_1.bmp"; the picture's name begins with its
reference's. TID2008 has the same layout and scale and is read too.

Scale: MOS, 0 to 9, higher is better.
Source: Ponomarenko et al., "Image database TID2013: Peculiarities, results and perspectives",
Signal Processing: Image Communication 30, 2015.
Terms: free for research and education, to be cited; the references are crops of Kodak pictures.
"""

from __future__ import annotations

from pathlib import Path

from seiqa_features.datasets.rated import Rating, add_pairs, find_pictures, read_lines
from seiqa_features.pairs import Found

LABEL_RANGE = (0.0, 9.0)


def matches(path: Path) -> bool:
    """Whether reference_images and distorted_images lie in the folder."""
    return (path / "reference_images").is_dir() and (path / "distorted_images").is_dir()


def read(path: Path) -> Found:
    """All pairs in the order of mos_with_names.txt, and everything that is wrong."""
    found = Found(path, label_range=LABEL_RANGE)
    lines = read_lines(path / "mos_with_names.txt", found)
    ratings = []
    for where, line in lines:
        cells = line.split()
        if len(cells) != 2:
            found.problems.append(f"{where}: expected a score and a picture, found {line!r}")
            continue
        label, dist = cells
        ratings.append(Rating(where, ref=dist.partition("_")[0], dist=dist, label=label))
    if ratings:
        refs = find_pictures(path / "reference_images", found)
        dists = find_pictures(path / "distorted_images", found)
        add_pairs(found, ratings, refs=refs, dists=dists)
    return found
