"""Cost of looking up pairs in feature stores of several sizes, today's store against format 2.

    python benchmarks/bench_store.py [--rows 10000 100000 1000000]

For each size: time to write the rows as runs do, in portions of 512, with all merging; then, each
in a new process, time and memory to look up 10 pairs in one block of scalars, by the store and as
format 2 did it. Then time and memory to assemble the table of 100 000 pairs × 30 blocks, and for 10
pairs to read their embeddings (2 × 1024 numbers) from a store of 20 000. Memory is the peak of
resident memory above that after the imports.
"""

from __future__ import annotations

# ruff: noqa: T201
import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import old_store
import pandas as pd
import psutil
import pyarrow as pa

from seiqa_features.extractors.specs import ExtractorSpec, Output
from seiqa_features.pictures.views import View
from seiqa_features.table.keys import KEYS
from seiqa_features.table.merging import new_part
from seiqa_features.table.recipe import Block, Recipe
from seiqa_features.table.shards import SECONDS, ShardType, in_groups, in_order, write_shard
from seiqa_features.table.store import Store
from seiqa_features.table.table import assemble

PAIRS_PER_REFERENCE = 50
FEW = 10
MANY, BLOCKS = 100_000, 30
EMBEDDED, WIDTH = 20_000, 1024


def block(number: int = 0, width: int = 0) -> Block:
    """A made-up block of one scalar, or of a pair of embeddings."""
    outputs = {"value": Output()}
    if width:
        outputs = {f"cls_{role}": Output(dim=width, role=role) for role in ("ref", "dist")}
    spec = ExtractorSpec(
        name="made_up", version=1, outputs=outputs, colour="RGB", libraries=("numpy",),
        licence="MIT", source="ours", cost=0.1,
    )  # fmt: skip
    return Block(spec, View.parse(f"s{64 + number}"))


def made_up(rows: int, width: int = 0) -> pa.Table:
    """Rows of a block in random order, `PAIRS_PER_REFERENCE` to a reference."""
    rng = np.random.default_rng(rows)
    hexes = [rng.bytes(16).hex() for _ in range(-(-rows // PAIRS_PER_REFERENCE))]
    columns: dict[str, object] = {
        KEYS[0]: [hexes[row // PAIRS_PER_REFERENCE] for row in range(rows)],
        KEYS[1]: [rng.bytes(16).hex() for _ in range(rows)],
    }
    if width:
        for name in ("cls_ref", "cls_dist"):
            flat = pa.array(rng.normal(size=rows * width).astype(np.float32))
            columns[name] = pa.FixedSizeListArray.from_arrays(flat, width)
    else:
        columns["value"] = rng.normal(size=rows)
    table = pa.table({**columns, SECONDS: rng.random(rows)})
    return table.take(pa.array(rng.permutation(rows)))


def put(store: Store, kind: Block, table: pa.Table) -> None:
    """Write a table as one sorted shard."""
    known = ShardType.of(kind)
    table = in_order(table).cast(known.schema)
    write_shard(new_part(store.folder(kind)), known, in_groups(table, known))


def some(table: pa.Table, count: int) -> pd.DataFrame:
    """Some of the rows as a table of pairs."""
    rows = np.random.default_rng(1).choice(table.num_rows, count, replace=False)
    keys = table.select(KEYS).take(pa.array(rows)).to_pandas()
    return keys.assign(pair_id=[str(number) for number in range(count)])


def measure(what: str, folder: Path) -> dict[str, float]:
    """Seconds and megabytes of a lookup, in a process of its own."""
    command = [sys.executable, __file__, "--measure", what, str(folder)]
    return dict(json.loads(subprocess.run(command, capture_output=True, check=True).stdout))


def measured(what: str, folder: Path) -> dict[str, float]:
    """The lookup itself."""
    pairs = pd.read_parquet(folder / "pairs.parquet")
    before, start = psutil.Process().memory_info().rss, time.perf_counter()
    if what == "old":
        keys = list(zip(pairs["ref_key"], pairs["dist_key"], strict=True))
        old_store.lookup(folder / "old", keys, "value")
    else:
        numbers = range(BLOCKS) if what == "many" else range(1)
        recipe = Recipe(tuple(block(n, WIDTH if what == "wide" else 0) for n in numbers))
        table, _ = assemble(pairs, recipe, Store(folder / "new"))
        if len(table) != len(pairs):
            raise RuntimeError("rows are missing")
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "megabytes": max(0, _peak() - before) / 1e6}


def _peak() -> int:
    """Highest resident memory so far, in bytes; getrusage would count the parent's as well."""
    status = Path("/proc/self/status").read_text()
    return 1024 * int(re.search(r"VmHWM:\s+(\d+) kB", status)[1])  # type: ignore[index]


def compare(rows: int, folder: Path) -> None:
    """Both stores of one size."""
    table, store, kind = made_up(rows), Store(folder / "new"), block()
    start = time.perf_counter()
    for first in range(0, rows, 512):
        store.append(kind, table.slice(first, 512).to_pylist())
    written = time.perf_counter() - start
    old_store.write(table, folder / "old", kind.fingerprint)
    some(table, FEW).to_parquet(folder / "pairs.parquet")
    new, old = measure("new", folder), measure("old", folder)
    print(
        f"{rows:9d} rows, {len(list(store.folder(kind).glob('part-*')))} shards"
        f" (written in {written:.1f} s); {FEW} pairs: {new['seconds']:.3f} s,"
        f" {new['megabytes']:.0f} MB; format 2: {old['seconds']:.3f} s, {old['megabytes']:.0f} MB;"
        f" ratio {old['seconds'] / new['seconds']:.1f}",
        flush=True,
    )


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    options.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    chosen = options.parse_args()
    if chosen.measure:
        print(json.dumps(measured(chosen.measure[0], Path(chosen.measure[1]))))
        return
    for rows in chosen.rows:
        with tempfile.TemporaryDirectory() as folder:
            compare(rows, Path(folder))
    with tempfile.TemporaryDirectory() as folder:
        table, store = made_up(MANY), Store(Path(folder) / "new")
        for number in range(BLOCKS):
            put(store, block(number), table)
        some(table, MANY).to_parquet(Path(folder) / "pairs.parquet")
        found = measure("many", Path(folder))
        print(
            f"{MANY} pairs × {BLOCKS} blocks: {found['seconds']:.1f} s, {found['megabytes']:.0f} MB"
            f" (the table itself: {8 * MANY * BLOCKS / 1e6:.0f} MB)"
        )
    with tempfile.TemporaryDirectory() as folder:
        table, store = made_up(EMBEDDED, WIDTH), Store(Path(folder) / "new")
        put(store, block(0, WIDTH), table)
        some(table, FEW).to_parquet(Path(folder) / "pairs.parquet")
        found = measure("wide", Path(folder))
        print(
            f"{FEW} of {EMBEDDED} pairs of embeddings of {WIDTH}: {found['seconds']:.3f} s,"
            f" {found['megabytes']:.0f} MB (all of them: {8 * WIDTH * EMBEDDED / 1e6:.0f} MB)"
        )


if __name__ == "__main__":
    main()
