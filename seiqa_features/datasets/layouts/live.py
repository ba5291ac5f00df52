"""LIVE image quality database, release 2, as distributed: 29 references, 779 distorted pictures.

    refimgs/bikes.bmp …      jp2k/img1.bmp …      jpeg/  wn/  gblur/  fastfading/
    refnames_all.mat         dmos_realigned.mat or dmos.mat

The arrays list 227 jp2k, 233 jpeg and 174 each of wn, gblur and fastfading pictures in numerical
order; where `orgs` is 1 the picture is a copy of its reference and is left out. (In a cut-down copy
with shorter arrays, the highest number in each folder is taken as its number of pictures.)

Scale: DMOS, about 0 to 100, lower is better. The label is 100 − DMOS; it has no hard limits: the
realigned one ranges from about −12 to 103. The five distortions were rated in separate sessions and
dmos_realigned.mat puts them on one scale, so it is preferred if present.
Source: Sheikh, Sabir, Bovik, "A statistical evaluation of recent full reference image quality
assessment algorithms", IEEE Trans. Image Processing 15(11), 2006.
Terms (readme.txt): free to use, copy and distribute with its copyright notice and a citation; nine
references belong to Visual Delights Inc. and may not be used outside the database.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from seiqa_features.datasets.layouts.rated import (
    Pictures,
    Rating,
    add_pairs,
    find_pictures,
    missing_labels,
)
from seiqa_features.datasets.pairs import Found
from seiqa_features.remote.places import local_copy

COUNTS = {"jp2k": 227, "jpeg": 233, "wn": 174, "gblur": 174, "fastfading": 174}
BEST = 100.0


def matches(path: Path) -> bool:
    """Whether the folder contains refimgs and the folder of at least one distortion."""
    return (path / "refimgs").is_dir() and any((path / name).is_dir() for name in COUNTS)


def read(path: Path) -> Found:
    """All pairs in the order of the arrays, and all problems."""
    found = Found(path)
    realigned = path / "dmos_realigned.mat"
    file, label = (realigned, "dmos_new") if realigned.is_file() else (path / "dmos.mat", "dmos")
    dmos, orgs = _read_arrays(file, (label, "orgs"), found)
    (refnames,) = _read_arrays(path / "refnames_all.mat", ("refnames_all",), found)
    if found.problems:
        return found
    dists = _distorted(path, found)
    names = _names(dists, len(dmos))
    if not len(dmos) == len(orgs) == len(refnames) == len(names):
        found.problems.append(
            f"{file}: {len(dmos)} scores and {len(orgs)} flags for {len(refnames)} reference names"
            f" and {len(names)} pictures; expected {sum(COUNTS.values())} of each"
        )
        return found
    ratings = []
    for entry, (name, score, copied, cell) in enumerate(
        zip(names, dmos, orgs, refnames, strict=True), 1
    ):
        if copied:
            dists.paths.pop(name, None)
        else:
            where = f"{file} entry {entry}"
            ref = "".join(map(str, cell))  # a MATLAB cell is loaded as an array of one string
            kind = name.partition("/")[0]
            ratings.append(Rating(where, ref=ref, dist=name, label=score, distortion=kind))
    add_pairs(found, ratings, refs=find_pictures(path / "refimgs", found), dists=dists, best=BEST)
    return found


def _read_arrays(file: Path, names: tuple[str, ...], found: Found) -> list[Any]:
    """The named variables of a MATLAB file, flattened; empty ones if it cannot be read."""
    from scipy.io import loadmat  # takes a third of a second and only this data set needs it

    if not file.is_file():
        found.problems.append(missing_labels(file))
        return [[] for _ in names]
    try:
        with local_copy(file) as local:
            variables = loadmat(local)
        return [variables[name].ravel() for name in names]
    except KeyError as error:
        found.problems.append(f"{file}: no variable {error} in it; copy it again")
    except Exception as error:  # scipy raises half a dozen types
        found.problems.append(f"{file}: cannot be read as MATLAB file ({error})")
    return [[] for _ in names]


def _distorted(path: Path, found: Found) -> Pictures:
    """Pictures of all five folders, named jp2k/img1 and so on."""
    dists = Pictures(path)
    for folder in COUNTS:
        pictures = find_pictures(path / folder, found)
        dists.paths |= {f"{folder}/{name}": picture for name, picture in pictures.paths.items()}
    return dists


def _names(dists: Pictures, entries: int) -> list[str]:
    """Names in the order of the arrays."""
    counts = dict(COUNTS)
    if entries != sum(COUNTS.values()):
        counts = dict.fromkeys(COUNTS, 0)
        for name in dists.paths:
            folder, _, number = name.partition("/img")
            if number.isdecimal():
                counts[folder] = max(counts[folder], int(number))
    return [f"{folder}/img{i}" for folder, count in counts.items() for i in range(1, count + 1)]
