"""CSIQ as its authors distribute it: 30 references × 6 distortions × 4 or 5 levels, 866 rated.

    src_imgs/1600.png …      dst_imgs/awgn/1600.AWGN.1.png …      csiq.DMOS.xlsx

The sheet all_by_image has, below some empty rows, the columns image, dst_type, dst_lev and dmos.
Some copies also contain unrated contrast levels, which are left out. Any other picture without a
row is a problem.

Scale: DMOS, 0 (as good as the original) to 1, lower is better. The label is 1 − DMOS, 0 to 1.
Source: Larson, Chandler, "Most apparent distortion: full-reference image quality assessment and
the role of strategy", Journal of Electronic Imaging 19(1), 2010.
Terms: none known beyond citation.
"""

from __future__ import annotations

from pathlib import Path

from seiqa_features.datasets.layouts.rated import (
    Rating,
    add_pairs,
    find_pictures,
    missing_labels,
    named,
)
from seiqa_features.datasets.pairs import Found
from seiqa_features.errors import DataError
from seiqa_features.tabular.reading import read_text_table

LABEL_RANGE = (0.0, 1.0)
SHEET = "all_by_image"
COLUMNS = ("image", "dst_type", "dst_lev", "dmos")
# name of a distortion in the sheet → its name in file names
DISTORTIONS = {
    "noise": "AWGN",
    "blur": "BLUR",
    "contrast": "contrast",
    "fnoise": "fnoise",
    "jpeg": "JPEG",
    "jpeg 2000": "jpeg2000",
}


def matches(path: Path) -> bool:
    """Whether the folder contains src_imgs and dst_imgs."""
    return (path / "src_imgs").is_dir() and (path / "dst_imgs").is_dir()


def read(path: Path) -> Found:
    """All pairs in the order of the sheet, and all problems."""
    found = Found(path, label_range=LABEL_RANGE)
    ratings = _read_ratings(path / "csiq.DMOS.xlsx", found)
    if ratings:
        refs = find_pictures(path / "src_imgs", found)
        dists = find_pictures(path / "dst_imgs", found)
        rated = {named(rating.dist) for rating in ratings}
        dists.paths = {
            name: path
            for name, path in dists.paths.items()
            if name in rated or ".contrast." not in name  # unrated levels
        }
        add_pairs(found, ratings, refs=refs, dists=dists, best=LABEL_RANGE[1])
    return found


def _read_ratings(file: Path, found: Found) -> list[Rating]:
    if not file.is_file():
        found.problems.append(missing_labels(file))
        return []
    try:
        table = read_text_table(file, sheet=SHEET)
        columns = table.columns(COLUMNS)
    except DataError as error:
        found.problems += [f"{problem} (sheet {SHEET})" for problem in error.problems]
        return []
    ratings = []
    rows = zip(*(table.text(column) for column in columns), strict=True)
    for row, (image, kind, level, label) in enumerate(rows):
        if not image + kind + level + label:
            continue  # the sheet is padded with empty rows
        if kind not in DISTORTIONS:
            found.problems.append(
                f"{table.where(row)}: dst_type {kind!r} is none of {', '.join(DISTORTIONS)}"
            )
            continue
        dist = f"{image}.{DISTORTIONS[kind]}.{level}"
        ratings.append(Rating(table.where(row), image, dist, label, kind))
    return ratings
