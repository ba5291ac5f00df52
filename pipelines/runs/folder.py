"""The run folder: names of its files, exclusive write access, and how the steps read it.

Nothing outside it changes, except the shared feature store and the ledger (`pipelines.runs.ledger`)
beside it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from filelock import FileLock, Timeout

from pipelines.runs.outputs import require_folder
from pipelines.runs.record import (
    MODEL,
    RECORD,
    Features,
    Record,
    read_record,
    require_unchanged,
)
from pipelines.settings import Settings
from seiqa_features.commits import current, settle
from seiqa_features.errors import DataError, StoreError
from seiqa_features.remote.places import local_side, parts_of_file
from seiqa_features.table.keys import KEYS
from seiqa_features.table.recipe import Recipe
from seiqa_features.table.table import read_table
from seiqa_features.writing import write_whole

PAIRS, FEATURES, FEATURES_META = "pairs.parquet", "features.parquet", "features.json"
METRICS, PREDICTIONS, SCORES = "metrics.json", "predictions.csv", "scores.csv"
BUNDLE, SUBMISSION, SETTINGS = "bundle", "submission.zip", "settings.yaml"
ORDERS, ORDERS_FEATURES = "orders.parquet", "orders_features.parquet"
REPORT = "report.html"
BUNDLE_MANIFEST = f"{BUNDLE}/bundle.json"
LOCK = ".lock"

RESULTS = (
    PAIRS, FEATURES, FEATURES_META, METRICS, PREDICTIONS, SCORES, SUBMISSION, SETTINGS, ORDERS,
    ORDERS_FEATURES, REPORT, BUNDLE_MANIFEST, MODEL, RECORD, LOCK,
)  # fmt: skip
"""Files that some step writes to a run folder."""


@contextmanager
def exclusive(run: Path) -> Iterator[None]:
    """Lock a run folder, created if missing, against all other processes.

    Writes that a killed process had committed to are completed first. The lock is reentrant within
    a process. Object stores have no locks: there it holds against processes of this machine.

    Raises
    ------
    StoreError
        Another process holds the lock.
    UsageError, OutputError
        The folder cannot hold a run's results; see `require_folder`.
    """
    place = local_side(run)
    require_folder(place, files=RESULTS, folders=[BUNDLE])
    run.mkdir(parents=True, exist_ok=True)
    lock = FileLock(place / LOCK, timeout=0, is_singleton=True)
    try:
        lock.acquire()
    except Timeout:
        raise StoreError(
            f"{run}: another seiqa process writes to this run folder; wait for it, or name another"
            " folder with --run"
        ) from None
    try:
        settle(run)
        yield
    finally:
        if lock.lock_counter == 1:  # processes do not wait for it, so the file can go
            with suppress(OSError):
                (place / LOCK).unlink()
        lock.release()
        if not lock.is_locked:
            with suppress(OSError):  # stays unless empty
                place.rmdir()


@dataclass(frozen=True)
class Constructed:
    """Pairs made from the training references, with known order and no labels.

    Attributes
    ----------
    rows : pd.DataFrame
        Indexed by pair_id: scene (the reference's pixel key), edit, group_id, and donor, the group
        of another reference that supplied pixels.
    table : pd.DataFrame
        Features of the same rows in the same order.
    """

    rows: pd.DataFrame
    table: pd.DataFrame


@dataclass(frozen=True)
class Extracted:
    """The output of `features` in a run folder.

    Attributes
    ----------
    table : pd.DataFrame
        The feature table, with the rows of `pairs` in the same order.
    meta : dict[str, Any]
        Content of features.json.
    digest : str
        See `pipelines.runs.record.features_digest`.
    constructed : Constructed | None
        Only with the setting orders.
    """

    pairs: pd.DataFrame
    table: pd.DataFrame
    meta: dict[str, Any]
    digest: str
    constructed: Constructed | None = None

    def of(self, pairs: pd.DataFrame) -> pd.DataFrame:
        """Rows of the feature table for re-read pairs, found by their pixels, not their names.

        Pairs without features have no row.
        """
        ours, theirs = (pd.MultiIndex.from_frame(some[list(KEYS)]) for some in (self.pairs, pairs))
        places = pd.Series(np.arange(len(ours)), index=ours)
        places = places[~ours.duplicated()].reindex(theirs).dropna().astype(int)
        names = pairs["pair_id"][theirs.isin(ours)]
        return self.table.iloc[places].set_axis(pd.Index(names, name="pair_id"))


def read_run(settings: Settings) -> Extracted:
    """Pair table, feature table and the features' description, as written by `features`.

    Raises
    ------
    DataError
        One is missing or was changed, or the features do not match the settings.
    """
    run, record = settings.run, read_record(settings.run)
    if record is None or record.features is None:
        raise DataError([f"{run}: no features in it; run `seiqa features` first"])
    require_unchanged(run, record.features, (PAIRS, FEATURES, FEATURES_META), step="features")
    meta = read_json(run / FEATURES_META)
    if not _still_asked_for(meta, settings):
        raise DataError(
            [f"{run}: its features are of another configuration or version;"
             " run `seiqa features` again"]
        )  # fmt: skip
    pairs = read_pairs(run)
    table = read_table(current(run / FEATURES)).loc[pairs["pair_id"]]
    constructed = _read_constructed(run, record.features) if settings.orders else None
    return Extracted(pairs, table, meta, record.features.digest, constructed)


def read_pairs(run: Path) -> pd.DataFrame:
    """The pair table that `features` wrote."""
    return pd.read_parquet(parts_of_file(current(run / PAIRS)))


def _read_constructed(run: Path, written: Features) -> Constructed:
    if ORDERS not in written.files:
        raise DataError(
            [f"{run}: its features are without constructed orders (setting orders);"
             " run `seiqa features` again"]
        )  # fmt: skip
    require_unchanged(run, written, (ORDERS, ORDERS_FEATURES), step="features")
    rows = pd.read_parquet(parts_of_file(current(run / ORDERS)))
    return Constructed(rows, read_table(current(run / ORDERS_FEATURES)).loc[rows.index])


def require_training(run: Path, *names: str) -> Record:
    """The record of a run folder, if its training used the features in it.

    Parameters
    ----------
    names : str
        Files of the training that will be read.

    Raises
    ------
    DataError
        The training used other features, or one of the files is missing or was changed.
    """
    record = read_record(run)
    if record is None or record.training is None:
        raise DataError([f"{run}: no training in it; run `seiqa train` first"])
    if record.features is not None and record.training.features != record.features.digest:
        raise DataError(
            [f"{run}: its training is of other features than those in it now; run `seiqa train`"]
        )
    require_unchanged(run, record.training, names, step=record.training.step)
    return record


def read_json(path: Path) -> dict[str, Any]:
    """The content of a JSON file; empty if the file does not exist."""
    path = current(path)
    content: dict[str, Any] = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    return content


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write atomically; undefined numbers become null."""
    write_whole(path, json_text(content))


def json_text(content: Any) -> str:
    """The content as JSON; undefined numbers become null."""
    return json.dumps(_finite(content), indent=1, allow_nan=False)


def _still_asked_for(meta: dict[str, Any], settings: Settings) -> bool:
    """Whether the settings, without what was unavailable, describe the existing features."""
    asked = Recipe.parse(settings.features).without(meta["unavailable"])
    if asked.to_dict()["features"] != meta["recipe"]["features"]:
        return False
    now: bool = Recipe.from_dict(meta["recipe"]).to_dict() == meta["recipe"]
    return now


def _finite(value: Any) -> Any:
    """JSON has no NaN; null stands for undefined."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
