"""The step `features`: check the data, extract what the store lacks, write the table."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version

import pandas as pd

from pipelines.runs.changes import require_same_data
from pipelines.runs.folder import Extracted, exclusive, read_run
from pipelines.runs.model import Splits, choose_splits
from pipelines.runs.readiness import before_decoding, before_extraction, check_learners
from pipelines.runs.record import features_digest
from pipelines.runs.writing import write_features
from pipelines.sense.constructed import construct
from pipelines.settings import Settings
from seiqa_features.datasets import check_pairs, find_pairs
from seiqa_features.datasets.pairs import Found
from seiqa_features.extraction.cached import extract_table
from seiqa_features.extraction.connecting import Cluster, require_answer
from seiqa_features.extraction.runner import RunReport
from seiqa_features.extraction.runtime import Runtime
from seiqa_features.pictures.index import ImageIndex
from seiqa_features.progress import Progress, unwatched
from seiqa_features.spending import spending
from seiqa_features.table.recipe import Recipe
from seiqa_features.table.store import Store


@dataclass(frozen=True)
class Features:
    """The results of `features`.

    Attributes
    ----------
    extracted : Extracted
        The content of the run folder.
    report : RunReport
        Report of what had to be computed.
    left_out : list[str]
        One line for each pair left out (only with `keep_going`) and each file left out.
    splits : Splits | None
        The folds to train with, if requested.
    """

    extracted: Extracted
    report: RunReport
    left_out: list[str]
    splits: Splits | None


def features(
    settings: Settings,
    *,
    to_train: bool = False,
    on_image: Progress = unwatched,
    on_pair: Progress = unwatched,
    on_order: Progress = unwatched,
) -> Features:
    """Check the data, extract what the store lacks, and write the run's feature table.

    Parameters
    ----------
    to_train : bool
        Whether a training will follow. Causes of its failure are then detected before any picture
        is decoded or, if that requires knowing which pictures are identical, before features are
        extracted.

    Raises
    ------
    DataError
        See `load_pairs` and `extract`; or see `pipelines.runs.readiness`.
    TableError, UsageError
        See `pipelines.runs.readiness`.
    StoreError
        The store or the run folder cannot be written.
    WeightsError
        Weights are missing (unless `skip_unavailable`), changed or damaged.
    DeviceError
        The device does not exist or has too little memory.
    ClusterError
        The Ray cluster cannot be used.
    """
    recipe, data = Recipe.parse(settings.features), settings.named_data()
    with exclusive(settings.run), spending() as spent:
        ready = _checked(settings, recipe, to_train, on_image)
        table, seconds, report = extract_table(
            ready.pairs,
            ready.recipe,
            Store(settings.cache),
            ready.runtime,
            workers=settings.workers,
            keep_going=settings.keep_going,
            cluster=ready.cluster,
            on_progress=on_pair,
        )
        left_out = [*ready.left_out, *report.failures.values()]
        pairs = report.kept(ready.pairs)
        constructed = None
        if settings.orders:
            constructed = construct(settings, pairs, ready.recipe, ready.runtime, on_pair=on_order)
        failed = ready.pairs.loc[~ready.pairs["pair_id"].isin(pairs["pair_id"]), "pair_id"]
        meta = {
            "recipe": ready.recipe.to_dict(),
            "columns": table.shape[1],
            "unavailable": ready.unavailable,
            "left_out": left_out,
            "failed": failed.tolist(),
            "data": [str(path.resolve()) for path in data] if data[1:] else str(data[0].resolve()),
            "cache": str(settings.cache.resolve()),
            "seconds_per_pair": seconds,
            "device": ready.runtime.device if _runs_on_gpu(ready.recipe) else "cpu",
            "versions": _versions(ready.recipe),
        }
        digest = features_digest(pairs, ready.recipe)
        write_features(
            settings, pairs, table, meta, constructed,
            digest=digest, spent=spent() if report.computed else None,
        )  # fmt: skip
    extracted = Extracted(pairs, table, meta, digest, constructed)
    return Features(extracted, report, left_out, ready.splits)


@dataclass(frozen=True)
class _Checked:
    """What an extraction begins with, once everything has been checked."""

    recipe: Recipe
    unavailable: dict[str, str]
    runtime: Runtime
    cluster: Cluster | None
    pairs: pd.DataFrame
    left_out: list[str]
    splits: Splits | None


def _checked(settings: Settings, recipe: Recipe, to_train: bool, on_image: Progress) -> _Checked:
    """Check everything that can be checked before features are extracted, cheapest first."""
    listed = find_pairs(settings.named_data(), settings.dmos)
    if to_train:
        before_decoding(settings, listed)
        check_learners(settings)
    if (cluster := settings.cluster()) is not None:
        require_answer(cluster)
    runtime = settings.runtime()
    recipe, unavailable = runtime.bind(recipe, skip_unavailable=settings.skip_unavailable)
    pairs, left_out = checked_pairs(settings, listed, on_image)
    splits = choose_splits(settings, pairs) if to_train else None
    if splits is not None:
        before_extraction(settings, pairs, splits, recipe)
    return _Checked(recipe, unavailable, runtime, cluster, pairs, left_out, splits)


def checked_pairs(
    settings: Settings, listed: Found, on_image: Progress
) -> tuple[pd.DataFrame, list[str]]:
    """The pairs that a layout lists, with their pictures checked as the settings say.

    Raises
    ------
    DataError
        See `load_pairs`.
    """
    return check_pairs(
        listed,
        ImageIndex(settings.cache),
        keep_going=settings.keep_going,
        workers=settings.workers,
        on_image=on_image,
    )


def read_unchanged(settings: Settings) -> Extracted:
    """The results of `features` in the run folder, if the data has not changed since."""
    found = read_run(settings)
    require_same_data(settings, found)
    return found


def _versions(recipe: Recipe) -> dict[str, str]:
    names = {name for block in recipe.blocks for name in block.spec.libraries}
    return {"seiqa": version("seiqa"), **{name: version(name) for name in sorted(names)}}


def _runs_on_gpu(recipe: Recipe) -> bool:
    return any(block.spec.runs_on_gpu for block in recipe.blocks)
