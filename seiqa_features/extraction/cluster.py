"""Extraction on a cluster: Ray Data distributes pairs to actors, each of which is a local engine.

A *unit* is a portion of the pairs that still lack rows, ordered by reference. An actor builds its
extractors once, extracts unit after unit and writes the rows to the store, which all nodes share.
Ray assigns units as actors become free, moves those of a lost node or worker to others, and adds
actors as the cluster grows. A unit that is tried again computes only what the store does
not hold yet.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pandas as pd

from seiqa_features.errors import ClusterError, SeiqaError
from seiqa_features.extraction.actors import Extraction, Work
from seiqa_features.extraction.connecting import Cluster, connected
from seiqa_features.extraction.runtime import Runtime
from seiqa_features.path_texts import path_text, text_path
from seiqa_features.progress import Progress
from seiqa_features.table.keys import KEYS
from seiqa_features.table.recipe import Recipe
from seiqa_features.table.store import Store

ACTOR_CPUS = 4
"""Cores of an actor without a GPU: more would save memory, but leave cores idle between units."""

UNIT_PAIRS = 16
"""Pairs of a unit, for each core of an actor."""

_COLUMNS = ["pair_id", "ref_path", "dist_path", *KEYS]


@dataclass(frozen=True)
class Share:
    """The share of a node that an actor gets."""

    cpus: int
    gpus: int
    count: int


def run_on_cluster(
    pairs: pd.DataFrame,
    recipe: Recipe,
    store: Store,
    runtime: Runtime,
    cluster: Cluster,
    on_progress: Progress,
) -> dict[str, str]:
    """Extract the features of pairs on all nodes.

    Parameters
    ----------
    pairs : pd.DataFrame
        Distinct pairs that lack rows, ordered by reference.
    recipe : Recipe
        Bound to `runtime`, which describes the device and the weights on every node.

    Returns
    -------
    dict[str, str]
        One line per pair that failed.

    Raises
    ------
    ClusterError
        Ray is not installed, nothing answers at the address, the cluster has no suitable node, or a
        node has other versions than this machine.
    StoreError, WeightsError, DeviceError
        On a node; see `runner.extract`. The rows written by then are kept.
    """
    with connected(cluster):
        share = _share(on_gpu=runtime.device != "cpu")
        units = _units(pairs, share)
        work = Work(
            recipe.to_dict(),
            {block.name: block.fingerprint for block in recipe.blocks},
            Store(store.root.absolute()),
            runtime.elsewhere(),
            share.cpus,
        )
        failures: dict[str, str] = {}
        done = 0
        for result in _results(units, work, share):
            for line, fatal in zip(result["line"], result["fatal"], strict=True):
                if fatal:
                    raise _error(fatal, line)
            failed = result[result["line"] != ""]
            failures.update(zip(failed["pair_id"], failed["line"], strict=True))
            done += len(result)
            on_progress(done, len(pairs))
    return failures


def _share(*, on_gpu: bool) -> Share:
    """One actor to a GPU with its share of the node's cores, or to some cores.

    Raises
    ------
    ClusterError
        No node has a core, or a GPU where one is needed.
    """
    import ray

    known: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
    nodes = [node["Resources"] for node in known if node["Alive"]]
    needed = "GPU" if on_gpu else "CPU"
    able = [node for node in nodes if node.get(needed, 0) >= 1 and node.get("CPU", 0) >= 1]
    if not able:
        raise ClusterError(f"the Ray cluster has {len(nodes)} nodes, none of them with a {needed}")
    if on_gpu:
        cpus = max(1, min(int(node["CPU"] // node["GPU"]) for node in able))
        return Share(cpus, 1, sum(int(node["GPU"]) for node in able))
    cpus = min(ACTOR_CPUS, *(int(node["CPU"]) for node in able))
    return Share(cpus, 0, sum(int(node["CPU"]) // cpus for node in able))


def _units(pairs: pd.DataFrame, share: Share) -> list[pd.DataFrame]:
    """Portions of the pairs; small enough for every actor to get some."""
    fair = -(-len(pairs) // (4 * share.count))
    size = max(1, min(UNIT_PAIRS * share.cpus, fair))
    rows = pairs[_COLUMNS].astype(object)
    for side in ("ref_path", "dist_path"):  # an actor has another working directory
        rows[side] = [path_text(text_path(path).absolute()) for path in rows[side]]
    return [rows.iloc[start : start + size] for start in range(0, len(rows), size)]


def _results(units: list[pd.DataFrame], work: Work, share: Share) -> Iterator[pd.DataFrame]:
    """What the actors return, in no particular order."""
    import ray.data

    logging.getLogger("ray.data").setLevel(logging.ERROR)
    ray.data.DataContext.get_current().enable_progress_bars = False
    results = ray.data.from_pandas(units).map_batches(
        Extraction,
        fn_constructor_args=(work,),
        batch_size=None,
        batch_format="pandas",
        compute=ray.data.ActorPoolStrategy(
            min_size=min(share.count, len(units)), max_size=len(units)
        ),
        num_cpus=share.cpus,
        num_gpus=share.gpus,
    )
    for batch in results.iter_batches(batch_size=None, batch_format="pandas", prefetch_batches=0):
        yield pd.DataFrame(batch)


def _error(name: str, line: str) -> SeiqaError:
    """The error that an actor returned."""
    from seiqa_features import errors

    kind = getattr(errors, name, SeiqaError)
    lines = line.split("\n")
    return kind(lines) if kind is errors.DataError else kind(*lines)
