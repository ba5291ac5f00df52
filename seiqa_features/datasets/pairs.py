"""The pair table: one DataFrame contract, checked once on entry.

One row per pair, columns in this order:

=============  ========  ====================================================================
pair_id        str       unique
ref_path       str       reference image, as `files.path_text` writes it
dist_path      str       degraded image, as `files.path_text` writes it
mos            float64   label, NaN if there is none
group_id       str       rows that must stay together in every split (default: ref_key); rows with
                         equal pixels share one group, whatever groups they were given
split          str       train, val or test
order          int64     position in file order, for block splits
distortion     str       kind of distortion, missing if unknown
ref_key        str       pixel hash of the reference
dist_key       str       pixel hash of the degraded image
ref_size       str       "width×height" of the reference
dist_size      str       "width×height" of the degraded image
codec          str       what compressed it; this column and bpp only if some pair has a codec
bpp            float64   its rate in bits per pixel, NaN if unknown
=============  ========  ====================================================================

Pairs of several collections, whose labels are on scales of their own, have one more column,
`collection` (str): its name, missing for a pair to be scored that belongs to none. Their rows with
the same reference share one group, in whichever collection they are.

`DataFrame.attrs` describes the labels: `source` (where the table came from), `label_kind` ("MOS",
or "pseudo-label" if a program generated them), `label_range` ([low, high] or None),
`neighbours_alike` (True if neighbouring files are alike, so that only block splits give unbiased
results) and, if lower scores in the files are better, `turned` (how the label was computed from
them, such as "100 − DMOS"). With several collections these facts are by collection, in
`collections` (name → fields of `Collection`), and `scenes` lists the references that show one scene
in several of them (see `datasets.collections`). All later steps may rely on this contract.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from seiqa_features.datasets.grouping import joined_groups
from seiqa_features.errors import DataError, one_line
from seiqa_features.path_texts import path_text
from seiqa_features.pictures.index import ImageIndex, ImageInfo
from seiqa_features.progress import Progress, unwatched

SPLITS = ("train", "val", "test")
COLUMNS = (
    "pair_id", "ref_path", "dist_path", "mos", "group_id", "split", "order", "distortion",
    "ref_key", "dist_key", "ref_size", "dist_size",
)  # fmt: skip


@dataclass(slots=True)
class Pair:
    """One pair as an adapter found it; None for whatever is not known of it."""

    pair_id: str
    ref: Path
    dist: Path
    split: str
    mos: float | None = None
    group: str | None = None
    distortion: str | None = None
    codec: str | None = None
    bpp: float | None = None
    collection: str | None = None

    @property
    def for_training(self) -> bool:
        """Whether models learn from it; see `training_rows`."""
        return self.split == "train" and self.mos is not None


@dataclass(frozen=True)
class Collection:
    """What is known about the labels of one of several collections.

    Attributes
    ----------
    label_range : tuple[float, float] | None
        Lowest and highest label there is.
    turned : str | None
        As in the pair table.
    identity : float | None
        Label of an undistorted picture.
    """

    label_range: tuple[float, float] | None = None
    turned: str | None = None
    identity: float | None = None


@dataclass
class Found:
    """Everything an adapter read from a folder or file.

    `problems` lists all problems, `left_out` what was skipped without being a problem (such as a
    file that is not a picture); one line each. `turned` is as in the pair table, `identity` the
    label of an undistorted picture where it is known. `collections` is empty unless the pairs come
    from several. `label_notes` says what is known about the labels of this layout and should be
    known to whoever trains on them.
    """

    source: Path
    pairs: list[Pair] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    label_kind: str = "MOS"
    label_range: tuple[float, float] | None = None
    neighbours_alike: bool = False
    turned: str | None = None
    label_notes: list[str] = field(default_factory=list)
    identity: float | None = None
    collections: dict[str, Collection] = field(default_factory=dict)


def build_pairs(
    found: Found,
    index: ImageIndex,
    *,
    workers: int = 1,
    on_image: Progress = unwatched,
) -> tuple[pd.DataFrame, list[str]]:
    """Decode every image and return the pairs as a table in the format described above.

    Pairs with a problem are left out of the table and reported in the list of problems, so that
    the caller decides whether to stop (the default everywhere) or to continue without them.

    Returns
    -------
    tuple[pd.DataFrame, list[str]]
        The pair table (possibly empty) and all problems, those of the adapter first.
    """
    paths = (path for pair in found.pairs for path in (pair.ref, pair.dist))
    infos, unreadable = index.scan(paths, workers=workers, on_image=on_image)
    ids = pd.Series([pair.pair_id for pair in found.pairs], dtype="str")
    twice = ids.duplicated().to_numpy(dtype=bool)
    repeated = [f"{found.source}: pair_id {name!r} appears more than once" for name in ids[twice]]
    problems = [*map(one_line, (*found.problems, *unreadable.values(), *repeated))]
    # A million rows may name only a few pictures, which the rows give by their numbers.
    numbers = {path: number for number, path in enumerate(infos)}
    refs = np.array([numbers.get(pair.ref, -1) for pair in found.pairs], dtype=np.int64)
    dists = np.array([numbers.get(pair.dist, -1) for pair in found.pairs], dtype=np.int64)
    usable = np.flatnonzero(~twice & (refs >= 0) & (dists >= 0))
    table = _table(found, usable, infos, refs[usable], dists[usable])
    table.attrs = {
        "source": path_text(found.source),
        "label_kind": found.label_kind,
        "label_range": None if found.label_range is None else list(found.label_range),
        "neighbours_alike": found.neighbours_alike,
    }
    if found.turned is not None:
        table.attrs["turned"] = found.turned
    if found.label_notes:
        table.attrs["label_notes"] = list(found.label_notes)
    if found.collections:
        table.attrs["collections"] = {
            name: asdict(collection) for name, collection in found.collections.items()
        }
    if not found.pairs and not problems:
        problems.append(f"{found.source}: no image pairs in it")
    return table, problems


def _table(
    found: Found,
    usable: NDArray[np.int64],
    infos: Mapping[Path, ImageInfo],
    refs: NDArray[np.int64],
    dists: NDArray[np.int64],
) -> pd.DataFrame:
    """The columns of the usable pairs; `refs` and `dists` number their pictures in `infos`."""
    pairs = [found.pairs[order] for order in usable]
    keys = [info.key for info in infos.values()]
    sizes = [f"{info.width}×{info.height}" for info in infos.values()]
    columns = {"path": [*map(path_text, infos)], "key": keys, "size": sizes}
    of_pictures = {name: pd.array(values, dtype="str") for name, values in columns.items()}
    pixels = pd.factorize(pd.Index(keys))[0]  # several files may have the same pixels
    shared = pixels[refs] * len(infos) + pixels[dists]
    own = zip(pairs, refs, strict=True)
    groups = [keys[ref] if pair.group is None else pair.group for pair, ref in own]
    groups = joined_groups(groups, shared)
    if found.collections:
        groups = joined_groups(groups, pixels[refs])
    table = pd.DataFrame(
        {
            "pair_id": pd.array([pair.pair_id for pair in pairs], dtype="str"),
            "mos": [math.nan if pair.mos is None else pair.mos for pair in pairs],
            "group_id": pd.array(groups, dtype="str"),
            "split": pd.array([pair.split for pair in pairs], dtype="str"),
            "order": usable,
            "distortion": pd.array([pair.distortion for pair in pairs], dtype="str"),
            **{f"ref_{name}": values.take(refs) for name, values in of_pictures.items()},
            **{f"dist_{name}": values.take(dists) for name, values in of_pictures.items()},
        },
        columns=list(COLUMNS),
    ).astype({"mos": float})
    if any(pair.codec for pair in pairs):
        table["codec"] = pd.array([pair.codec for pair in pairs], dtype="str")
        table["bpp"] = [math.nan if pair.bpp is None else pair.bpp for pair in pairs]
    if found.collections:
        table["collection"] = pd.array([pair.collection for pair in pairs], dtype="str")
    return table


def training_rows(table: pd.DataFrame) -> pd.Series:
    """Whether models learn from each pair, bool [n]: those of split train that have a label."""
    return (table["split"] == "train") & table["mos"].notna()


def require_pairs(table: pd.DataFrame, problems: list[str], *, keep_going: bool) -> pd.DataFrame:
    """Return the table, or raise what `require_usable` does."""
    require_usable(len(table), problems, keep_going=keep_going)
    return table


def require_usable(pairs: int, problems: list[str], *, keep_going: bool) -> None:
    """Refuse problems, of which the error lists all; `pairs` is the number of usable pairs.

    Raises
    ------
    DataError
        There are problems and `keep_going` is false, or no pair is usable.
    """
    if problems and not keep_going:
        raise DataError([*problems, "fix these, or leave those pairs out with --keep-going"])
    if not pairs:
        raise DataError([*problems, "no usable pair is left"])
