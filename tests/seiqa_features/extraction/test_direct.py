"""Pictures in memory → feature table: the same bytes as by way of the store."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from seiqa_features.datasets.pairs import Found, Pair, build_pairs
from seiqa_features.extraction import runtime as runtimes
from seiqa_features.extraction import work
from seiqa_features.extraction.direct import compute_table, gather, held
from seiqa_features.extraction.jobs import Load
from seiqa_features.extraction.runner import extract
from seiqa_features.extraction.runtime import Runtime
from seiqa_features.extractors.registry import all_extractors
from seiqa_features.extractors.specs import Extract, Extractor
from seiqa_features.pictures.decoding import load_rgb
from seiqa_features.pictures.index import ImageIndex
from seiqa_features.pictures.registration import realigning
from seiqa_features.pictures.registration.maps import Alignment, Grey
from seiqa_features.table.recipe import Recipe
from seiqa_features.table.store import Store
from seiqa_features.table.table import assemble
from seiqa_features.weights.files import WeightFiles
from tests.busy_process import process_uses, unrest
from tests.seiqa_features import convolving, pretend

CLASSICAL = sorted(name for name, entry in all_extractors().items() if not entry.spec.weights)
SMALL = Recipe.parse({"gms": ["max512"], "colour": ["max512"]})
Pixels = NDArray[np.uint8]
SavePicture = Callable[..., Path]


@pytest.fixture
def cpu(tmp_path: Path) -> Runtime:
    return Runtime(WeightFiles(tmp_path))


def by_way_of_the_store(
    files: list[tuple[Path, Path]], recipe: Recipe, runtime: Runtime, folder: Path
) -> pd.DataFrame:
    found = Found(folder, pairs=[Pair(str(n), *pair, "test") for n, pair in enumerate(files)])
    pairs, problems = build_pairs(found, ImageIndex(folder))
    assert not problems
    store = Store(folder)
    extract(pairs, recipe, store, runtime, workers=1)
    return assemble(pairs, recipe, store)[0]


def in_memory(files: list[tuple[Path, Path]]) -> dict[str, tuple[Load, Load]]:
    pictures = {path: held(load_rgb(path)) for pair in files for path in pair}
    return {str(n): (pictures[ref], pictures[dist]) for n, (ref, dist) in enumerate(files)}


def test_an_aligned_view_takes_a_shift_back_and_leaves_other_pictures(
    cat: Pixels, tmp_path: Path, cpu: Runtime
) -> None:
    pictures = {"ref": cat, "shifted": np.roll(cat, (1, 2), axis=(0, 1)), "dark": cat // 2}
    for name, pixels in pictures.items():
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    files = [(tmp_path / "ref.png", tmp_path / f"{name}.png") for name in ("shifted", "dark")]
    recipe = Recipe.parse({"gms": ["max512", "max512_aligned"], "psnr": ["max64_aligned"]})
    table = by_way_of_the_store(files, recipe, cpu, tmp_path / "store")
    plain, aligned = (table[f"gms__{view}__gmsd"] for view in ("max512", "max512_aligned"))
    assert plain["0"] > 0.1
    assert aligned["0"] == 0
    assert aligned["1"] == plain["1"] > 0
    assert content(compute_table(in_memory(files), recipe, cpu)[0]) == content(table)


def test_tiles_are_pooled_to_mean_and_worst(
    cat: Pixels, tmp_path: Path, cpu: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Damage that shrinking hides, through the store or not, and however many tiles at a time."""
    large = np.tile(cat, (3, 3, 1))[:700, :900]
    damaged = large.copy()
    damaged[400:420, 500:520] = 0
    small = cat[:100, :120]
    grey = np.repeat(small.mean(axis=2, keepdims=True), 3, 2).astype(np.uint8)
    pictures = {"ref": large, "damaged": damaged, "small": small, "grey": grey}
    for name, pixels in pictures.items():
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    files = [(tmp_path / f"{one}.png", tmp_path / f"{two}.png")
             for one, two in (("ref", "damaged"), ("small", "grey"))]  # fmt: skip
    recipe = Recipe.parse({"gms": ["tiles128", "max128", "full"], "colour": ["tiles128_aligned"]})
    table = by_way_of_the_store(files, recipe, cpu, tmp_path / "store")
    mean, worst = (table[f"gms__tiles128__gmsd_{kind}"] for kind in ("mean", "worst"))
    assert worst["0"] > 5 * mean["0"] > 0
    assert worst["0"] > 2 * table["gms__max128__gmsd"]["0"]
    assert mean["1"] == worst["1"] == table["gms__full__gmsd"]["1"] > 0  # one tile
    assert content(compute_table(in_memory(files), recipe, cpu)[0]) == content(table)
    for tiles in (1, 1000):
        monkeypatch.setattr(work, "TILES", tiles)
        assert content(compute_table(in_memory(files), recipe, cpu)[0]) == content(table)


