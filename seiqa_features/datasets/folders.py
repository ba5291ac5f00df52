"""Two folders, references and degraded pictures: a pair is one file name in both.

Where no file of that very name is in the other folder the extension does not count, if that leaves
no choice. Without labels: this layout is for scoring.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from seiqa_features.datasets.pairs import Found, Pair
from seiqa_features.pictures.decoding import SUFFIXES


def read(*, ref: Path, dist: Path) -> Found:
    """All pairs by name, called by the degraded picture's, and everything that is wrong."""
    found = Found(dist)
    refs, dists = _pictures(ref), _pictures(dist)
    partners = {path: refs[name] for name, path in dists.items() if name in refs}
    left_refs = _by_stem(refs[name] for name in refs.keys() - dists.keys())
    left_dists = _by_stem(dists[name] for name in dists.keys() - refs.keys())
    for stem in sorted(left_refs.keys() | left_dists.keys()):
        ours, theirs = left_refs.get(stem, []), left_dists.get(stem, [])
        if len(ours) == len(theirs) == 1:
            partners[theirs[0]] = ours[0]
            continue
        names = ", ".join(map(str, ours + theirs))
        if ours and theirs:
            found.problems.append(f"{names}: which belong together? name a pair's files alike")
        else:
            found.problems.append(f"{names}: no partner named {stem} in {dist if ours else ref}")
    for path in sorted(partners):
        found.pairs.append(Pair(path.name, partners[path], path, "test"))
    return found


def _pictures(folder: Path) -> dict[str, Path]:
    return {
        path.name: path
        for path in folder.iterdir()
        if path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file()
    }


def _by_stem(paths: Iterable[Path]) -> dict[str, list[Path]]:
    by_stem: defaultdict[str, list[Path]] = defaultdict(list)
    for path in sorted(paths):
        by_stem[path.stem].append(path)
    return by_stem
