"""Zips of pairs: listed, checked and read member by member, never unpacked to disk.

A zip declares how many files it holds and how large they are, and these declarations may be forged.
Everything is counted before or while it is read, so that the cost of a zip is bounded by the
limits: a few kilobytes can unpack to gigabytes.
"""

from __future__ import annotations

import csv
import io
import stat
import unicodedata
import zipfile
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path, PurePosixPath
from types import TracebackType

from PIL import Image

from pipelines.web.uploads import MB, Limits, Upload, decode
from seiqa_features.errors import DataError
from seiqa_features.tabular.inert import restored
from seiqa_features.tabular.names import column_key, require_distinct
from seiqa_models.inspection.zips import LongDirectoryError, open_zip

MANIFEST = "manifest.csv"
EXPECTED = f"{MANIFEST} (columns ref, dist) or two folders, Ref and Dist, of equally named files"

PATH_BYTES = 500
"""Maximum bytes of a member's path; the directory may have twice as much per member."""

LEVELS = 8
"""Maximum nesting depth of folders."""

RATIO = 200
"""Maximum expansion of members larger than a megabyte; photographs hardly expand."""

ROW_CHARACTERS = 4 * PATH_BYTES
"""Maximum mean length of a manifest's rows."""

COLUMNS = 100
"""Maximum number of columns of a manifest; two are read."""

_ARCHIVES = frozenset({".zip", ".gz", ".tgz", ".bz2", ".xz", ".zst", ".7z", ".rar", ".tar", ".jar"})
_METHODS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
_ENCRYPTED = 0x1  # bit 0 of a member's flags
_ENTRY_BYTES = 46  # of a member's entry in the directory, its name left out
_NAMED = 5  # names listed in a message; the rest are only counted


class PairArchive:
    """The pairs in an uploaded zip; a context manager that holds it open.

    Parameters
    ----------
    name : str
        The name given by its sender.
    path : Path
        Its location.
    limits : Limits
        What is accepted.

    Attributes
    ----------
    pairs
        Names of the members (reference, degraded), in the order of the manifest, or by name.

    Raises
    ------
    DataError
        The zip is damaged, unsafe, larger than the limits, or its pairs are unclear.
    """

    def __init__(self, name: str, path: Path, limits: Limits) -> None:
        self._limits = limits
        self._file = path.open("rb")
        try:
            self._zip = _opened(self._file, name, limits)
            sent = path.stat().st_size
            self._members = _checked(self._zip.infolist(), sent, limits)
            manifests = [name for name in self._members if PurePosixPath(name).name == MANIFEST]
            if len(manifests) > 1:
                raise DataError([f"zip: more than one {MANIFEST}; keep one"])
            names = list(self._members)
            self.pairs = self._listed(manifests[0]) if manifests else _by_folder(names)
            if len(self.pairs) > limits.pairs:
                raise DataError([f"zip: {len(self.pairs)} pairs; at most {limits.pairs} at a time"])
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> PairArchive:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def picture(self, name: str) -> Image.Image:
        """Decode a member.

        Raises
        ------
        DataError
            It is damaged or not a picture.
        """
        return decode(Upload(name, self._read(name)), self._limits)

    def _read(self, name: str) -> bytes:
        try:
            return self._zip.read(self._members[name])  # never more than the size it declares
        except (zipfile.BadZipFile, EOFError, OSError, ValueError, NotImplementedError):
            raise DataError([f"{name}: damaged inside the zip; pack it again"]) from None
        except Exception as error:  # zlib.error and the like have no common base
            raise DataError([f"{name}: cannot be unpacked ({type(error).__name__})"]) from None

    def _listed(self, manifest: str) -> list[tuple[str, str]]:
        """The manifest's rows; a row may only name members, relative to the manifest."""
        most = self._limits.pairs
        if self._members[manifest].file_size > most * ROW_CHARACTERS:
            raise DataError([f"{manifest}: too long for {most} pairs, the most at a time"])
        folder = PurePosixPath(manifest).parent
        try:
            rows = list(islice(_rows(self._read(manifest).decode("utf-8-sig")), most + 1))
        except (ValueError, csv.Error) as error:
            raise DataError([f"{manifest}: cannot be read as CSV ({error})"]) from None
        if not rows:
            raise DataError([f"{manifest}: expected rows with columns ref and dist"])
        if len(rows) > most:
            raise DataError([f"zip: more than {most} pairs; at most {most} at a time"])
        pairs = [(_normal(str(folder / ref)), _normal(str(folder / dist))) for ref, dist in rows]
        unknown = sorted({name for pair in pairs for name in pair if name not in self._members})
        if unknown:
            raise DataError([f"{manifest}: not in the zip: {_some(unknown)}"])
        return pairs


