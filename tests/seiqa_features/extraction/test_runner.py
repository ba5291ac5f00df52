"""The runner: nothing is computed twice, and nothing that goes wrong costs what is done."""

from __future__ import annotations

import errno
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from seiqa_features.datasets.pairs import Found, Pair, build_pairs
from seiqa_features.errors import DataError, ExtractorError, StoreError
from seiqa_features.extraction import flow, planning, runtime
from seiqa_features.extraction.jobs import Job, Result
from seiqa_features.extraction.runner import RunReport, extract
from seiqa_features.extraction.runtime import Runtime
from seiqa_features.extractors import registry
from seiqa_features.extractors.specs import Extract, Extractor, ExtractorSpec, Output
from seiqa_features.pictures.index import ImageIndex
from seiqa_features.table.recipe import Recipe
from seiqa_features.table.store import Store
from seiqa_features.table.table import assemble, write_table
from seiqa_features.weights.files import WeightFiles

FEATURES = {"gms": ["max512", "s48"], "colour": ["s48"]}
RECIPE = Recipe.parse(FEATURES)


def build(pairs: list[Pair], index: ImageIndex, source: Path) -> pd.DataFrame:
    table, problems = build_pairs(Found(source, pairs), index)
    assert problems == []
    return table


@pytest.fixture
def pictures(tmp_path: Path, save_picture: Callable[..., Path]) -> list[Pair]:
    """Three references with five degraded versions each (more than one task holds)."""
    pairs = []
    for r in range(3):
        ref = save_picture(tmp_path / "pics" / f"ref{r}.png", seed=r)
        for d in range(5):
            dist = save_picture(tmp_path / "pics" / f"dist{r}{d}.png", seed=10 * r + d + 100)
            pairs.append(Pair(f"p{r}{d}", ref, dist, "train"))
    return pairs


@pytest.fixture
def pairs(pictures: list[Pair], index: ImageIndex, tmp_path: Path) -> pd.DataFrame:
    return build(pictures, index, tmp_path)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def cpu() -> Runtime:
    return Runtime(WeightFiles(Path("no-weights")))


def run(pairs: pd.DataFrame, store: Store, **options: object) -> RunReport:
    return extract(pairs, RECIPE, store, cpu(), **({"workers": 1} | options))


def table_bytes(pairs: pd.DataFrame, store: Store, path: Path) -> bytes:
    write_table(assemble(pairs, RECIPE, store)[0], path)
    return path.read_bytes()


def refuse(path: Path) -> Image.Image:
    raise AssertionError(f"{path} was decoded")


# --- nothing twice ---------------------------------------------------------------------------


def test_first_run_computes_everything(pairs: pd.DataFrame, store: Store) -> None:
    seen: list[tuple[int, int]] = []
    report = run(pairs, store, on_progress=lambda *progress: seen.append(progress))
    assert (report.computed, report.cached, report.failures) == (15, 0, {})
    assert report.seconds > 0
    assert seen[-1] == (15, 15)
    assert [done for done, _ in seen] == sorted({done for done, _ in seen})
    table, seconds = assemble(pairs, RECIPE, store)
    assert table.index.tolist() == pairs["pair_id"].tolist()
    assert table["gms__max512__mean"].between(0, 1).all()
    assert table["gms__max512__mean"].nunique() == 15
    assert 0 < seconds < 10


