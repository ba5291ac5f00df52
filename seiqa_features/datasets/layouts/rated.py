"""Shared code of the public data sets' layouts: pictures found by name, and rows that rate them.

The name of a picture is its file name without the image extension, ignoring case because the data
sets themselves mix I25 and i25, .BMP and .bmp.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from seiqa_features.datasets.labels import parse_label
from seiqa_features.datasets.listing import by_name, composed, list_pictures, stem
from seiqa_features.datasets.pairs import Found, Pair
from seiqa_features.errors import DataError
from seiqa_features.files import require_regular
from seiqa_features.path_texts import path_text


@dataclass(frozen=True)
class Rating:
    """One row of a label file: the names of the two pictures, and the label as written there.

    `where` identifies file and row in messages. `dist` without its extension becomes the pair_id.
    `distortion` is the kind stated by the data set, None if it states none.
    """

    where: str
    ref: str
    dist: str
    label: object
    distortion: str | None


@dataclass
class Pictures:
    """Lower-case name → path, None if several files share the name; `place` is for messages."""

    place: Path
    paths: dict[str, Path | None] = field(default_factory=dict)


def numbered(name: str, kinds: Sequence[str]) -> str | None:
    """The kind of distortion from the 1-based number after the reference: "i01_07_1" is kinds[6].

    None if there is no such number.
    """
    number = name.split("_")[1].lstrip("0") if "_" in name else ""
    names = {str(i): kind for i, kind in enumerate(kinds, 1)}
    return names.get(number)


def find_pictures(place: Path, found: Found, *, folders: Iterable[Path] | None = None) -> Pictures:
    """Pictures anywhere below `folders` (default: `place`); a missing folder is a problem."""
    places = [place] if folders is None else folders
    paths = [path for folder in places for path in list_pictures(folder, found)]
    return Pictures(place, by_name(paths, lambda path: named(path.name), place=place, found=found))


def named(name: str) -> str:
    """The name of a picture: its file name in lower case, without the image suffix."""
    return composed(stem(name).lower())


def read_lines(file: Path, found: Found) -> list[tuple[str, str]]:
    """(file and row for messages, text) of each line that is not blank."""
    if not file.exists():
        found.problems.append(missing_labels(file))
        return []
    try:
        require_regular(file)
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except DataError as error:
        found.problems += error.problems
        return []
    except (OSError, UnicodeDecodeError) as error:
        found.problems.append(f"{file}: cannot be read as text ({error})")
        return []
    return [(f"{file} row {row}", line) for row, line in enumerate(lines, 1) if line.strip()]


def missing_labels(file: Path) -> str:
    """The problem message for a missing label file."""
    return f"{file}: label file is missing; copy it from the data set"


def add_pairs(
    found: Found,
    ratings: list[Rating],
    *,
    refs: Pictures,
    dists: Pictures,
    best: float | None = None,
) -> None:
    """Turn ratings into training pairs grouped by reference, and report inconsistencies.

    A picture with two labels is left out because neither can be trusted, as is a picture without
    a label.

    Parameters
    ----------
    best : float | None
        The label of a flawless picture if the file holds DMOS (lower is better); the label
        becomes best − DMOS. None if higher is already better.
    """
    if best is not None:
        found.turned, found.identity = f"{best:g} − DMOS", best
    times = Counter(named(rating.dist) for rating in ratings)
    lost: Counter[str] = Counter()
    for rating in ratings:
        name, ref_name = named(rating.dist), stem(rating.ref)
        where = f"{rating.where} ({rating.dist})"
        if times[name] > 1:
            found.problems.append(f"{where}: picture has {times[name]} rows; keep one of them")
            continue
        if name not in dists.paths:
            found.problems.append(f"{where}: no such picture in {dists.place}; copy it again")
            continue
        if named(ref_name) not in refs.paths:
            lost[ref_name] += 1
            continue
        ref, dist = refs.paths[named(ref_name)], dists.paths[name]
        try:
            label = parse_label(rating.label, where=where, label_range=found.label_range)
        except DataError as error:
            found.problems += error.problems
            continue
        if ref is None or dist is None:
            continue  # the problem has already been reported
        mos = label if best is None else best - label
        pair_id, group = path_text(stem(rating.dist)), path_text(stem(ref.name))
        found.pairs.append(Pair(pair_id, ref, dist, "train", mos, group, rating.distortion))
    for ref_name, count in lost.items():
        found.problems.append(
            f"{refs.place}: reference picture {ref_name} is missing ({count} of the rows need it)"
        )
    for name, path in dists.paths.items():
        if name not in times and path is not None:
            found.problems.append(f"{path}: no label; add its row to the label file, or remove it")
