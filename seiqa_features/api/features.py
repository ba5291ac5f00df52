"""Features of pictures in one call."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, TypeAlias, overload

import pandas as pd

from seiqa_features.errors import DataError, UsageError
from seiqa_features.extraction.direct import compute_table, gather, thread_count
from seiqa_features.extraction.runtime import shared_runtime
from seiqa_features.pictures.inputs import Picture, is_picture
from seiqa_features.pictures.pair_inputs import both_sides
from seiqa_features.progress import Progress, unwatched
from seiqa_features.table.quantities import find_quantities
from seiqa_features.table.recipe import Recipe

logger = logging.getLogger(__name__)

Pictures: TypeAlias = "list[Any] | tuple[Any, ...] | pd.Series[Any]"
"""Several pictures, each a `Picture`."""


@overload
def extract(
    names: str | Sequence[str],
    ref: Picture,
    dist: Picture,
    *,
    view: str | None = None,
    details: bool = False,
    device: str = "auto",
    weights: Path | str | Mapping[str, Path] | None = None,
    workers: int | None = None,
) -> dict[str, float]: ...


@overload
def extract(
    names: str | Sequence[str],
    ref: Pictures | pd.DataFrame,
    dist: Pictures | None = None,
    *,
    view: str | None = None,
    details: bool = False,
    device: str = "auto",
    weights: Path | str | Mapping[str, Path] | None = None,
    workers: int | None = None,
    keep_going: bool = False,
    on_pair: Progress = unwatched,
) -> pd.DataFrame: ...


def extract(
    names: str | Sequence[str],
    ref: Picture | Pictures | pd.DataFrame,
    dist: Picture | Pictures | None = None,
    *,
    view: str | None = None,
    details: bool = False,
    device: str = "auto",
    weights: Path | str | Mapping[str, Path] | None = None,
    workers: int | None = None,
    keep_going: bool = False,
    on_pair: Progress = unwatched,
) -> dict[str, float] | pd.DataFrame:
    """Full-reference metrics and other features of one pair or of many.

    Parameters
    ----------
    names : str | Sequence[str]
        Metrics by their published names ("mdsi", "MS-SSIM"), one number each; extractors
        ("colour", "dinov2_s14"), all scalars of each; or single outputs ("colour__hue_shift").
        `list_extractors` lists metrics and extractors.
    ref, dist : Picture | Sequence[Picture] | pd.DataFrame
        The reference and the degraded picture: paths, Pillow images, numpy arrays [H, W] or
        [H, W, C], torch tensors [H, W] or [C, H, W], uint8 in 0..255 or float in 0..1. For several
        pairs, two sequences of equal length, or `ref` alone: a DataFrame with columns ref and
        dist, or a pair table from `load_pairs`. Floats are rounded to the 256 levels of a file. A
        degraded picture of another size is resized to the size of the reference.
    view : str | None
        Size and crop, such as "max512" or "s256" (`seiqa_features.pictures.views`) [the pictures
        at their original size; squeezed to the input size of networks that have a fixed one].
    details : bool
        Also return the other scalars of each metric's extractor, such as SSIM by patches.
    device : str
        For pretrained networks: "auto" (a GPU if there is one), "cpu", "cuda" or "cuda:<number>".
    weights : Path | str | Mapping[str, Path] | None
        Folder of pretrained weights, or files by name (`seiqa weights list`) [the caches of the
        libraries]. Missing files are downloaded. Networks are loaded once per process.
    workers : int | None
        Threads [all cores]; the values do not depend on it.
    keep_going : bool
        For several pairs: leave the rows of bad pairs empty and log why, instead of stopping.
    on_pair : Progress
        For several pairs: called with the number of pairs done and the total number of pairs.

    Returns
    -------
    dict[str, float] | pd.DataFrame
        For one pair, name → value in the order of `names`; for several, a row per pair and a
        float64 column per name, with the DataFrame's index (a pair table's pair_id) or 0, 1, 2, …
        NaN means undefined, for example if a picture is too small for a metric. On one machine
        with the same library versions, the values of a pair are bit-identical whether it is
        computed alone or with others.

    Raises
    ------
    UsageError
        A name or a view does not exist, or an extractor cannot use the view.
    DataError
        Lists every problem with the pictures.
    WeightsError
        Pretrained weights are missing and cannot be downloaded.

    Examples
    --------
    >>> import numpy as np
    >>> ref = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    >>> extract(["gmsd", "ssim"], ref, ref)
    {'gmsd': 0.0, 'ssim': 1.0}
    >>> extract("psnr", [ref, ref], [ref, ref // 2]).round(1)
       psnr
    0  80.0
    1  10.7
    """
    threads = thread_count(workers)
    asked = [names] if isinstance(names, str) or names is None else names
    found = [find_quantities(name, details=details) for name in asked]
    quantities = list(dict.fromkeys(chain.from_iterable(found)))
    if not quantities:
        raise UsageError("no metric is named; list_extractors() gives the names")
    views = {q.spec.name: view or q.spec.usual_view for q in quantities}
    runtime = shared_runtime(device, weights)
    recipe, _ = runtime.bind(Recipe.parse({name: [look] for name, look in views.items()}))
    alone = is_picture(ref) and (dist is None or is_picture(dist))
    sides: Any = ([ref], [dist]) if alone else (ref, dist)
    index, refs, dists = both_sides(*sides)
    pairs, problems = gather(refs, dists)
    if not problems or keep_going:
        table, failures = compute_table(pairs, recipe, runtime, workers=threads, on_pair=on_pair)
        problems += failures.values()
    if problems and not keep_going:
        raise DataError([line.removeprefix("pair 0: ") for line in problems] if alone else problems)
    for line in problems:
        logger.warning("left out: %s", line)
    columns = {f"{q.spec.name}__{views[q.spec.name]}__{q.output}": q.name for q in quantities}
    values = table[list(columns)].rename(columns=columns)
    values = values.reindex([str(number) for number in range(len(refs))])
    if alone:
        return {str(name): float(value) for name, value in values.iloc[0].items()}
    return values.set_axis(index)
