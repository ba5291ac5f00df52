"""Two folders, references and degraded pictures: files of the same name in both form a pair.

Pictures in subfolders count, and are paired by their path relative to the two folders. If the other
folder has no file of exactly the same name, the suffix is ignored, provided that the match is then
unambiguous. There are no labels: this layout is for scoring.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from seiqa_features.datasets.listing import below, by_name, composed, list_pictures, stem
from seiqa_features.datasets.pairs import Found, Pair
from seiqa_features.path_texts import path_text


def read(*, ref: Path, dist: Path) -> Found:
    """All pairs, identified by the name of the degraded picture, and all problems."""
    found = Found(dist)
    refs, dists = _pictures(ref, dist, found), _pictures(dist, ref, found)
    partners = {dists[name]: refs[name] for name in refs.keys() & dists.keys()}
    left_refs = _by_stem(ref, [refs[name] for name in refs.keys() - dists.keys()])
    left_dists = _by_stem(dist, [dists[name] for name in dists.keys() - refs.keys()])
    for name in sorted(left_refs.keys() | left_dists.keys()):
        ours, theirs = left_refs.get(name, []), left_dists.get(name, [])
        if len(ours) == len(theirs) == 1:
            partners[theirs[0]] = ours[0]
            continue
        names = ", ".join(map(str, ours + theirs))
        if ours and theirs:
            found.problems.append(f"{names}: which are a pair? give both files the same name")
        elif names:
            found.problems.append(f"{names}: no partner named {name} in {dist if ours else ref}")
    whole = [(path, partner) for path, partner in partners.items() if path and partner]
    for path, partner in sorted(whole):
        found.pairs.append(Pair(path_text(below(dist, path)), partner, path, "test"))
    return found


def _pictures(folder: Path, other: Path, found: Found) -> dict[str, Path | None]:
    """Pictures by name, without those of the other folder if it is inside this one."""
    paths = list_pictures(folder, found, apart=[other])
    return by_name(paths, lambda path: below(folder, path), place=folder, found=found)


def _by_stem(folder: Path, paths: Iterable[Path | None]) -> dict[str, list[Path]]:
    by_stem: defaultdict[str, list[Path]] = defaultdict(list)
    for path in sorted(path for path in paths if path is not None):
        by_stem[composed(stem(below(folder, path)))].append(path)
    return by_stem
