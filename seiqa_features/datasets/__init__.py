"""Data set adapters: each turns one layout on disk into the same pair table.

To add a layout, write a module with `matches(path) -> bool` and `read(path) -> Found`, and add it
to `ADAPTERS`.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from seiqa_features.datasets import csiq, kadid10k, live, manifest, pipal, seiqa, tid2013
from seiqa_features.datasets.pairs import Found, build_pairs, require_pairs
from seiqa_features.errors import DataError
from seiqa_features.files import require_regular
from seiqa_features.pictures.index import ImageIndex
from seiqa_features.progress import Progress, unwatched

ADAPTERS = (seiqa, manifest, tid2013, kadid10k, pipal, csiq, live)


def find_pairs(data: Path) -> Found:
    """Read the layout at `data`: a SeIQA folder, a manifest or a public data set.

    Raises
    ------
    DataError
        `data` does not exist, is a FIFO or device, or no adapter knows its layout.
    """
    if not data.exists():
        raise DataError([f"{data}: no such file or folder"])
    if not data.is_dir():
        require_regular(data)
    for adapter in ADAPTERS:
        if adapter.matches(data):
            found: Found = adapter.read(data)
            return found
    raise DataError(
        [
            f"{data}: neither a SeIQA folder (Train/Ref, Train/Dist, …), nor TID2013, KADID-10k,"
            " PIPAL, CSIQ or LIVE as its authors distribute it, nor a manifest (.csv, .xlsx, …)"
        ]
    )


def load_pairs(
    data: Path,
    index: ImageIndex,
    *,
    keep_going: bool = False,
    workers: int = 1,
    on_image: Progress = unwatched,
) -> tuple[pd.DataFrame, list[str]]:
    """The checked pair table at `data` (contract: `datasets.pairs`) and what was left out.

    Raises
    ------
    DataError
        Everything wrong with the data at once, unless `keep_going`.
    """
    return check_pairs(
        find_pairs(data), index, keep_going=keep_going, workers=workers, on_image=on_image
    )


def check_pairs(
    found: Found,
    index: ImageIndex,
    *,
    keep_going: bool = False,
    workers: int = 1,
    on_image: Progress = unwatched,
) -> tuple[pd.DataFrame, list[str]]:
    """The checked table of the pairs that an adapter found, and what was left out.

    Raises
    ------
    DataError
        As `load_pairs`.
    """
    table, problems = build_pairs(found, index, workers=workers, on_image=on_image)
    table = require_pairs(table, problems, keep_going=keep_going)
    return table, [*found.left_out, *problems]
