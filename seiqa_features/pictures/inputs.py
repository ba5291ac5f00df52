"""Pictures as passed by a program: files, their bytes, Pillow images, arrays or tensors."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.ImageFile import ImageFile

from seiqa_features.errors import DataError
from seiqa_features.files import is_open_device, reason
from seiqa_features.pictures.colour import OVERSHOOT, levels
from seiqa_features.pictures.decoding import (
    check_size,
    decode_rgb,
    load_rgb,
    orientation,
    read_rgb,
)
from seiqa_features.remote.paths import RemotePath
from seiqa_features.remote.places import named_path

if TYPE_CHECKING:
    import torch

Picture: TypeAlias = (
    "str | os.PathLike[str] | bytes | IO[bytes] | Image.Image | NDArray[Any] | torch.Tensor"
)
"""A path, the bytes of a file or an open binary file, a Pillow image, an array or a tensor.

Arrays are [H, W] or [H, W, C], tensors [H, W], [C, H, W] or [1, C, H, W]; C is 1 (grey), 3 (RGB) or
4 (RGB and opacity). Values are uint8 in 0..255 or float in 0..1; floats up to `OVERSHOOT` outside
are clamped. A file that can seek is read from its start, another one from where it is.

A Pillow image as returned by `Image.open` is rotated according to its EXIF data, like the file. An
image derived from it (converted, cropped, rotated) may already have been rotated, either by
`ImageOps.exif_transpose`, which removes the EXIF orientation, or by hand: if it still has an EXIF
orientation, it is refused.
"""

CHANNELS = (1, 3, 4)
BYTES = (bytes, bytearray, memoryview)


def path_of(picture: Picture) -> Path | None:
    """The path that a picture is given by, None if it is not given by one."""
    if isinstance(picture, RemotePath):
        return picture
    return named_path(os.fsdecode(picture)) if isinstance(picture, str | os.PathLike) else None


def as_rgb(picture: Picture, *, name: str) -> Image.Image:
    """The picture as 8-bit RGB, as `seiqa_features.pictures.decoding` returns it for a file.

    Floats are rounded to the 256 levels of a file: a picture scores the same in every form.

    Parameters
    ----------
    name : str
        Name of the picture in errors.

    Raises
    ------
    DataError
        It has an unsupported type, shape or value, or would be refused as a file.
    """
    if (path := path_of(picture)) is not None:
        try:
            return load_rgb(path)
        except DataError as error:
            raise DataError([f"{name}: {line}" for line in error.problems]) from None
    if isinstance(picture, BYTES) or _is_file(picture):
        return read_rgb(io.BytesIO(_content(picture, name)), name=name)
    if isinstance(picture, Image.Image):
        if not isinstance(picture, ImageFile) and orientation(picture) != 1:
            raise DataError(
                [f"{name}: is its EXIF orientation {orientation(picture)} still to be applied? pass"
                 " ImageOps.exif_transpose(picture), or the path; or, if it was turned, delete"
                 " picture.getexif()[274] and picture.info['exif']"]
            )  # fmt: skip
        return decode_rgb(picture, name=name)
    if isinstance(picture, np.ndarray):
        return _from_array(picture, name)
    torch = sys.modules.get("torch")  # if it is not imported, there are no tensors
    if torch is not None and isinstance(picture, torch.Tensor):
        return _from_array(_pixels_last(picture, name), name)
    raise DataError(
        [f"{name}: a {type(picture).__name__}; expected a path, an open file or its bytes, a Pillow"
         " image, a numpy array or a torch tensor"]
    )  # fmt: skip


def pair_as_rgb(ref: Picture, dist: Picture) -> tuple[Image.Image, Image.Image]:
    """Both pictures of a pair, converted by `as_rgb`.

    Raises
    ------
    DataError
        Lists every problem with either of them.
    """
    pictures: list[Image.Image] = []
    problems: list[str] = []
    for name, picture in (("ref", ref), ("dist", dist)):
        try:
            pictures.append(as_rgb(picture, name=name))
        except DataError as error:
            problems += error.problems
    if problems:
        raise DataError(problems)
    return pictures[0], pictures[1]


def is_picture(value: object) -> bool:
    """Whether it is a single picture, valid or not, rather than a collection."""
    torch = sys.modules.get("torch")  # if it is not imported, there are no tensors
    kinds = (str, os.PathLike, *BYTES, Image.Image, np.ndarray)
    return isinstance(value, (*kinds, *((torch.Tensor,) if torch else ()))) or _is_file(value)


def _is_file(value: object) -> bool:
    return callable(getattr(value, "read", None))


def _content(picture: Any, name: str) -> bytes:
    """The bytes of a file given as bytes or opened."""
    if isinstance(picture, BYTES):
        return bytes(picture)
    try:
        if is_open_device(picture):
            raise DataError([f"{name}: an open device, which may have no end; expected a file"])
        if getattr(picture, "seekable", bool)():
            picture.seek(0)
        content = picture.read()
    except DataError:
        raise
    except Exception as error:  # closed, a broken pipe, a damaged archive, a lost connection, …
        raise DataError([f"{name}: an open file that cannot be read ({reason(error)})"]) from None
    if isinstance(content, str):
        raise DataError([f'{name}: a file opened as text; open it with mode "rb"'])
    if not isinstance(content, BYTES):
        raise DataError([f"{name}: reading it gave a {type(content).__name__}; expected bytes"])
    return bytes(content)


def _pixels_last(tensor: torch.Tensor, name: str) -> NDArray[Any]:
    """[H, W] or [H, W, C] on the CPU."""
    if tensor.is_nested:
        raise DataError([f"{name}: a nested tensor; pass its pictures one by one"])
    if tensor.ndim == 4 and len(tensor) == 1:
        tensor = tensor[0]
    planes = tensor.ndim == 3 and tensor.shape[0] in CHANNELS
    if not planes and tensor.ndim != 2:
        raise DataError(
            [f"{name}: tensor of shape {list(tensor.shape)}; expected [C, H, W] with 1, 3 or 4"
             " channels, or [H, W]"]
        )  # fmt: skip
    try:
        pixels = (tensor.permute(1, 2, 0) if planes else tensor).detach().cpu()
        # numpy has no bfloat16
        array: NDArray[Any] = (pixels.float() if pixels.is_floating_point() else pixels).numpy()
    except (RuntimeError, TypeError) as error:  # sparse, quantised, without data, …
        raise DataError([f"{name}: a tensor without plain pixels ({reason(error)})"]) from None
    return array


def _from_array(array: NDArray[Any], name: str) -> Image.Image:
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in CHANNELS):
        raise DataError(
            [f"{name}: array of shape {list(array.shape)}; expected [H, W, C] with 1, 3 or 4"
             " channels, or [H, W]"]
        )  # fmt: skip
    if np.ma.is_masked(array):
        raise DataError([f"{name}: some values are masked; fill them, for example with white"])
    height, width = array.shape[:2]
    check_size(name, width, height)
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[..., 0]
    return decode_rgb(Image.fromarray(_eight_bit(array, name)), name=name)


def _eight_bit(array: NDArray[Any], name: str) -> NDArray[np.uint8]:
    if array.dtype == np.uint8:
        return array
    if not np.issubdtype(array.dtype, np.floating):
        raise DataError(
            [f"{name}: values of type {array.dtype}; expected uint8 in 0..255 or float in 0..1"]
        )
    return levels(array, name=name, overshoot=OVERSHOOT)
