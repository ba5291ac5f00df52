"""The content of a model file, inspected without rebuilding any of it.

skops reads every member of the file as a whole, and NumPy allocates an array of whatever shape its
header states. Both are therefore checked first: nothing in the file may unpack to more than its
stored size, and an array's shape and type must match its number of bytes.
"""

from __future__ import annotations

import io
import math
import zipfile
from collections import Counter
from typing import IO

import numpy as np

from seiqa_models.inspection.zips import LongDirectoryError, open_zip

DIRECTORY_BYTES = 4_000_000
"""Maximum size of the zip directory: some 60 000 members; a forest of 1000 trees has 3000."""

SCHEMA = "schema.json"
_ENCRYPTED = 0x1  # bit 0 of a member's flags


class UnsoundModelError(Exception):
    """A model file must not be rebuilt; the message is meant for the user."""


def open_model(model: bytes) -> zipfile.ZipFile:
    """Open the zip written by skops after checking its structure.

    Raises
    ------
    UnsoundModelError
        It is not a zip, or damaged; a member is compressed, encrypted, listed twice, or shares its
        bytes with another.
    """
    try:
        archive = open_zip(io.BytesIO(model), directory_bytes=DIRECTORY_BYTES)
    except LongDirectoryError as error:
        raise UnsoundModelError(str(error)) from None
    except Exception as error:  # zipfile raises whatever its parts raise
        raise UnsoundModelError(f"no zip, or a damaged one ({error})") from None
    members = archive.infolist()
    for name, times in Counter(info.filename for info in members).items():
        if times > 1:
            raise UnsoundModelError(f"member {name!r} is in it {times} times")
    for info in members:
        if info.compress_type != zipfile.ZIP_STORED or info.compress_size != info.file_size:
            raise UnsoundModelError(f"member {info.filename!r} is compressed")
        if info.flag_bits & _ENCRYPTED:
            raise UnsoundModelError(f"member {info.filename!r} is encrypted")
    if sum(info.file_size for info in members) > len(model):
        raise UnsoundModelError("its members have more bytes than the file")
    return archive


def list_members(archive: zipfile.ZipFile) -> dict[str, str]:
    """Members by name: ``float64[72, 3]`` for an array, ``4711 bytes`` for anything else.

    Raises
    ------
    UnsoundModelError
        An array's header does not match its number of bytes, or the array holds Python objects.
    """
    return {
        info.filename: _array(archive, info)
        if info.filename.endswith(".npy")
        else f"{info.file_size} bytes"
        for info in archive.infolist()
    }


def _array(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> str:
    try:
        with archive.open(info) as file:
            shape, dtype = _read_header(file)
            header = file.tell()
    except Exception as error:  # a forged header can make its readers raise anything
        raise UnsoundModelError(f"array {info.filename!r} cannot be read ({error})") from None
    if dtype.hasobject:
        raise UnsoundModelError(f"array {info.filename!r} holds Python objects")
    if min(shape, default=0) < 0 or header + math.prod(shape) * dtype.itemsize != info.file_size:
        raise UnsoundModelError(
            f"array {info.filename!r} says that it is {dtype.name}{list(shape)}, which does not fit"
            f" its {info.file_size - header} bytes"
        )
    return f"{dtype.name}{list(shape)}"


def _read_header(file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype]:
    if np.lib.format.read_magic(file) == (1, 0):
        shape, _, dtype = np.lib.format.read_array_header_1_0(file)
    else:
        shape, _, dtype = np.lib.format.read_array_header_2_0(file)
    return shape, dtype
