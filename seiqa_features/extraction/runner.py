"""The runner: decode ∥ extract ∥ write, for everything that the store does not hold yet.

Pairs are processed in small tasks that share a reference, so that it is decoded and filtered once.
The tasks are run by `flow.py` on this machine, or by Ray on a cluster.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from seiqa_features.errors import DataError
from seiqa_features.extraction.cluster import run_on_cluster
from seiqa_features.extraction.connecting import Cluster, this_machine
from seiqa_features.extraction.flow import SHARD_PAIRS, run_jobs
from seiqa_features.extraction.planning import jobs_for, look_up, shared_among
from seiqa_features.extraction.runtime import Runtime
from seiqa_features.extraction.signals import stopping
from seiqa_features.progress import Progress, unwatched
from seiqa_features.table.keys import KEYS
from seiqa_features.table.recipe import Recipe
from seiqa_features.table.store import Store


@dataclass
class RunReport:
    """Result of a run: pairs computed, pairs already stored, and one line per failed pair."""

    computed: int = 0
    cached: int = 0
    seconds: float = 0.0
    failures: dict[str, str] = field(default_factory=dict)

    def kept(self, pairs: pd.DataFrame) -> pd.DataFrame:
        """The pairs without failed ones and their duplicates (equal pixels share one row)."""
        keys = pd.MultiIndex.from_frame(pairs[list(KEYS)])
        failed = keys[pairs["pair_id"].isin(self.failures)]
        return pairs[~keys.isin(failed)].reset_index(drop=True)

    def followed_by(self, later: RunReport) -> RunReport:
        """The combined report of this run and a later one that recomputed lost rows."""
        return RunReport(
            computed=self.computed + later.computed,
            cached=max(0, self.cached - later.computed),
            seconds=self.seconds + later.seconds,
            failures=self.failures | later.failures,
        )


def extract(
    pairs: pd.DataFrame,
    recipe: Recipe,
    store: Store,
    runtime: Runtime,
    *,
    workers: int,
    keep_going: bool = False,
    shard_pairs: int = SHARD_PAIRS,
    cluster: Cluster | None = None,
    on_progress: Progress = unwatched,
) -> RunReport:
    """Compute every block of `recipe` for every pair that the store does not hold.

    `recipe` is bound to `runtime`. `on_progress(done, total)` counts the pairs that had to be
    computed. If all rows exist, nothing is decoded and no extractor is built. With a `cluster`, its
    nodes do the work and `workers` does not matter; several devices are a cluster of this machine.

    Raises
    ------
    DataError
        Pairs failed (a file changed or disappeared, or a metric failed on it) and `keep_going`
        is false. Raised at the end, when all other pairs are in the store.
    StoreError
        The store cannot be written.
    WeightsError
        A weights file is damaged or belongs to another architecture.
    DeviceError
        A single pair does not fit in the GPU's memory.
    ClusterError
        See `run_on_cluster`.
    """
    started = time.perf_counter()
    distinct, there = look_up(pairs, recipe, store)
    lacking = ~there.all(axis=1)
    report = RunReport(cached=int((~lacking).sum()))
    if lacking.any():
        if cluster is None and len(runtime.devices) > 1:
            cluster = this_machine(runtime.devices)
        rows = distinct.iloc[np.flatnonzero(lacking)]
        with stopping():
            if cluster is not None:
                report.failures = run_on_cluster(rows, recipe, store, runtime, cluster, on_progress)
            else:
                jobs = shared_among(jobs_for(rows, there[lacking], recipe), workers)
                report.failures = run_jobs(
                    jobs, runtime, on_progress, sink=store, workers=workers, shard_pairs=shard_pairs
                )
        report.computed = int(lacking.sum()) - len(report.failures)
    report.seconds = time.perf_counter() - started
    if report.failures and not keep_going:
        raise DataError(
            [*report.failures.values(), "the other pairs are done and kept; fix these and rerun"]
        )
    return report