def test_second_run_decodes_and_builds_nothing(
    pairs: pd.DataFrame, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(pairs, store)
    monkeypatch.setattr(planning, "load_rgb", refuse)
    monkeypatch.setattr(runtime, "get_extractor", refuse)
    report = run(pairs, store)
    assert (report.computed, report.cached) == (0, 15)


def test_second_run_does_not_import_torch(pairs: pd.DataFrame, store: Store) -> None:
    run(pairs, store)
    pairs.to_pickle(store.root / "pairs.pickle")
    code = f"""
import sys
from pathlib import Path
import pandas as pd
from seiqa_features.table.recipe import Recipe
from seiqa_features.extraction.runner import extract
from seiqa_features.extraction.runtime import Runtime
from seiqa_features.table.store import Store
from seiqa_features.weights.files import WeightFiles
root = Path({str(store.root)!r})
pairs = pd.read_pickle(root / "pairs.pickle")
runtime = Runtime(WeightFiles(root))
report = extract(pairs, Recipe.parse({FEATURES!r}), Store(root), runtime, workers=2)
print(report.cached, "torch" in sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.split() == ["15", "False"]


def test_only_new_blocks_are_computed(
    pairs: pd.DataFrame, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    extract(pairs, Recipe.parse({"gms": ["max512", "s48"]}), store, cpu(), workers=1)
    built: list[str] = []
    real = runtime.get_extractor
    monkeypatch.setattr(runtime, "get_extractor", lambda name: built.append(name) or real(name))
    assert run(pairs, store).computed == 15
    assert built == ["colour"]
    assert store.read(RECIPE.blocks[0]).num_rows == 15


def test_renamed_and_copied_pictures_hit(
    pictures: list[Pair], pairs: pd.DataFrame, index: ImageIndex, store: Store, tmp_path: Path
) -> None:
    run(pairs, store)
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    again = []
    for pair in pictures:
        ref = Path(shutil.copy(pair.ref, moved / f"ref of {pair.pair_id}.png"))
        with Image.open(pair.dist) as image:
            image.save(moved / f"{pair.pair_id}.bmp")
        again.append(Pair(f"again {pair.pair_id}", ref, moved / f"{pair.pair_id}.bmp", "test"))
    copies = build(again, index, tmp_path)
    report = run(copies, store)
    assert (report.computed, report.cached) == (0, 15)
    before, _ = assemble(pairs, RECIPE, store)
    after, _ = assemble(copies, RECIPE, store)
    pd.testing.assert_frame_equal(after.reset_index(drop=True), before.reset_index(drop=True))


def test_an_edited_picture_misses(
    pictures: list[Pair],
    pairs: pd.DataFrame,
    index: ImageIndex,
    store: Store,
    tmp_path: Path,
    save_picture: Callable[..., Path],
) -> None:
    run(pairs, store)
    before, _ = assemble(pairs, RECIPE, store)
    save_picture(pictures[3].dist, seed=999)
    edited = build(pictures, index, tmp_path)
    report = run(edited, store)
    assert (report.computed, report.cached) == (1, 14)
    after, _ = assemble(edited, RECIPE, store)
    changed = before["gms__max512__mean"] != after["gms__max512__mean"]
    assert changed[changed].index.tolist() == [pictures[3].pair_id]


def test_pairs_with_the_same_pixels_are_computed_once(
    pictures: list[Pair], index: ImageIndex, store: Store, tmp_path: Path
) -> None:
    twice = [*pictures, Pair("twice", pictures[0].ref, pictures[0].dist, "train")]
    table = build(twice, index, tmp_path)
    assert run(table, store).computed == 15
    values = assemble(table, RECIPE, store)[0]["gms__max512__gmsd"]
    assert values["twice"] == values["p00"]


# --- the same table whatever the order and the workers ---------------------------------------


def test_one_worker_and_two_give_the_same_bytes(pairs: pd.DataFrame, tmp_path: Path) -> None:
    tables = []
    for workers, shard_pairs in ((1, 64), (2, 64), (2, 3)):
        store = Store(tmp_path / f"store {workers} {shard_pairs}")
        run(pairs, store, workers=workers, shard_pairs=shard_pairs)
        tables.append(table_bytes(pairs, store, tmp_path / "table.parquet"))
    assert tables[0] == tables[1] == tables[2]


def test_order_of_pairs_does_not_matter(pairs: pd.DataFrame, tmp_path: Path) -> None:
    shuffled = pairs.sample(frac=1, random_state=0)
    assert shuffled["pair_id"].tolist() != pairs["pair_id"].tolist()
    first, second = Store(tmp_path / "a"), Store(tmp_path / "b")
    run(pairs, first)
    run(shuffled, second)
    path = tmp_path / "table.parquet"
    assert table_bytes(pairs, first, path) == table_bytes(pairs, second, path)


def test_a_pair_alone_has_the_value_it_has_in_company(pairs: pd.DataFrame, tmp_path: Path) -> None:
    together, alone = Store(tmp_path / "a"), Store(tmp_path / "b")
    run(pairs, together)
    run(pairs.iloc[7:8], alone)
    pd.testing.assert_frame_equal(
        assemble(pairs, RECIPE, together)[0].iloc[7:8],
        assemble(pairs.iloc[7:8], RECIPE, alone)[0],
        check_exact=True,
    )


def test_several_workers_share_a_lone_pair(
    pairs: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its blocks are dealt out, and the values are the same."""
    tasks: list[int] = []
    real = flow.compute

    def watched(task: list[Job], runtime: Runtime) -> Result:
        tasks.append(len(task[0].blocks))
        return real(task, runtime)

    monkeypatch.setattr(flow, "compute", watched)
    alone, shared = Store(tmp_path / "a"), Store(tmp_path / "b")
    assert run(pairs.iloc[:1], alone, workers=1).computed == 1
    assert run(pairs.iloc[:1], shared, workers=3).computed == 1
    assert tasks == [3, 1, 1, 1]
    path = tmp_path / "table.parquet"
    one = pairs.iloc[:1]
    assert table_bytes(one, alone, path) == table_bytes(one, shared, path)


def test_sizes_may_differ_within_a_pair(
    index: ImageIndex, store: Store, tmp_path: Path, save_picture: Callable[..., Path]
) -> None:
    ref = save_picture(tmp_path / "r.png", height=60, width=70)
    dist = save_picture(tmp_path / "d.png", height=57, width=71)
    table = build([Pair("p", ref, dist, "train")], index, tmp_path)
    run(table, store)
    assert not assemble(table, RECIPE, store)[0]["gms__max512__gmsd"].isna().any()


def test_a_picture_too_small_for_a_metric_is_undefined(
    index: ImageIndex, store: Store, tmp_path: Path, save_picture: Callable[..., Path]
) -> None:
    """SR-SIM needs 161 pixels on each side; gms does not."""
    pairs = [
        Pair(
            name,
            save_picture(tmp_path / f"{name}r.png", seed=1, height=height, width=200),
            save_picture(tmp_path / f"{name}d.png", seed=2, height=height, width=200),
            "train",
        )
        for name, height in (("small", 160), ("large", 161))
    ]
    table = build(pairs, index, tmp_path)
    recipe = Recipe.parse({"srsim": ["max512"], "gms": ["max512"]})
    report = extract(table, recipe, store, cpu(), workers=1)
    assert report.computed == 2
    values, _ = assemble(table, recipe, store)
    assert values["srsim__max512__value"].isna().tolist() == [True, False]
    assert values["gms__max512__gmsd"].notna().all()
    assert (
        extract(table, recipe, store, cpu(), workers=1).cached == 2
    )  # undefined is a result as well


def test_an_undefined_block_is_nan_throughout(
    index: ImageIndex,
    store: Store,
    tmp_path: Path,
    save_picture: Callable[..., Path],
    fragile: Recipe,
) -> None:
    ref = save_picture(tmp_path / "r.png", height=20, width=64)
    dist = save_picture(tmp_path / "d.png", seed=1, height=20, width=64)
    table = build([Pair("p", ref, dist, "train")], index, tmp_path)
    extract(table, fragile, store, cpu(), workers=1)
    values, _ = assemble(table, fragile, store)
    assert np.isnan(values["fragile__max512__level"].iloc[0])
    assert np.isnan(list(values["fragile__max512__block"].iloc[0])).tolist() == [True, True]


# --- what goes wrong -------------------------------------------------------------------------


@pytest.fixture
def fragile(monkeypatch: pytest.MonkeyPatch) -> Iterator[Recipe]:
    """A registered extractor that breaks on pictures with a black pixel in the first corner."""

    def build_fragile() -> Extract:
        def work(
            *, ref: torch.Tensor, dist: torch.Tensor, ref_index: torch.Tensor
        ) -> dict[str, torch.Tensor]:
            del ref, ref_index
            if bool((dist[:, :, 0, 0].sum(dim=1) == 0).any()):
                raise RuntimeError("cannot look at it\n(a second line that libraries like to add)")
            level = dist.double().mean(dim=(1, 2, 3))
            return {"level": level, "block": level[:, None].expand(-1, 2).float()}

        return work

    outputs = {"level": Output(), "block": Output(dim=2)}
    spec = ExtractorSpec("fragile", 1, outputs, "RGB", ("torch",), "MIT", "ours", 0.1, min_side=32)
    monkeypatch.setitem(registry._EXTRACTORS, "fragile", Extractor(spec, lambda _: build_fragile()))
    return Recipe.parse({"fragile": ["max512"], "gms": ["max512"]})


def blacken_corner(path: Path) -> None:
    with Image.open(path) as image:
        image.putpixel((0, 0), (0, 0, 0))
        image.save(path)


def test_a_metric_that_breaks_on_one_pair_costs_only_that_pair(
    pictures: list[Pair], index: ImageIndex, store: Store, tmp_path: Path, fragile: Recipe
) -> None:
    blacken_corner(pictures[2].dist)
    table = build(pictures, index, tmp_path)
    with pytest.raises(DataError) as caught:
        extract(table, fragile, store, cpu(), workers=2)
    first, last = caught.value.problems
    assert first == "pair p02: fragile__max512: RuntimeError: cannot look at it"
    assert "the other pairs are done and kept" in last
    broken, whole = fragile.blocks
    assert len(store.keys(broken)) == 14
    assert len(store.keys(whole)) == 15

    report = extract(table, fragile, store, cpu(), workers=2, keep_going=True)
    assert (report.computed, report.cached) == (0, 14)
    assert list(report.failures) == ["p02"]

    twin = table[table["pair_id"] == "p02"].assign(pair_id="twin of p02")
    kept = report.kept(pd.concat([table, twin], ignore_index=True))
    assert kept["pair_id"].tolist() == [name for name in table["pair_id"] if name != "p02"]


@pytest.mark.parametrize(
    ("returned", "found"),
    [
        (lambda dist: {"livel": dist.mean((1, 2, 3))}, "NoneType as"),
        (lambda dist: dist.mean((1, 2, 3)), "Tensor, expected a mapping from output names"),
        (lambda dist: {"level": dist.mean((2, 3))}, r"Tensor\[\d, 3\] as"),
        (lambda dist: {"level": dist.mean()}, r"Tensor\[\] as"),
        (lambda dist: {"level": dist.mean((1, 2, 3)).numpy()}, "ndarray as"),
    ],
)
def test_an_extractor_that_does_not_return_what_its_spec_says_is_named(
    returned: Callable[[torch.Tensor], object],
    found: str,
    pairs: pd.DataFrame,
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def work(*, ref: torch.Tensor, dist: torch.Tensor, ref_index: torch.Tensor) -> object:
        del ref, ref_index
        return returned(dist)

    outputs = {"level": Output()}
    spec = ExtractorSpec("theirs", 1, outputs, "RGB", ("torch",), "MIT", "ours", 0.1)
    monkeypatch.setitem(registry._EXTRACTORS, "theirs", Extractor(spec, lambda _: work))
    with pytest.raises(ExtractorError, match=f"^extractor theirs returns {found}") as told:
        extract(pairs, Recipe.parse({"theirs": ["max512"]}), store, cpu(), workers=1)
    assert re.search(r"expected (a mapping|Tensor\[\d\])", str(told.value))


def test_a_picture_that_changed_meanwhile_is_named_and_the_others_kept(
    pictures: list[Pair],
    pairs: pd.DataFrame,
    store: Store,
    save_picture: Callable[..., Path],
) -> None:
    save_picture(pictures[6].dist, seed=999)
    with pytest.raises(DataError) as caught:
        run(pairs, store)
    assert len(caught.value.problems) == 2
    assert caught.value.problems[0].startswith(f"pair p11: {pictures[6].dist}: changed while")
    assert all(len(store.keys(block)) == 14 for block in RECIPE.blocks)


def test_a_reference_that_vanished_costs_its_pairs_only(
    pictures: list[Pair], pairs: pd.DataFrame, store: Store
) -> None:
    pictures[5].ref.unlink()
    report = run(pairs, store, keep_going=True)
    assert sorted(report.failures) == ["p10", "p11", "p12", "p13", "p14"]
    assert report.failures["p10"] == f"pair p10: {pictures[5].ref}: no such file"
    assert report.computed == 10
    assert all(len(store.keys(block)) == 10 for block in RECIPE.blocks)


def test_full_disk_keeps_what_was_written_and_a_rerun_completes(
    pairs: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path / "store")
    real, calls = pq.ParquetWriter.write_table, []

    def fills_up(writer: pq.ParquetWriter, table: pa.Table, **options: int) -> None:
        calls.append(table)
        if len(calls) > 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(writer, table, **options)

    with monkeypatch.context() as patch:
        patch.setattr(pq.ParquetWriter, "write_table", fills_up)
        with pytest.raises(StoreError, match="No space left on device"):
            run(pairs, store, shard_pairs=4)
    kept = [len(store.keys(block)) for block in RECIPE.blocks]
    assert 0 < sum(kept) < 45
    assert not list(store.root.rglob(".*"))

    report = run(pairs, store)
    assert report.computed == 15 - min(kept)
    undisturbed = Store(tmp_path / "undisturbed")
    run(pairs, undisturbed)
    path = tmp_path / "table.parquet"
    assert table_bytes(pairs, store, path) == table_bytes(pairs, undisturbed, path)


def test_interrupting_keeps_what_is_finished(pairs: pd.DataFrame, store: Store) -> None:
    def interrupt(done: int, _total: int) -> None:
        if done >= 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(pairs, store, on_progress=interrupt)
    assert all(len(store.keys(block)) >= 6 for block in RECIPE.blocks)


def test_interrupting_keeps_what_workers_have_begun(
    pairs: pd.DataFrame, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tasks of references that are being compared at that moment are finished and kept."""
    begun: set[str] = set()
    interrupted = threading.Event()
    real = flow.compute

    def slow(task: list[Job], runtime: Runtime) -> Result:
        begun.update(job.pair_id for job in task)
        if len(begun) > len(task):  # not the first one
            assert interrupted.wait(60)
        return real(task, runtime)

    def interrupt(_done: int, _total: int) -> None:
        if not interrupted.is_set():
            interrupted.set()
            raise KeyboardInterrupt

    monkeypatch.setattr(flow, "compute", slow)
    with pytest.raises(KeyboardInterrupt):
        run(pairs, store, workers=2, on_progress=interrupt)
    wanted = pairs[pairs["pair_id"].isin(begun)]
    assert len(wanted) > 3
    assert all(len(store.keys(block)) == len(wanted) for block in RECIPE.blocks)


def test_what_is_finished_is_written_within_seconds(
    pairs: pd.DataFrame, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even while nothing else gets finished, and long before a shard is full."""
    monkeypatch.setattr(flow, "FLUSH_SECONDS", 0.05)
    real, kept = flow.compute, []

    def slow(task: list[Job], runtime: Runtime) -> Result:
        if any(job.pair_id == "p20" for job in task):  # of the last reference
            deadline = time.monotonic() + 60
            while not store.keys(RECIPE.blocks[0]) and time.monotonic() < deadline:
                time.sleep(0.01)
            kept.append(len(Store(store.root).keys(RECIPE.blocks[0])))
        return real(task, runtime)

    monkeypatch.setattr(flow, "compute", slow)
    assert run(pairs, store).computed == 15
    assert kept
    assert min(kept) > 0
    assert len(list(store.folder(RECIPE.blocks[0]).glob("part-*"))) == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_being_told_to_stop_keeps_what_is_finished(
    number: signal.Signals, pairs: pd.DataFrame, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    def tell(done: int, _total: int) -> None:
        if done >= 6:
            os.kill(os.getpid(), number)

    with pytest.raises(SystemExit) as stopped:
        run(pairs, store, on_progress=tell)
    assert stopped.value.code == 128 + number
    assert all(len(store.keys(block)) >= 6 for block in RECIPE.blocks)
    assert "stopping; what was computed is kept" in caplog.text
    assert signal.getsignal(number) is signal.SIG_DFL


def test_a_program_keeps_its_own_signal_handlers(
    pairs: pd.DataFrame, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[int] = []
    monkeypatch.setattr(signal, "SIGHUP", signal.SIGUSR1)  # a signal that nobody sends the tests
    before = signal.signal(signal.SIGUSR1, lambda number, _: told.append(number))
    try:
        run(pairs, store, on_progress=lambda *_: os.kill(os.getpid(), signal.SIGUSR1))
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert told
    assert all(len(store.keys(block)) == 15 for block in RECIPE.blocks)


def test_extraction_in_another_thread_handles_no_signals(pairs: pd.DataFrame, store: Store) -> None:
    with ThreadPoolExecutor(1) as threads:
        assert threads.submit(run, pairs, store).result().computed == 15


SHARD = 8
CHILD = """
import sys, time
from pathlib import Path
import pandas as pd
from seiqa_features.table.recipe import Recipe
from seiqa_features.extraction.runner import extract
from seiqa_features.extraction.runtime import Runtime
from seiqa_features.table.store import Store
from seiqa_features.weights.files import WeightFiles

def report(done, total):
    print(done, flush=True)
    time.sleep(0.01)  # time enough to be killed in

folder, features, shard = Path(sys.argv[1]), eval(sys.argv[2]), int(sys.argv[3])
pairs = pd.read_pickle(folder / "pairs.pickle")
extract(pairs, Recipe.parse(features), Store(folder / "store"), Runtime(WeightFiles(folder)),
        workers=2, shard_pairs=shard, on_progress=report)
"""


def test_a_killed_run_loses_less_than_a_shard(
    index: ImageIndex, tmp_path: Path, save_picture: Callable[..., Path]
) -> None:
    refs = [save_picture(tmp_path / f"r{r}.png", seed=r, height=32, width=32) for r in range(8)]
    dists = [
        save_picture(tmp_path / f"d{d}.png", seed=50 + d, height=32, width=32) for d in range(15)
    ]
    pairs = build(
        [Pair(f"{r.stem}{d.stem}", r, d, "train") for r in refs for d in dists], index, tmp_path
    )
    pairs.to_pickle(tmp_path / "pairs.pickle")
    store = Store(tmp_path / "store")

    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(tmp_path), repr(FEATURES), str(SHARD)],
        stdout=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 60
    while any(len(Store(store.root).keys(b)) < 3 * SHARD for b in RECIPE.blocks):
        assert child.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.005)
    os.kill(child.pid, signal.SIGKILL)
    finished = max(map(int, child.communicate()[0].split()))
    assert child.returncode == -signal.SIGKILL

    on_disk = [store.keys(block) for block in RECIPE.blocks]
    complete = set.intersection(*on_disk)
    assert 0 < len(complete) < len(pairs)
    assert finished - len(complete) < SHARD

    report = run(pairs, store, workers=2)
    assert report.computed == len(pairs) - len(complete)
    undisturbed = Store(tmp_path / "undisturbed")
    run(pairs, undisturbed, workers=2)
    path = tmp_path / "table.parquet"
    assert table_bytes(pairs, store, path) == table_bytes(pairs, undisturbed, path)
