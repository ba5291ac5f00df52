"""PIPAL's public training part (NTIRE 2021): 200 references × 116 distortions.

    Train_Ref/A0001.bmp …      Distortion_1/A0001_00_00.bmp …      Train_Label/A0001.txt …

A row of a label file is "A0001_00_00.bmp,1520.06"; the name of the picture begins with that of its
reference, and the number after it is the family of distortions, 00 to 06, used as the kind.
The four archives of distorted pictures may be next to the references or in a folder Distortion,
Train_Dist or Train_Distort. The names in the authors' instructions, Reference_train and
MOS_Scores_train, are also recognised.

Scale: Elo rating, around 1400 and without limits, higher is better.
Source: Gu et al., "PIPAL: a Large-Scale Image Quality Assessment Dataset for Perceptual Image
Restoration", ECCV 2020.
Terms: none known; published for research with the NTIRE 2021 challenge.
"""

from __future__ import annotations

from pathlib import Path

from seiqa_features.datasets.layouts.rated import Rating, add_pairs, find_pictures, read_lines
from seiqa_features.datasets.pairs import Found

REFS = ("Train_Ref", "Reference_train")
LABELS = ("Train_Label", "MOS_Scores_train")
DISTS = ("Distortion", "Distortion_[0-9]", "Train_Dist", "Train_Distort")


def matches(path: Path) -> bool:
    """Whether the folder contains Train_Ref (or Reference_train)."""
    return any((path / name).is_dir() for name in REFS)


def read(path: Path) -> Found:
    """All pairs in the order of the label files, and all problems."""
    found = Found(path)
    labels = _first(path, LABELS)
    files = sorted(labels.glob("[!.]*.txt"))
    if not files:
        found.problems.append(
            f"{labels}: no label files (A0001.txt, …); copy them from the data set"
        )
    ratings = []
    for where, line in (item for file in files for item in read_lines(file, found)):
        dist, comma, label = line.strip().rpartition(",")
        if not comma:
            found.problems.append(f"{where}: expected a picture and a score, found {line!r}")
            continue
        ref, _, numbers = dist.partition("_")
        family = numbers.partition("_")[0]
        ratings.append(Rating(where, ref=ref, dist=dist, label=label, distortion=family or None))
    if ratings:
        folders = sorted(folder for pattern in DISTS for folder in path.glob(pattern))
        if not folders:
            found.problems.append(f"{path / 'Distortion_1'}: folder is missing")
            return found
        refs = find_pictures(_first(path, REFS), found)
        dists = find_pictures(path, found, folders=folders)
        add_pairs(found, ratings, refs=refs, dists=dists)
    return found


def _first(path: Path, names: tuple[str, ...]) -> Path:
    """The first of the folders that exists, or else the usual one."""
    return next((path / name for name in names if (path / name).is_dir()), path / names[0])