def _opened(file: io.BufferedReader, name: str, limits: Limits) -> zipfile.ZipFile:
    try:
        return open_zip(file, directory_bytes=limits.members * (_ENTRY_BYTES + 2 * PATH_BYTES))
    except LongDirectoryError:
        raise DataError(
            [f"zip: more files than {limits.members}, the most here, or names of great length"]
        ) from None
    except Exception:  # zipfile raises whatever its parts raise
        raise DataError([f"{name}: not a zip, or damaged"]) from None


def _rows(text: str) -> Iterator[tuple[str, str]]:
    """Reference and degraded picture of each row; columns are found by name, blank rows skipped."""
    reader = csv.reader(io.StringIO(text))
    header = next(reader, [])
    if len(header) > COLUMNS:
        raise ValueError(f"{len(header)} columns; at most {COLUMNS}")
    require_distinct(header)
    keys = [column_key(name) for name in header]
    if "ref" not in keys or "dist" not in keys:
        return
    at = keys.index("ref"), keys.index("dist")
    for row in reader:
        if any(row):
            ref, dist = (restored(row[k]).strip() if k < len(row) else "" for k in at)
            yield ref, dist


def _checked(infos: list[zipfile.ZipInfo], sent: int, limits: Limits) -> dict[str, zipfile.ZipInfo]:
    """A zip's files by name, without folders and the debris of macOS and Windows."""
    if len(infos) > limits.members:
        raise DataError([f"zip: {len(infos)} files; at most {limits.members}"])
    files = [info for info in infos if not info.is_dir()]
    for info in files:
        problem = _problem(info, limits)
        if problem:
            raise DataError([f"zip: {info.filename!r}: {problem}"])
    if sum(info.file_size for info in files) > limits.unpacked:
        raise DataError([f"zip: more than {limits.unpacked // MB} MB unpacked; split it"])
    if sum(info.compress_size for info in files) > sent:
        raise DataError(["zip: its files have more bytes than it has; pack it again"])
    names = [_normal(info.filename) for info in files]
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise DataError([f"zip: holds more than once: {_some(twice)}"])
    return {name: info for name, info in zip(names, files, strict=True) if not _is_litter(name)}


def _normal(name: str) -> str:
    """A name with composed accents: macOS decomposes them, a manifest may not."""
    return unicodedata.normalize("NFC", name)


def _problem(info: zipfile.ZipInfo, limits: Limits) -> str | None:
    """Why a member must not be read; None if it may be."""
    name = info.filename
    path = PurePosixPath(name.replace("\\", "/"))
    kind = stat.S_IFMT(info.external_attr >> 16)
    if path.is_absolute() or ".." in path.parts or not path.parts or ":" in path.parts[0]:
        return "leads out of the zip"
    if len(name.encode("utf-8", "replace")) > PATH_BYTES or len(path.parts) > LEVELS:
        return f"a name of more than {PATH_BYTES} bytes or {LEVELS} levels; give it a short one"
    if kind not in (0, stat.S_IFREG):
        return "a link or device, not a file"
    if info.flag_bits & _ENCRYPTED:
        return "encrypted; pack it without a password"
    if info.compress_type not in _METHODS:
        return "unusual compression; pack it with ordinary zip (deflate)"
    if path.suffix.lower() in _ARCHIVES:
        return "an archive inside the zip"
    if info.file_size > limits.upload:
        return f"larger than {limits.upload // MB} MB, the limit for a file"
    if info.file_size > max(MB, RATIO * info.compress_size):
        return f"unpacks to more than {RATIO} times its size; save it as PNG"
    return None


def _is_litter(name: str) -> bool:
    path = PurePosixPath(name)
    return "__MACOSX" in path.parts or path.name.startswith(".") or path.name == "Thumbs.db"


def _by_folder(names: list[str]) -> list[tuple[str, str]]:
    """Pairs of equally named files in the folders Ref and Dist (any case), sorted by name."""
    found: dict[str, dict[str, str]] = {"ref": {}, "dist": {}}
    for member in names:
        path = PurePosixPath(member)
        side = path.parent.name.lower()
        if side in found:
            key = str(path.parent.parent / path.name)  # of a/Ref/x.png: a/x.png
            found[side][key] = member
    ref, dist = found["ref"], found["dist"]
    if not ref or not dist:
        raise DataError([f"zip: expected {EXPECTED}"])
    alone = sorted(ref.keys() ^ dist.keys())
    if alone:
        raise DataError([f"zip: in only one of Ref and Dist: {_some(alone)}"])
    return [(ref[key], dist[key]) for key in sorted(ref)]


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
