"""Listing: the pictures in a folder by name, and the other files found there.

One rule for all layouts: a file is a picture if its suffix says so (`formats.SUFFIXES`), and two
names are equal if their composed Unicode forms (NFC) are, because macOS writes "é" as two
characters where other systems write one. Files that are left out are reported.
"""

from __future__ import annotations

import os
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path, PurePath

from seiqa_features.datasets.pairs import Found
from seiqa_features.files import reason
from seiqa_features.pictures.formats import SUFFIXES
from seiqa_features.remote.paths import RemotePath
from seiqa_features.remote.places import named_path

_LITTER = frozenset({".ds_store", "thumbs.db", "desktop.ini", "__macosx"})
"""Files that operating systems leave in folders: silently ignored."""

_NAMED = 3  # names listed in a message; the rest are only counted


def composed(name: str) -> str:
    """The name in the form used for comparisons."""
    return unicodedata.normalize("NFC", name)


def stem(name: str) -> str:
    """A file name without its image suffix ("1600.AWGN.1" has none)."""
    head, _, suffix = name.rpartition(".")
    return head if f".{suffix}".lower() in SUFFIXES else name


def list_pictures(
    folder: Path, found: Found, *, subfolders: bool = True, apart: Sequence[Path] = ()
) -> list[Path]:
    """The pictures in a folder, sorted by path; other files are noted in `found.left_out`.

    A missing folder, or one that cannot be read, is noted in `found.problems`.

    Parameters
    ----------
    subfolders : bool
        Whether pictures in subfolders count.
    apart : Sequence[Path]
        Subfolders that have a separate meaning and are skipped.

    Raises
    ------
    OSError
        The folder is in an object store that fails.
    """
    if not folder.is_dir():
        found.problems.append(f"{folder}: folder is missing")
        return []
    pictures: list[Path] = []
    left_out: defaultdict[str, list[str]] = defaultdict(list)
    passed_over = [path.resolve() for path in apart]

    def unreadable(error: OSError) -> None:
        if isinstance(folder, RemotePath):  # says nothing of the folder
            raise error
        found.problems.append(f"{error.filename}: folder cannot be read ({reason(error)})")

    walk = folder.walk if isinstance(folder, RemotePath) else partial(os.walk, folder)
    for place, folders, files in walk(onerror=unreadable):
        parent = place if isinstance(place, RemotePath) else Path(place)
        kept = []
        for name in sorted(folders):
            if name.lower() in _LITTER:
                continue
            if why := _passed_over(parent / name, subfolders):
                left_out[why].append(below(folder, parent / name))
            elif (parent / name).resolve() not in passed_over:
                kept.append(name)
        folders[:] = kept
        for name in files:
            if name.lower() in _LITTER:
                continue
            if why := _no_picture(name):
                left_out[why].append(below(folder, parent / name))
            else:
                pictures.append(parent / name)
    found.left_out += [f"{folder}: {some(sorted(names))}: {why}" for why, names in left_out.items()]
    return sorted(pictures)


def by_name(
    paths: Iterable[Path], name_of: Callable[[Path], str], *, place: Path, found: Found
) -> dict[str, Path | None]:
    """Pictures by composed name, None if several files share it; each such name is a problem."""
    named: defaultdict[str, list[Path]] = defaultdict(list)
    for path in paths:
        named[composed(name_of(path))].append(path)
    for same in named.values():
        if len(same) > 1:
            names = [below(place, path) for path in same]
            if len({composed(name) for name in names}) < len(names):  # they look the same
                names = [ascii(name) for name in names]
            found.problems.append(f"{place}: {', '.join(names)} share one name; keep one of them")
    return {name: same[0] if len(same) == 1 else None for name, same in named.items()}


def some(names: Sequence[str]) -> str:
    """The first few names, for a message, and the total if there are more."""
    return ", ".join(names[:_NAMED]) + (f", … ({len(names)})" if len(names) > _NAMED else "")


class Files:
    """The files that a table names, relative to a folder.

    A name that does not exist as written may exist in another Unicode form, or may have been
    written with Windows backslashes. It may be the URI of an object; a name relative to a folder in
    an object store is taken as written, since its names have one form.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[str, Path] = {}  # a table may name one picture in many rows
        self._listed: dict[Path, dict[str, list[str]]] = {}
        self._places: dict[PurePath, Path | None] = {}

    def find(self, name: str) -> Path:
        """The path of the file; the expected path if it does not exist."""
        if name not in self._known:
            self._known[name] = self._find(name)
        return self._known[name]

    def _find(self, name: str) -> Path:
        named = named_path(name)
        if isinstance(named, RemotePath):
            return named
        written, slashed = self._folder / name, name.replace("\\", "/")
        if isinstance(written, RemotePath):  # asking for each would take longer than reading
            return named if named.is_absolute() else self._folder / slashed
        try:
            if written.exists():
                return written
        except (OSError, ValueError):  # decoding will report the problem
            return written
        found = (self._follow(PurePath(spelling)) for spelling in dict.fromkeys((name, slashed)))
        return next((path for path in found if path is not None), self._folder / slashed)

    def _follow(self, name: PurePath) -> Path | None:
        """The file at a path, any part of which may be in another Unicode form."""
        if not name.name:  # the folder itself, or the root
            return self._folder / name
        place = self._place(name.parent)
        if place is None or (place / name.name).exists():
            return place and place / name.name
        names = self._names(place).get(composed(name.name), [])
        return place / names[0] if len(names) == 1 else None

    def _place(self, name: PurePath) -> Path | None:
        """As `_follow`, for a folder, which may be that of many files."""
        if name not in self._places:
            self._places[name] = self._follow(name)
        return self._places[name]

    def _names(self, folder: Path) -> dict[str, list[str]]:
        """The entries of a folder, by composed name."""
        if folder not in self._listed:
            named: defaultdict[str, list[str]] = defaultdict(list)
            with suppress(OSError):
                for path in folder.iterdir():
                    named[composed(path.name)].append(path.name)
            self._listed[folder] = named
        return self._listed[folder]


def _passed_over(folder: Path, subfolders: bool) -> str | None:
    """Why the folder is skipped, or None."""
    if folder.name.startswith("."):
        return "hidden"
    if folder.is_symlink():
        return "a link to a folder, not followed"
    return None if subfolders else "a subfolder, not read"


def _no_picture(name: str) -> str | None:
    """Why the file is left out, or None."""
    if PurePath(name).suffix.lower() not in SUFFIXES:
        return "no picture by its suffix"
    return "hidden" if name.startswith(".") else None


def below(folder: Path, path: Path) -> str:
    """The path relative to a folder that it is in, with slashes."""
    return path.relative_to(folder).as_posix()
