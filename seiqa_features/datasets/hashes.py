"""Perceptual hashes of the references in a pair table, used to find nearly equal pictures."""

from __future__ import annotations

import pandas as pd

from seiqa_features.path_texts import text_path
from seiqa_features.pictures.decoding import difference_hash, load_rgb


def reference_hashes(pairs: pd.DataFrame) -> dict[str, int]:
    """Perceptual hash of the reference of every pair, by pair_id; each picture is decoded once.

    Raises
    ------
    DataError
        A file no longer exists or is not an image.
    """
    first = pairs.drop_duplicates("ref_key")
    by_key = {
        key: difference_hash(load_rgb(text_path(str(path))))
        for key, path in zip(first["ref_key"], first["ref_path"], strict=True)
    }
    return dict(zip(pairs["pair_id"], pairs["ref_key"].map(by_key).tolist(), strict=True))
