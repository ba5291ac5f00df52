"""Speed of extraction on Ray clusters of this machine, against the local engine.

    python benchmarks/bench_cluster.py [--references N] [--rounds N]

Prints pairs per second of the local engine with one worker, of a cluster of one node with one core,
and of one with two such nodes, for pictures of 512×384, six degraded versions to a reference. The
clock runs from the first finished pairs to the last ones: starting a cluster and importing the
libraries on its nodes takes the same time for any number of pairs, and is printed apart. Nothing
else should be running on the machine.
"""

from __future__ import annotations

# ruff: noqa: T201
import argparse
import statistics
import tempfile
import time
from pathlib import Path

import ray
from pictures import write_pairs
from ray.cluster_utils import Cluster as LocalCluster

from seiqa_features.datasets import find_pairs
from seiqa_features.datasets.pairs import build_pairs
from seiqa_features.extraction import cluster as units
from seiqa_features.extraction.connecting import Cluster
from seiqa_features.extraction.runner import extract
from seiqa_features.extraction.runtime import Runtime
from seiqa_features.pictures.index import ImageIndex
from seiqa_features.table.recipe import Recipe
from seiqa_features.table.store import Store
from seiqa_features.weights.files import WeightFiles

RECIPE = Recipe.parse(
    {"ssim": ["max512"], "fsim": ["max512"], "vsi": ["max512"], "haarpsi": ["max512"]}
)
UNIT = 6  # pairs, so that a short run has many units
PER_REFERENCE = 6


class Clock:
    """Pairs per second from the first report to the last."""

    def __init__(self) -> None:
        self.started = time.perf_counter()
        self.reports: list[tuple[float, int]] = []

    def report(self, done: int, _total: int) -> None:
        """What the engine calls."""
        self.reports.append((time.perf_counter(), done))

    @property
    def rate(self) -> float:
        """Pairs per second."""
        (first, before), (last, after) = self.reports[0], self.reports[-1]
        return (after - before) / (last - first)

    @property
    def start(self) -> float:
        """Seconds to the first report."""
        return self.reports[0][0] - self.started


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--references", type=int, default=20)
    options.add_argument("--rounds", type=int, default=3)
    chosen = options.parse_args()
    units.UNIT_PAIRS = UNIT
    clocks: dict[str, list[Clock]] = {"local, 1 worker": [], "1 node": [], "2 nodes": []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        manifest = write_pairs(
            folder / "pictures", references=chosen.references, per_reference=PER_REFERENCE
        )
        pairs, _ = build_pairs(find_pairs(manifest), ImageIndex(folder / "index"))
        runtime = Runtime(WeightFiles(folder / "no weights"))
        for number in range(chosen.rounds):
            for nodes, (title, found) in enumerate(clocks.items()):
                local = LocalCluster(initialize_head=True, head_node_args={"num_cpus": 0})
                for _ in range(nodes):
                    local.add_node(num_cpus=1, object_store_memory=80 * 2**20)
                clock = Clock()
                extract(
                    pairs, RECIPE, Store(folder / f"{title} {number}"), runtime, workers=1,
                    cluster=Cluster(local.address) if nodes else None, on_progress=clock.report,
                )  # fmt: skip
                ray.shutdown()
                local.shutdown()
                found.append(clock)
                print(f"{title}: {clock.rate:.2f} pairs/s after {clock.start:.1f} s", flush=True)
    local, one, two = (
        statistics.median(clock.rate for clock in found) for found in clocks.values()
    )
    print(f"one node / local: {one / local:.2f}; two nodes / one: {two / one:.2f}")


if __name__ == "__main__":
    main()
