"""Constructed orders of a data set: what is made of its training references, and where it goes."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image

from pipelines.runs.folder import Constructed
from pipelines.sense import orders
from pipelines.sense.constructed import orders_of
from pipelines.sense.orders import (
    DONATED,
    GONE,
    IDENTITY,
    Reference,
    every_edit,
    references_of,
    write_pairs,
)
from seiqa_features.path_texts import path_text
from seiqa_features.pictures.decoding import load_rgb
from tests.conftest import make_texture
from tests.pipelines.conftest import Cli


@pytest.fixture
def references(tmp_path: Path) -> list[Reference]:
    """Three pictures of different groups and sizes."""
    found = []
    for number, size in enumerate([(240, 360), (320, 200), (256, 256)]):
        path = tmp_path / f"{number}.png"
        Image.fromarray(make_texture(number, *size)).save(path)
        found.append(Reference(f"{number:032x}", path, f"scene {number}"))
    return found


def test_every_edit_has_a_pair_of_the_references_own_size(
    references: list[Reference], tmp_path: Path
) -> None:
    made = tmp_path / "made"
    made.mkdir()
    found, rows = write_pairs(references, made)
    assert [pair.pair_id for pair in found.pairs] == rows.index.tolist()
    assert len(rows) == 3 * (1 + len(every_edit()))
    for pair in found.pairs:
        ref, dist = load_rgb(pair.ref), load_rgb(pair.dist)
        assert ref.size == dist.size
        assert (ref.tobytes() == dist.tobytes()) == pair.pair_id.endswith(IDENTITY)
        assert pair.mos is None
    first = rows[rows["scene"] == references[0].key].set_index("edit")["donor"]
    assert first.pop("a third picture") == "scene 2"
    assert set(first[[name for name in DONATED if name in first]]) == {"scene 1"}
    assert set(first.drop(list(DONATED), errors="ignore")) == {"scene 0"}


def test_two_references_have_no_third_picture(references: list[Reference], tmp_path: Path) -> None:
    made = tmp_path / "made"
    made.mkdir()
    _, rows = write_pairs(references[:2], made)
    assert len(rows) == 2 * len(every_edit())
    assert "a third picture" not in set(rows["edit"])


def test_references_do_not_depend_on_the_order_of_rows() -> None:
    """A reference in two groups has one group here; names are the paths they were."""
    odd = Path(r"pictures/p\x41.png")
    pairs = pd.DataFrame(
        {
            "ref_key": ["b", "a", "a", "c"],
            "ref_path": [path_text(odd), "a.png", "a.png", "c.png"],
            "group_id": ["2", "1", "0", "3"],
            "split": ["train", "train", "train", "test"],
            "mos": [1.0, 2.0, 3.0, 4.0],
        }
    )
    expected = [Reference("a", Path("a.png"), "0"), Reference("b", odd, "2")]
    assert references_of(pairs) == references_of(pairs.iloc[::-1]) == expected


def test_a_lone_reference_takes_no_pixels_of_another(
    references: list[Reference], tmp_path: Path
) -> None:
    made = tmp_path / "made"
    made.mkdir()
    _, rows = write_pairs(references[:1], made)
    assert not set(DONATED) & set(rows["edit"])
    assert set(rows["donor"]) == {"scene 0"}


def test_pictures_do_not_depend_on_what_else_is_made(
    references: list[Reference], tmp_path: Path
) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    for folder, some in ((one, references), (other, references[:1])):
        folder.mkdir()
        write_pairs(some, folder)
    alike = sorted((other / "00").glob("*.png"))
    assert len(alike) > 30
    for file in alike:
        assert file.read_bytes() == (one / "00" / file.name).read_bytes()


def test_large_references_are_reduced(
    references: list[Reference], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orders, "LONGEST_SIDE", 45)
    made = tmp_path / "made"
    made.mkdir()
    found, _ = write_pairs(references[:1], made)
    assert max(load_rgb(found.pairs[0].ref).size) == 45


def test_rows_that_show_nothing_are_below_all_others_of_their_scene() -> None:
    edits = [IDENTITY, "sign kept, JPEG 75", "part covered", "black", "sign changed"]
    rows = pd.DataFrame(
        {"scene": "k", "edit": edits, "group_id": "g", "donor": "g"},
        index=[f"k/{name}" for name in edits],
    )
    table = pd.DataFrame({"psnr": np.arange(5.0)}, index=rows.index)
    found, said = orders_of(Constructed(rows, table))
    assert found.gone.tolist() == [False, False, False, True, False]
    assert found.edited.tolist() == [False, False, True, False, True]
    named = [(edits[above], edits[below]) for above, below in found.pairs]
    assert sorted(named) == sorted(
        [
            *((IDENTITY, name) for name in edits[1:]),
            *((name, "black") for name in edits[1:] if name != "black"),
            ("sign kept, JPEG 75", "sign changed"),
        ]
    )
    assert (said.references, said.pairs, said.orders) == (1, 5, len(named))


def test_orders_are_known_within_a_scene_alone() -> None:
    edits = [IDENTITY, *every_edit()]
    names = [f"{scene}/{name}" for scene in "kl" for name in edits]
    rows = pd.DataFrame(
        {"scene": np.repeat(["k", "l"], len(edits)), "edit": 2 * edits}, index=names
    ).assign(group_id="g", donor="g")
    shuffled = rows.sample(frac=1, random_state=0)
    found, _ = orders_of(Constructed(shuffled, pd.DataFrame({"psnr": 1.0}, index=shuffled.index)))
    known = {(shuffled.index[above], shuffled.index[below]) for above, below in found.pairs}
    assert all(above[0] == below[0] for above, below in known)
    assert {("k/shift 2", "k/part removed"), ("l/JPEG 75", "l/JPEG 10")} <= known
    assert not {("k/JPEG 10", "k/part removed"), ("k/part removed", "k/mirrored")} & known
    assert not known & {(below, above) for above, below in known}
    assert len(known) == len(found.pairs)


def test_only_labelled_training_references_count() -> None:
    pairs = pd.DataFrame(
        {
            "split": ["train", "train", "train", "test"],
            "mos": [1.0, 2.0, np.nan, 3.0],
            "ref_key": ["b", "b", "a", "c"],
            "ref_path": ["b.png", "copy.png", "a.png", "c.png"],
            "group_id": ["g", "g", "h", "i"],
        }
    )
    assert references_of(pairs) == [Reference("b", Path("b.png"), "g")]


def test_a_run_learns_from_them_and_says_so(
    cli: Cli, seiqa_data: Path, quick: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = {name: every_edit()[name] for name in ("shift 2", "part covered", "another picture")}
    monkeypatch.setattr(orders, "every_edit", lambda: few)
    settings = {**yaml.safe_load(quick.read_text()), "learners": ["ridge"]}
    plain = Path("plain.yaml")
    plain.write_text(yaml.safe_dump(settings))
    quick.write_text(yaml.safe_dump({**settings, "orders": True}))
    code, _, err = cli("features", seiqa_data, "--config", plain, "--run", "told")
    assert code == 0, err
    code, _, err = cli("train", seiqa_data, "--config", quick, "--run", "told")
    assert code == 3
    assert "without constructed orders (setting orders); run `seiqa features` again" in err

    code, _, err = cli("run", seiqa_data, "--config", quick, "--run", "told")
    assert code == 0, err
    metrics = json.loads(Path("told/metrics.json").read_text())
    # 5 references × (the copy and 3 edits); the copy is above all three, the other picture below
    # the two others, and the shift above the covered part
    assert metrics["orders"] == {"references": 5, "pairs": 20, "orders": 5 * 6}
    assert metrics["n"] == 20
    card = Path("told/bundle/card.md").read_text()
    assert "constructed orders: 30 orders between 20 edited versions of 5 training" in card
    assert re.search(r"has (\S+), one that shows nothing of its reference (\S+)\n", card)
    assert "learned from <em>constructed orders</em>" in Path("told/report.html").read_text()
    rows = pd.read_parquet("told/orders.parquet")
    assert not {"mos", "label"} & set(rows.columns)
    assert set(rows["edit"]) == {IDENTITY, *few}
    assert set(GONE) & set(rows["edit"]) == {"another picture"}

    trained = Path("told/bundle/model.skops").read_bytes()
    code, _, err = cli("train", seiqa_data, "--config", quick, "--run", "told")  # from the folder
    assert code == 0, err
    assert Path("told/bundle/model.skops").read_bytes() == trained
