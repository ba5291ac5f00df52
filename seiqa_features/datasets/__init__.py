"""Data set adapters: each converts one on-disk layout to the common pair table.

To add a layout, write a module in `layouts/` with `matches(path) -> bool` and
`read(path) -> Found`, and add it to `ADAPTERS`; in a separate distribution, declare it as an entry
point of the group `seiqa.datasets`. Those are tried after the built-in ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol

import pandas as pd

from seiqa_features.datasets.collections import collection_name, merged, turn
from seiqa_features.datasets.layouts import (
    csiq,
    kadid10k,
    live,
    manifest,
    pipal,
    seiqa,
    tid2013,
)
from seiqa_features.datasets.pairs import Found, build_pairs, require_pairs
from seiqa_features.datasets.scenes import one_group_per_scene
from seiqa_features.errors import DataError, SeiqaError
from seiqa_features.files import require_regular
from seiqa_features.pictures.index import ImageIndex
from seiqa_features.plugins import load_plugins
from seiqa_features.progress import Progress, unwatched
from seiqa_features.remote.paths import RemotePath
from seiqa_features.remote.places import as_path


class Adapter(Protocol):
    """A layout: a module, or any object, with these two functions."""

    def matches(self, path: Path, /) -> bool:
        """Whether the path has this layout; fast, and False for anything unknown."""

    def read(self, path: Path, /) -> Found:
        """All pairs and all problems."""


ADAPTERS: tuple[Adapter, ...] = (seiqa, manifest, tid2013, kadid10k, pipal, csiq, live)

PLUGINS = "seiqa.datasets"

_ADDED: dict[str, Adapter] = {}


def find_pairs(data: Path | Sequence[Path], falling: Iterable[str] = ()) -> Found:
    """Read the layout at `data`: a SeIQA folder, a manifest or a public data set.

    Parameters
    ----------
    data : Path | Sequence[Path]
        Several are collections: studies with label scales of their own; see
        `datasets.collections`.
    falling : Iterable[str]
        Collections whose labels are higher for worse pictures, where neither the layout nor a
        column `dmos` says so.

    Raises
    ------
    DataError
        `data` does not exist, is a FIFO or device, or no adapter knows its layout; or two
        collections have the same name.
    UsageError
        `falling` names no collection, or one whose direction is known.
    """
    paths = [data] if isinstance(data, Path) else data
    parts = [(collection_name(path), _find(path)) for path in paths]
    found = parts[0][1] if len(parts) == 1 else merged(parts)
    for name in falling:
        turn(found, name)
    return found


def _absence(data: Path) -> str:
    """What is not there: the data, or the whole bucket."""
    if isinstance(data, RemotePath):
        try:
            data.mkdir()
        except FileNotFoundError as error:
            return str(error.strerror)
    return "no such file or folder"


def _find(data: Path) -> Found:
    """Read one data set."""
    if not data.exists():
        raise DataError([f"{data}: {_absence(data)}"])
    if not data.is_dir():
        require_regular(data)
    for adapter in ADAPTERS:
        if adapter.matches(data):
            return adapter.read(data)
    broken = load_plugins(PLUGINS, _accept)
    for name, adapter in _ADDED.items():
        try:
            if adapter.matches(data):
                return _expect_found(adapter.read(data))
        except SeiqaError:
            raise
        except Exception as error:  # third-party code may raise anything
            reason = f"{type(error).__name__}: {error}"
            broken = {**broken, name: f"plug-in {name} ({PLUGINS}) failed on it ({reason})"}
    expected = (
        f"{data}: neither a SeIQA folder (Train/Ref, Train/Dist, …), nor TID2013, KADID-10k, PIPAL,"
        " CSIQ or LIVE as its authors distribute it, nor a manifest (.csv, .xlsx, …)"
    )
    added = f", nor what these plug-ins read: {', '.join(_ADDED)}" if _ADDED else ""
    raise DataError(["; ".join([expected + added, *broken.values()])])


def _expect_found(read: Any) -> Found:
    if not isinstance(read, Found):
        raise TypeError(f"read(path) returns {type(read).__name__}, expected Found")
    return read


def _accept(name: str, adapter: Any) -> None:
    """Take a plug-in's adapter.

    Raises
    ------
    TypeError
        One of the two functions is missing.
    """
    for function in ("matches", "read"):
        if not callable(getattr(adapter, function, None)):
            raise TypeError(f"it has no function {function}(path)")
    _ADDED[name] = adapter


def load_pairs(
    data: Path | str | Sequence[Path | str],
    index: ImageIndex | None = None,
    *,
    keep_going: bool = False,
    workers: int = 1,
    on_image: Progress = unwatched,
) -> tuple[pd.DataFrame, list[str]]:
    """The validated pair table of `data` (contract: `datasets.pairs`) and the pairs left out.

    Parameters
    ----------
    data : Path | str | Sequence[Path | str]
        A folder in a known layout, or a .csv manifest (columns ref, dist[, mos, …]); or several,
        whose labels are on scales of their own.
    index : ImageIndex | None
        Remembers decoded files, so that later calls decode only changed files [nothing is kept].
    keep_going : bool
        Leave bad pairs out instead of stopping.
    workers : int
        Number of decoding threads.
    on_image : Progress
        Called with the number of decoded files and the total.

    Returns
    -------
    tuple[pd.DataFrame, list[str]]
        A row per pair, and one line for each pair that was left out.

    Raises
    ------
    DataError
        Lists every problem with the data, unless `keep_going`.

    Examples
    --------
    >>> pairs, left_out = load_pairs("pairs.csv")
    >>> len(pairs), left_out
    (1, [])
    """
    if index is None:
        with TemporaryDirectory() as folder:
            own = ImageIndex(Path(folder))
            return load_pairs(data, own, keep_going=keep_going, workers=workers, on_image=on_image)
    paths = list(map(as_path, [data] if isinstance(data, Path | str) else data))
    return check_pairs(
        find_pairs(paths), index, keep_going=keep_going, workers=workers, on_image=on_image
    )


def check_pairs(
    found: Found,
    index: ImageIndex,
    *,
    keep_going: bool = False,
    workers: int = 1,
    on_image: Progress = unwatched,
) -> tuple[pd.DataFrame, list[str]]:
    """The validated table of the pairs that an adapter found, and the pairs left out.

    A scene that several collections show is one group.

    Raises
    ------
    DataError
        As `load_pairs`.
    """
    table, problems = build_pairs(found, index, workers=workers, on_image=on_image)
    table = require_pairs(table, problems, keep_going=keep_going)
    return one_group_per_scene(table), [*found.left_out, *problems]
