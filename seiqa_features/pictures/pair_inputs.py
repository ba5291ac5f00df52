"""Many pairs as passed by a program: a table, two sequences or two batches of tensors."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import pandas as pd
from PIL.Image import Image

from seiqa_features.errors import DataError
from seiqa_features.path_texts import text_path
from seiqa_features.pictures.inputs import Picture

if TYPE_CHECKING:
    import torch


def both_sides(
    pairs: pd.DataFrame | Sequence[Picture], dist: Sequence[Picture] | None
) -> tuple[pd.Index, list[Picture], list[Picture]]:
    """Index, references and degraded pictures, from a DataFrame or from two sequences.

    A DataFrame has columns ref and dist, or is a pair table (`seiqa_features.datasets.pairs`), in
    which case the index is its pair_id.

    Raises
    ------
    DataError
        It lacks a column ref or dist, or the sequences differ in length.
    """
    of_files = ("ref_path", "dist_path")
    if isinstance(pairs, pd.DataFrame) and dist is None and set(of_files) <= set(pairs.columns):
        sides: list[list[Picture]] = [
            [text_path(str(path)) for path in pairs[name]] for name in of_files
        ]
        return pd.Index(pairs["pair_id"]), sides[0], sides[1]
    if isinstance(pairs, pd.DataFrame) and dist is None:
        missing = [name for name in ("ref", "dist") if name not in pairs]
        if twice := [name for name in ("ref", "dist") if list(pairs.columns).count(name) > 1]:
            raise DataError([f"pairs: several columns {twice[0]}; rename or drop the others"])
        if missing:
            raise DataError([f"pairs: no column {' and '.join(missing)}; expected ref and dist"])
        return pairs.index, list(pairs["ref"]), list(pairs["dist"])
    if isinstance(pairs, pd.DataFrame) or dist is None:
        raise DataError(["expected a DataFrame with columns ref and dist, or two sequences"])
    for name, side in (("ref", pairs), ("dist", dist)):
        if isinstance(side, str | bytes | os.PathLike | Image) or not isinstance(side, Iterable):
            raise DataError(
                [f"{name}: a {type(side).__name__}; expected a sequence of pictures, or one picture"
                 " on both sides"]
            )  # fmt: skip
    refs, dists = list(pairs), list(dist)
    if len(refs) != len(dists):
        raise DataError([f"{len(refs)} references but {len(dists)} degraded pictures"])
    return pd.RangeIndex(len(refs)), refs, dists


def both_batches(
    dist: torch.Tensor, ref: torch.Tensor
) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """References and degraded pictures of two batches of tensors [B, C, H, W].

    A batch of one reference is that of all degraded pictures: every entry is the same object.

    Raises
    ------
    DataError
        They are no such batches, or differ in their number of pictures.
    """
    import torch

    problems = []
    for name, batch in (("dist", dist), ("ref", ref)):
        if not isinstance(batch, torch.Tensor):
            problems.append(f"{name}: a {type(batch).__name__}; expected a tensor [B, 3, H, W]")
        elif batch.ndim != 4:
            problems.append(f"{name}: tensor of shape {list(batch.shape)}; expected [B, 3, H, W]")
    if not problems and len(ref) not in (1, len(dist)):
        problems.append(f"{len(ref)} references but {len(dist)} degraded pictures; expected as many"
                        " or one")  # fmt: skip
    if problems:
        raise DataError(problems)
    refs = [ref[0]] * len(dist) if len(ref) == 1 else list(ref)
    return refs, list(dist)
