"""Texts that pictures are compared with, and a cache for a network's embeddings of them."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seiqa_features.errors import StoreError

# The runner-up's anchors, in the order in which they come before the concepts.
ANCHORS = {
    "good": "a pristine, sharp, high-resolution photograph",
    "bad": "a blurry, noisy, heavily compressed, distorted image",
}
TEMPLATE = "a photo of a {}."  # the one of the CLIP paper, section 3.1.4, whatever the article

Matrix = NDArray[np.float32]


def vocabulary() -> list[str]:
    """The concepts: everyday nouns and scenes, lower case, from the text file beside this one."""
    lines = Path(__file__).with_name("vocabulary.txt").read_text("utf-8").splitlines()
    return [line for line in lines if not line.startswith("#")]


def texts() -> list[str]:
    """Every text that pictures are compared with: the anchors, then one for each concept."""
    return [*ANCHORS.values(), *map(TEMPLATE.format, vocabulary())]


def remembered(compute: Callable[[], Matrix], *, key: object, folder: Path | None) -> Matrix:
    """`compute()`, kept in the folder as a .npy file named by a hash over `key`.

    The file holds every bit, so nothing shows whether it was there before.

    Parameters
    ----------
    compute : Callable[[], Matrix]
        Makes the matrix, float32 of any shape.
    key : object
        Everything that can change the matrix, as JSON can hold it.
    folder : Path | None
        None to keep nothing.

    Raises
    ------
    StoreError
        The folder cannot be written.
    """
    if folder is None:
        return compute()
    digest = hashlib.blake2b(json.dumps(key, sort_keys=True).encode(), digest_size=16).hexdigest()
    path = folder / f"texts-{digest}.npy"
    try:
        kept: Matrix = np.load(path)
    except (OSError, ValueError, EOFError):  # absent or damaged
        kept = compute()
        _write(path, kept)
    return kept


def _write(path: Path, matrix: Matrix) -> None:
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("wb") as file:
                np.save(file, matrix)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(
            f"{path.parent}: cannot write text embeddings ({error.strerror or error}); free space"
            " or name another folder with --cache"
        ) from None
