"""Upkeep of a feature store: contents, merging of shards, removal of what is of no use."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from filelock import FileLock, Timeout

from seiqa_features.errors import SeiqaError, StoreError
from seiqa_features.extractors.registry import get_extractor
from seiqa_features.files import reason
from seiqa_features.pictures.views import View
from seiqa_features.progress import Progress, unwatched
from seiqa_features.remote.paths import RemotePath
from seiqa_features.remote.places import parts_of_file, remove_tree
from seiqa_features.table.merging import FULL_ROWS, merge, set_aside
from seiqa_features.table.recipe import Block, fingerprint_of
from seiqa_features.table.shards import FORMAT, OLD_FORMAT, DamagedShardError, ShardType, schema_of
from seiqa_features.table.store import MANIFEST, lock_of, parts_of
from seiqa_features.writing import sweep, temporary_in, write_whole

_FOLDER = re.compile(rf"(?P<fingerprint>[0-9a-f]{{16}})-({OLD_FORMAT}|{FORMAT})")


@dataclass(frozen=True)
class Cached:
    """What the store holds of one block.

    Attributes
    ----------
    folder : Path
        Folder of its shards in today's format, whether it exists or not.
    ingredients : Mapping[str, Any]
        The block's manifest.
    """

    folder: Path
    ingredients: Mapping[str, Any]

    @property
    def name(self) -> str:
        """`<extractor>__<view>`."""
        return f"{self.ingredients['extractor']}__{self.ingredients['view']['name']}"

    @property
    def folders(self) -> list[Path]:
        """The existing folders of this and the previous format."""
        fingerprint = self.folder.name.rpartition("-")[0]
        both = (self.folder, self.folder.with_name(f"{fingerprint}-{OLD_FORMAT}"))
        return [folder for folder in both if folder.is_dir()]

    @property
    def shards(self) -> list[Path]:
        """The shards in use."""
        return parts_of(self.folder)

    @property
    def damaged(self) -> list[Path]:
        """Shards that were set aside."""
        return [path for folder in self.folders for path in sorted(folder.glob("*.damaged"))]

    @property
    def rows(self) -> int:
        """Rows of all shards, as their files say; a pair stored twice counts twice."""
        return sum(map(_rows, self.shards))

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return sum(_size(path) for folder in self.folders for path in folder.iterdir())

    @cached_property
    def outdated(self) -> str | None:
        """Why this installation cannot use the rows, None if it can."""
        then = self.ingredients
        try:
            spec = get_extractor(then["extractor"]).spec
            view = View(**then["view"])
            weights = tuple(sorted(then["weights"].items()))
            now = Block(spec, view, weights, then["dtype"]).ingredients
        except SeiqaError:
            return "extractor not installed"
        except (KeyError, TypeError, AttributeError):
            return "from another version of seiqa"
        if now["version"] != then["version"]:
            return f"version {then['version']} of the extractor, now {now['version']}"
        for name, version in now["libraries"].items():
            if version != then["libraries"].get(name):
                return f"{name} {then['libraries'].get(name)}, now {version}"
        return None if now == then else "from another version of seiqa"


def survey(root: Path) -> list[Cached]:
    """The blocks in a store, by name; folders that are no block's are ignored."""
    found: dict[tuple[str, str], Cached] = {}
    for manifest in sorted(root.glob(f"*/*/{MANIFEST}")):
        name = _FOLDER.fullmatch(manifest.parent.name)
        ingredients = _ingredients(manifest)
        if (
            name is None
            or ingredients is None
            or fingerprint_of(ingredients) != name["fingerprint"]
        ):
            continue
        extractor = manifest.parent.parent
        folder = extractor / f"{name['fingerprint']}-{FORMAT}"
        found.setdefault((extractor.name, name["fingerprint"]), Cached(folder, ingredients))
    return sorted(found.values(), key=lambda cached: (cached.name, cached.folder))


def compact(root: Path, *, on_block: Progress = unwatched) -> list[str]:
    """Merge the shards of every block, and bring shards of the previous format into today's.

    Returns
    -------
    list[str]
        One line for each block that another process was merging at the same time.

    Raises
    ------
    StoreError
        A folder cannot be read or written; nothing is lost.
    """
    blocks, busy = survey(root), []
    for number, cached in enumerate(blocks):
        try:
            cached.folder.mkdir(exist_ok=True)
            with FileLock(lock_of(cached.folder), timeout=0):
                _compact(cached)
        except Timeout:
            busy.append(f"{cached.name}: another process is merging its shards")
        except OSError as error:
            raise StoreError(
                f"{cached.folder}: cannot merge shards ({reason(error)}); nothing is lost: free"
                " space or check the permissions, then run again"
            ) from None
        on_block(number + 1, len(blocks))
    return busy


@dataclass(frozen=True)
class Removal:
    """Something of no use in a store, and why."""

    path: Path
    why: str
    size: int


def useless(root: Path) -> Iterator[Removal]:
    """Rows computed by other versions than those installed, and damaged shards."""
    for cached in survey(root):
        if cached.outdated:
            for folder in cached.folders:
                yield Removal(folder, cached.outdated, sum(map(_size, folder.iterdir())))
        else:
            for path in cached.damaged:
                yield Removal(path, "damaged", _size(path))


def remove(removal: Removal) -> None:
    """Remove it; a folder disappears as a whole, even if the process is killed.

    Raises
    ------
    StoreError
        It cannot be removed.
    """
    try:
        if removal.path.is_dir():
            doomed = removal.path
            if not isinstance(doomed, RemotePath):
                doomed = doomed.rename(temporary_in(doomed.parent))
            remove_tree(doomed)
        else:
            removal.path.unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(
            f"{removal.path}: cannot be removed ({reason(error)}); check its permissions"
        ) from None


def sweep_store(root: Path) -> None:
    """Remove what killed processes left on a local disk; object stores keep no partial files."""
    if isinstance(root, RemotePath):
        return
    for manifest in root.glob(f"*/*/{MANIFEST}"):
        sweep(manifest.parent)
    for extractor in root.iterdir():
        if extractor.is_dir():
            sweep(extractor)


def _compact(cached: Cached) -> None:
    kind, manifest = _shard_type(cached), cached.folder / MANIFEST
    if not manifest.exists():
        write_whole(manifest, (cached.folders[-1] / MANIFEST).read_bytes())
    while not _is_compact(cached):
        try:
            merge(cached.shards, kind, cached.folder)
        except DamagedShardError as damage:
            set_aside(damage, kind, cached.folder)
    for old in cached.folders[1:]:
        if [path.name for path in old.iterdir()] == [MANIFEST]:
            remove_tree(old)


def _is_compact(cached: Cached) -> bool:
    shards = cached.shards
    today = all(shard.parent == cached.folder for shard in shards)
    return today and (len(shards) <= 1 or len(shards) <= -(-cached.rows // FULL_ROWS))


def _shard_type(cached: Cached) -> ShardType:
    fingerprint = cached.folder.name.rpartition("-")[0]
    return ShardType(fingerprint, schema_of(cached.ingredients["outputs"]))


def _ingredients(manifest: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(manifest.read_bytes())
    except (OSError, ValueError):
        return None
    known = isinstance(found, dict) and {"extractor", "view", "outputs"} <= set(found)
    return found if known else None


def _rows(shard: Path) -> int:
    with suppress(OSError, pa.ArrowException, ValueError):
        return int(pq.read_metadata(parts_of_file(shard)).num_rows)
    return 0


def _size(path: Path) -> int:
    with suppress(OSError):
        return path.stat().st_size
    return 0
