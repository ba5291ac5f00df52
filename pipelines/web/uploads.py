"""Uploads: files are decoded to pixels, or refused with one line that says why.

Nothing in an upload is trusted: neither its name nor its type nor its sizes.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from seiqa_features.errors import DataError
from seiqa_features.files import why_irregular
from seiqa_features.pictures.decoding import MAX_PIXELS, read_rgb
from seiqa_features.pictures.formats import HEAD_BYTES, decoders_for

MB = 2**20  # as Gradio counts them
NAME_LENGTH = 100
"""Maximum number of characters of a file's name shown."""


@dataclass(frozen=True)
class Limits:
    """What a server accepts.

    Attributes
    ----------
    upload : int
        Bytes of one uploaded file.
    pixels : int
        Pixels of one picture.
    members : int
        Files in a zip.
    pairs : int
        Pairs in a zip.
    unpacked
        Bytes of a zip's files, taken together; of each of them, `upload`.
    kept_minutes : int
        Minutes that uploads and results stay on disk.
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
    """An uploaded file: its bytes, and the sender's name for it, used in messages only."""

    name: str
    content: bytes


def find_upload(
    payload: Mapping[str, Any] | None, folder: Path, limits: Limits
) -> tuple[str, Path]:
    """Name and path of the file that a request names, if it was uploaded to this server.

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
    try:
        path = Path(str(payload.get("path"))).resolve()
        here = path.is_relative_to(folder.resolve()) and why_irregular(path) is None
    except (OSError, ValueError):  # no name that a file can have
        here = False
    if not here:
        raise DataError(["the upload is no longer here; choose the file again"])
    name = str(payload.get("orig_name") or "upload")[:NAME_LENGTH]
    if path.stat().st_size > limits.upload:
        raise DataError([f"{name}: larger than {limits.upload // MB} MB, the limit here"])
    return name, path


def read_upload(payload: Mapping[str, Any] | None, folder: Path, limits: Limits) -> Upload:
    """The file that a request names, as `find_upload` finds it; the same errors."""
    name, path = find_upload(payload, folder, limits)
    return Upload(name, path.read_bytes())


def decode(upload: Upload, limits: Limits) -> Image.Image:
    """An uploaded picture as upright 8-bit RGB.

    Raises
    ------
    DataError
        The message says in one line what is wrong.
    """
    file = io.BytesIO(upload.content)
    return read_rgb(file, name=upload.name, max_pixels=limits.pixels)


def is_animation(upload: Upload) -> bool:
    """Whether a picture accepted by `decode` has more than one frame."""
    decoders = decoders_for(upload.content[:HEAD_BYTES], upload.name)
    try:
        with Image.open(io.BytesIO(upload.content), formats=decoders) as image:
            return bool(getattr(image, "is_animated", False)) and image.format != "MPO"
    except Exception:  # only its first frame is known to be valid
        return True