def test_no_more_than_some_tiles_are_in_work(monkeypatch: pytest.MonkeyPatch) -> None:
    (block,) = Recipe.parse({"psnr": ["tiles128"]}).blocks
    sizes = []

    def psnr(**views: torch.Tensor) -> dict[str, torch.Tensor]:
        sizes.append((len(views["ref"]), len(views["dist"]), views["ref_index"].tolist()))
        return {"value": views["dist"].mean(dim=(1, 2, 3))}

    monkeypatch.setattr(work, "TILES", 8)
    crops = [np.full((20, 3, 128, 128), level, np.uint8) for level in (51, 102)]
    found = work.forward(block, psnr, ref=crops[:1], dist=crops, ref_index=[0, 0])
    assert sizes == 2 * [(8, 8, [*range(8)]), (8, 8, [*range(8)]), (4, 4, [*range(4)])]
    assert found["value_mean"] == pytest.approx([0.2, 0.4])


def content(table: pd.DataFrame) -> pa.Table:
    return pa.Table.from_pandas(table, preserve_index=True).replace_schema_metadata(None)


@pytest.fixture
def files(save_picture: SavePicture, tmp_path: Path) -> list[tuple[Path, Path]]:
    """Two degraded pictures of one reference, the second of another size, and a pair beside."""
    ref = save_picture(tmp_path / "ref.png", 1, 177, 193)
    other = save_picture(tmp_path / "other.png", 2, 177, 193)
    near, small = tmp_path / "near.png", tmp_path / "small.png"
    Image.blend(load_rgb(ref), load_rgb(other), 0.2).save(near)
    load_rgb(ref).resize((150, 140)).save(small)
    return [(ref, near), (ref, small), (other, near)]


def test_every_classical_extractor_gives_the_same_bytes(
    files: list[tuple[Path, Path]], cpu: Runtime, tmp_path: Path
) -> None:
    views = {name: ["max512"] for name in CLASSICAL}
    views |= {"mad": ["s64"], "gms": ["max512", "grid64x3"], "colour": ["max512", "grid64x2"]}
    recipe = Recipe.parse(views)
    table, failures = compute_table(in_memory(files[:2]), recipe, cpu, workers=2)
    assert not failures
    stored = by_way_of_the_store(files[:2], recipe, cpu, tmp_path / "cache")
    assert {name.split("__")[0] for name in table} == set(CLASSICAL)
    assert content(table).equals(content(stored))


def test_threads_change_nothing(files: list[tuple[Path, Path]], cpu: Runtime) -> None:
    one, _ = compute_table(in_memory(files), SMALL, cpu)
    for workers in (2, 5):
        assert content(compute_table(in_memory(files), SMALL, cpu, workers=workers)[0]).equals(
            content(one)
        )
        alone, _ = compute_table(in_memory(files[:1]), SMALL, cpu, workers=workers)  # by blocks
        assert content(alone).equals(content(one.iloc[:1]))


