"""Uploads: pictures and zips become pixels, or one line that says why not.

Nothing in an upload is trusted: not its name, its type, its sizes, nor the paths inside it. A zip
is read in memory, member by member, and never unpacked to disk.
"""

from __future__ import annotations

import csv
import io
import stat
import zipfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from PIL import Image

from seiqa_features.errors import DataError
from seiqa_features.pictures.decoding import MAX_PIXELS, read_rgb

MB = 2**20  # as Gradio counts them
FORMATS = ("PNG", "JPEG", "BMP", "WEBP", "GIF", "TIFF")
"""Pillow's decoders that an upload may use; EPS, for one, would start another program."""

MANIFEST = "manifest.csv"
EXPECTED = f"{MANIFEST} (columns ref, dist) or two folders, Ref and Dist, of equally named files"

_ARCHIVES = frozenset({".zip", ".gz", ".tgz", ".bz2", ".xz", ".zst", ".7z", ".rar", ".tar", ".jar"})
_METHODS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
_ENCRYPTED = 0x1  # bit 0 of a member's flags
_NAME_LENGTH = 100
_NAMED = 5  # names in a message; the rest is a number


@dataclass(frozen=True)
class Limits:
    """What a server accepts.

    Attributes
    ----------
    upload : int
        Bytes of one uploaded file.
    pixels : int
        Of one picture.
    members : int
        Files in a zip.
    pairs : int
        In a zip.
    unpacked
        Bytes of a zip's files, taken together.
    kept_minutes : int
        That uploads and results stay on disk.
    """

    upload: int = 100 * MB
    pixels: int = MAX_PIXELS
    members: int = 2000
    pairs: int = 1000
    kept_minutes: int = 60

    @property
    def unpacked(self) -> int:
        """Bytes of a zip's files, taken together."""
        return 4 * self.upload


@dataclass(frozen=True)
class Upload:
    """An uploaded file: the name its sender gave it, good for messages only, and its bytes."""

    name: str
    content: bytes


def read_upload(payload: Mapping[str, Any] | None, folder: Path, limits: Limits) -> Upload:
    """The file that a request names, if it is one that was uploaded to this server.

    Parameters
    ----------
    payload : Mapping[str, Any] | None
        Gradio's FileData as the browser sent it; None if nothing was chosen.
    folder : Path
        Where this server keeps uploads; nothing outside it is opened.

    Raises
    ------
    DataError
        It is missing, no longer kept, from elsewhere, or too large.
    """
    if payload is None:
        raise DataError(["nothing was uploaded; choose a file first"])
    path = Path(str(payload.get("path"))).resolve()
    if not path.is_relative_to(folder.resolve()) or not path.is_file():
        raise DataError(["the upload is no longer here; choose the file again"])
    name = str(payload.get("orig_name") or "upload")[:_NAME_LENGTH]
    with path.open("rb") as file:
        content = file.read(limits.upload + 1)
    if len(content) > limits.upload:
        raise DataError([f"{name}: larger than {limits.upload // MB} MB, the limit here"])
    return Upload(name, content)


def decode(upload: Upload, limits: Limits) -> Image.Image:
    """An uploaded picture as upright 8-bit RGB.

    Raises
    ------
    DataError
        One line, what is wrong with it.
    """
    file = io.BytesIO(upload.content)
    try:
        return read_rgb(file, name=upload.name, formats=FORMATS, max_pixels=limits.pixels)
    except DataError:
        raise
    except Exception as error:  # a file made to confuse a decoder can make it raise anything
        problem = f"{upload.name}: damaged image ({type(error).__name__}); save it again"
        raise DataError([problem]) from None


def is_animation(upload: Upload) -> bool:
    """Whether a picture that `decode` took has more than one frame."""
    try:
        with Image.open(io.BytesIO(upload.content), formats=FORMATS) as image:
            return bool(getattr(image, "is_animated", False)) and image.format != "MPO"
    except Exception:  # only its first frame is known to be sound
        return True


class PairArchive:
    """The pairs in an uploaded zip.

    Attributes
    ----------
    pairs
        Names of the members (reference, degraded), in the order of the manifest, or by name.

    Raises
    ------
    DataError
        The zip is damaged, unsafe, larger than the limits, or its pairs are unclear.
    """

    def __init__(self, upload: Upload, limits: Limits) -> None:
        self._limits = limits
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(upload.content))
        except (zipfile.BadZipFile, ValueError, NotImplementedError):
            raise DataError([f"{upload.name}: not a zip, or damaged"]) from None
        self._members = _checked(self._zip.infolist(), limits)
        manifests = [name for name in self._members if PurePosixPath(name).name == MANIFEST]
        if len(manifests) > 1:
            raise DataError([f"zip: more than one {MANIFEST}; keep one"])
        self.pairs = self._listed(manifests[0]) if manifests else _by_folder(list(self._members))
        if len(self.pairs) > limits.pairs:
            raise DataError([f"zip: {len(self.pairs)} pairs; at most {limits.pairs} at a time"])

    def picture(self, name: str) -> Image.Image:
        """Decode a member.

        Raises
        ------
        DataError
            It is damaged or no picture.
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
        """The manifest's rows; a row may name members only, relative to the manifest."""
        try:
            text = self._read(manifest).decode("utf-8-sig")
            rows = list(csv.DictReader(io.StringIO(text), restval=""))
        except (UnicodeDecodeError, csv.Error) as error:
            raise DataError([f"{manifest}: cannot be read as CSV ({error})"]) from None
        if not rows or not {"ref", "dist"} <= rows[0].keys():
            raise DataError([f"{manifest}: expected rows with columns ref and dist"])
        folder = PurePosixPath(manifest).parent
        pairs = [
            (str(folder / row["ref"].strip()), str(folder / row["dist"].strip())) for row in rows
        ]
        unknown = sorted({name for pair in pairs for name in pair if name not in self._members})
        if unknown:
            raise DataError([f"{manifest}: not in the zip: {_some(unknown)}"])
        return pairs


def _checked(infos: list[zipfile.ZipInfo], limits: Limits) -> dict[str, zipfile.ZipInfo]:
    """A zip's files by name, without folders and what macOS and Windows leave behind."""
    if len(infos) > limits.members:
        raise DataError([f"zip: {len(infos)} files; at most {limits.members}"])
    files = [info for info in infos if not info.is_dir()]
    for info in files:
        problem = _problem(info)
        if problem:
            raise DataError([f"zip: {info.filename!r}: {problem}"])
    if sum(info.file_size for info in files) > limits.unpacked:
        raise DataError([f"zip: more than {limits.unpacked // MB} MB unpacked; split it"])
    twice = [name for name, count in Counter(info.filename for info in files).items() if count > 1]
    if twice:
        raise DataError([f"zip: holds more than once: {_some(twice)}"])
    return {info.filename: info for info in files if not _is_litter(info.filename)}


def _problem(info: zipfile.ZipInfo) -> str | None:
    """Why a member must not be read; None if it may be."""
    name = info.filename
    path = PurePosixPath(name.replace("\\", "/"))
    kind = stat.S_IFMT(info.external_attr >> 16)
    if path.is_absolute() or ".." in path.parts or ":" in path.parts[0]:
        return "leads out of the zip"
    if kind not in (0, stat.S_IFREG):
        return "a link or device, not a file"
    if info.flag_bits & _ENCRYPTED:
        return "encrypted; pack it without a password"
    if info.compress_type not in _METHODS:
        return "unusual compression; pack it with ordinary zip (deflate)"
    if path.suffix.lower() in _ARCHIVES:
        return "an archive inside the zip"
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
