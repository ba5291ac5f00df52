"""KADID-10k as its authors distribute it: 81 references × 25 distortions × 5 levels.

    images/I01.png …      images/I01_01_01.png …      dmos.csv (dist_img, ref_img, dmos, var)

In I01_25_05.png, 25 is the kind of distortion and 05 its level.

Scale: mean of degradation ratings, 1 to 5. The authors call it DMOS, but higher is better (5 is
"imperceptible"), so it is used unchanged.
Source: Lin, Hosu, Saupe, "KADID-10k: A Large-scale Artificially Distorted IQA Database",
QoMEX 2019.
Terms: none known beyond citation; the references come from pixabay.com.
"""

from __future__ import annotations

from pathlib import Path

from seiqa_features.datasets.layouts.rated import (
    Pictures,
    Rating,
    add_pairs,
    find_pictures,
    missing_labels,
    numbered,
)
from seiqa_features.datasets.pairs import Found
from seiqa_features.errors import DataError
from seiqa_features.tabular.reading import read_text_table

LABEL_RANGE = (1.0, 5.0)
COLUMNS = ("dist_img", "ref_img", "dmos")
DISTORTIONS = (
    "Gaussian blur", "lens blur", "motion blur", "colour diffusion", "colour shift",
    "colour quantization", "colour saturation 1", "colour saturation 2", "JPEG2000", "JPEG",
    "white noise", "white noise in colour", "impulse noise", "multiplicative noise", "denoising",
    "brighten", "darken", "mean shift", "jitter", "non-eccentricity patch", "pixelate",
    "quantization", "colour block", "high sharpen", "contrast change",
)  # fmt: skip
"""The authors' list; numbers start at 1."""


def matches(path: Path) -> bool:
    """Whether there is a folder images, with dmos.csv next to it or I01_01_01.png in it."""
    images = path / "images"
    return images.is_dir() and (
        (path / "dmos.csv").is_file() or (images / "I01_01_01.png").is_file()
    )


def read(path: Path) -> Found:
    """All pairs in the order of dmos.csv, and all problems."""
    found = Found(path, label_range=LABEL_RANGE, identity=LABEL_RANGE[1])
    ratings = _read_ratings(path / "dmos.csv", found)
    if ratings:
        images = find_pictures(path / "images", found)
        refs, dists = Pictures(images.place), Pictures(images.place)
        for name, picture in images.paths.items():
            (dists if "_" in name else refs).paths[name] = picture
        add_pairs(found, ratings, refs=refs, dists=dists)
    return found


def _read_ratings(file: Path, found: Found) -> list[Rating]:
    if not file.is_file():
        found.problems.append(missing_labels(file))
        return []
    try:
        table = read_text_table(file)
        columns = table.columns(COLUMNS)
    except DataError as error:
        found.problems += [f"{problem}; copy it again" for problem in error.problems]
        return []
    dists, refs, labels = (table.text(column) for column in columns)
    return [
        Rating(table.where(row), ref, dist, label, numbered(dist, DISTORTIONS))
        for row, (dist, ref, label) in enumerate(zip(dists, refs, labels, strict=True))
    ]