def test_workers_that_share_a_pair_decode_and_realign_it_once(
    cat: Pixels, cpu: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    align = realigning.align

    def watched(*pictures: Grey) -> Alignment:
        calls.append("align")
        return align(*pictures)

    def load(name: str, pixels: Pixels) -> Load:
        def decode() -> Image.Image:
            calls.append(name)
            return Image.fromarray(pixels)

        return decode

    monkeypatch.setattr(realigning, "align", watched)
    pair = load("ref", cat), load("dist", np.roll(cat, (1, 2), axis=(0, 1)))
    recipe = Recipe.parse({"gms": ["max64_aligned", "max512_aligned"], "psnr": ["max64_aligned"]})
    shared, _ = compute_table({"0": pair}, recipe, cpu, workers=4)
    assert sorted(calls) == ["align", "dist", "ref"]
    assert content(shared).equals(content(compute_table({"0": pair}, recipe, cpu)[0]))


def test_the_processs_threads_change_nothing(
    files: list[tuple[Path, Path]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor who calls, nor what others set meanwhile; while the extractor is built as little."""
    convolving.register(monkeypatch)
    recipe = Recipe.parse({"convolving": ["max512"]})

    def values() -> pa.Table:
        runtime = Runtime(WeightFiles(tmp_path))
        return content(compute_table(in_memory(files), recipe, runtime, workers=2)[0])

    with process_uses(1):
        expected = values()
    for threads in (2, 5):
        with process_uses(threads):
            assert values().equals(expected)
    with process_uses(2), unrest(), ThreadPoolExecutor(3) as callers:
        found = list(callers.map(lambda _: values(), range(6)))
    assert all(table.equals(expected) for table in found)


def test_a_networks_features_are_the_stores_too(
    files: list[tuple[Path, Path]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend.register(monkeypatch)
    runtime = Runtime(pretend.weights_in(tmp_path / "weights"))
    recipe = pretend.bound(runtime)
    table, _ = compute_table(in_memory(files), recipe, runtime)
    stored = by_way_of_the_store(files, recipe, runtime, tmp_path / "cache")
    assert "pretend__s32__shift" in table
    assert content(table).equals(content(stored))


def test_extractors_are_built_once(
    files: list[tuple[Path, Path]], cpu: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    built: list[str] = []
    real = runtimes.get_extractor

    def counted(name: str) -> Extractor:
        def build(resources: object) -> Extract:
            built.append(name)
            return real(name).build(resources)  # type: ignore[arg-type]

        return Extractor(real(name).spec, build)

    monkeypatch.setattr(runtimes, "get_extractor", counted)
    for _ in range(3):
        compute_table(in_memory(files), SMALL, cpu, workers=2)
    assert sorted(built) == ["colour", "gms"]


def test_one_picture_is_decoded_once_for_all_its_pairs(cpu: Runtime) -> None:
    shades = [Image.new("RGB", (32, 32), (40 * n, 90, 120)) for n in range(4)]
    calls = [0]

    def ref() -> Image.Image:
        calls[0] += 1
        return shades[0]

    pairs = {str(n): (ref, held(shade)) for n, shade in enumerate(shades)}
    compute_table(pairs, SMALL, cpu)
    assert calls == [1]


def test_equal_pairs_are_computed_once_and_stand_in_every_row(cpu: Runtime) -> None:
    a, b = (held(Image.new("RGB", (32, 32), colour)) for colour in ("red", "green"))
    done: list[int] = []
    table, _ = compute_table(
        {"x": (a, b), "y": (a, a), "z": (a, b)}, SMALL, cpu, on_pair=lambda n, _: done.append(n)
    )
    assert table.index.tolist() == ["x", "y", "z"]
    assert done[-1] == 2
    assert content(table.loc[["x"]].reset_index(drop=True)).equals(
        content(table.loc[["z"]].reset_index(drop=True))
    )
    assert table["gms__max512__gmsd"]["y"] == 0.0


def test_a_file_that_breaks_leaves_the_others(files: list[tuple[Path, Path]], cpu: Runtime) -> None:
    broken = files[1][1]
    broken.write_bytes(broken.read_bytes()[:-500])
    refs, dists = zip(*files, strict=True)
    pairs, problems = gather(refs, dists)
    assert not problems  # files are decoded where they are worked on
    table, failures = compute_table(pairs, SMALL, cpu, workers=2)
    assert table.index.tolist() == ["0", "2"]
    assert list(failures) == ["1"]
    assert failures["1"].startswith(f"pair 1: dist: {broken}: damaged or truncated image")


def test_gather_knows_a_path_and_an_object_again(
    files: list[tuple[Path, Path]], tmp_path: Path
) -> None:
    array = np.zeros((20, 20, 3), np.uint8)
    refs = [files[0][0], str(files[0][0]), array, array, array.copy()]
    pairs, problems = gather(refs, [tmp_path / "gone.png", *[array] * 4])
    assert problems == [f"pair 0: dist: {tmp_path / 'gone.png'}: no such file"]
    first, *arrays = (pairs[str(n)][0] for n in (1, 2, 3, 4))
    assert arrays[0] is arrays[1]
    assert len({first, *arrays}) == 3
    assert pairs["1"][1] is pairs["4"][1]


def test_no_pairs_make_an_empty_table(cpu: Runtime) -> None:
    table, failures = compute_table({}, SMALL, cpu)
    assert table.empty
    assert not failures
