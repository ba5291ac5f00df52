"""Texts that pictures are compared with, and a cache for their embeddings."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seiqa_features.errors import StoreError
from seiqa_features.writing import write_whole

# The runner-up's anchors, in the order in which they precede the concepts.
ANCHORS = {
    "good": "a pristine, sharp, high-resolution photograph",
    "bad": "a blurry, noisy, heavily compressed, distorted image",
}
TEMPLATE = "a photo of a {}."  # from the CLIP paper, section 3.1.4; always with "a"

Matrix = NDArray[np.float32]

_CHECKSUM_BYTES = 16


def vocabulary() -> list[str]:
    """The concepts: everyday nouns and scenes, lower case, from the text file in this folder."""
    lines = Path(__file__).with_name("vocabulary.txt").read_text("utf-8").splitlines()
    return [line for line in lines if not line.startswith("#")]


def texts() -> list[str]:
    """All texts that pictures are compared with: the anchors, then one per concept."""
    return [*ANCHORS.values(), *map(TEMPLATE.format, vocabulary())]


def remembered(compute: Callable[[], Matrix], *, key: object, folder: Path | None) -> Matrix:
    """`compute()`, cached in the folder as a .npy file named by a hash of `key`.

    The file is exact, so results do not depend on whether it existed; a damaged file is recomputed.

    Parameters
    ----------
    compute : Callable[[], Matrix]
        Returns the matrix, float32 of any shape.
    key : object
        Everything that can change the matrix, as a JSON-compatible object.
    folder : Path | None
        None to cache nothing.

    Raises
    ------
    StoreError
        The folder cannot be written.
    """
    if folder is None:
        return compute()
    digest = hashlib.blake2b(json.dumps(key, sort_keys=True).encode(), digest_size=16).hexdigest()
    path = folder / f"texts-{digest}.npy"
    kept = _read(path)
    if kept is None:
        kept = compute()
        _write(path, kept)
    return kept


def _read(path: Path) -> Matrix | None:
    """The matrix in a file that exists and is intact: NumPy format followed by a checksum."""
    if not path.is_file():
        return None
    content = path.read_bytes()
    array, checksum = content[:-_CHECKSUM_BYTES], content[-_CHECKSUM_BYTES:]
    if checksum != _checksum(array):
        return None
    matrix: Matrix = np.load(io.BytesIO(array))
    return matrix


def _write(path: Path, matrix: Matrix) -> None:
    array = io.BytesIO()
    np.save(array, matrix)
    try:
        write_whole(path, array.getvalue() + _checksum(array.getvalue()))
    except OSError as error:
        raise StoreError(
            f"{path.parent}: cannot write text embeddings ({error.strerror or error}); free space"
            " or name another folder with --cache"
        ) from None


def _checksum(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=_CHECKSUM_BYTES).digest()
