"""Several collections as one data set: names, directions, and scenes that they share."""

from __future__ import annotations

import zlib
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image
from skimage import data

from seiqa_features import load_pairs
from seiqa_features.datasets import find_pairs, scenes
from seiqa_features.datasets.scenes import one_group_per_scene
from seiqa_features.datasets.summary import summarise
from seiqa_features.errors import DataError, UsageError


def manifest(path: Path, rows: list[dict[str, object]]) -> Path:
    """A manifest of pictures in its folder; pictures that are missing are made."""
    path.parent.mkdir(exist_ok=True)
    for row in rows:
        for name in (str(row["ref"]), str(row["dist"])):
            picture = path.parent / name
            if not picture.exists():
                colour = zlib.crc32(f"{path.parent.name}/{name}".encode()).to_bytes(4)[:3]
                Image.new("RGB", (32, 24), tuple(colour)).save(picture)
    pd.DataFrame(rows).to_csv(path, index=False)
    return path


@pytest.fixture
def home(tmp_path: Path) -> Path:
    rows = [{"ref": f"r{k}.png", "dist": f"d{k}.png", "mos": k, "group": k} for k in range(3)]
    return manifest(tmp_path / "home" / "pairs.csv", list(rows))


@pytest.fixture
def abroad(tmp_path: Path) -> Path:
    rows = [{"ref": f"R{k}.png", "dist": f"D{k}.png", "dmos": 10 * k} for k in range(3)]
    return manifest(tmp_path / "abroad" / "pairs.csv", list(rows))


def test_each_data_set_is_a_collection_with_its_direction(home: Path, abroad: Path) -> None:
    pairs, left_out = load_pairs([home, abroad])
    assert left_out == []
    assert pairs["collection"].tolist() == ["home-pairs"] * 3 + ["abroad-pairs"] * 3
    assert pairs["mos"].tolist() == [0, 1, 2, 0, -10, -20]
    assert pairs["pair_id"][0] == "home-pairs/row-000002"
    assert pairs["group_id"][0] == "home-pairs/0"
    assert pairs.attrs["collections"] == {
        "home-pairs": {"label_range": None, "turned": None, "identity": None},
        "abroad-pairs": {"label_range": None, "turned": "−DMOS", "identity": 0.0},
    }
    said = dict(summarise(pairs))
    assert said["collection abroad-pairs"].startswith("3 pairs in 3 groups, label -20 to 0")
    assert "in the files lower is better" in said["collection abroad-pairs"]
    assert said["scenes of several"] == "none"


def test_one_data_set_is_no_collection(home: Path) -> None:
    alone, _ = load_pairs(home)
    listed, _ = load_pairs([home])
    pd.testing.assert_frame_equal(alone, listed)
    assert "collection" not in alone
    assert alone["pair_id"][0] == "row-000002"


def test_a_column_names_the_collection_of_each_row(tmp_path: Path) -> None:
    rows = [
        {"ref": "a.png", "dist": "b.png", "mos": 3, "collection": "A"},
        {"ref": "c.png", "dist": "d.png", "dmos": 40, "collection": "B"},
        {"ref": "c.png", "dist": "e.png"},
    ]
    pairs, _ = load_pairs(manifest(tmp_path / "both.csv", list(rows)))
    assert pairs["collection"].fillna("none").tolist() == ["A", "B", "none"]
    assert pairs["mos"].fillna(99).tolist() == [3, -40, 99]
    assert pairs["split"].tolist() == ["train", "train", "test"]
    assert pairs.attrs["collections"]["B"]["turned"] == "−DMOS"


def test_a_column_with_one_collection_changes_nothing(tmp_path: Path) -> None:
    rows = [
        {"ref": "a.png", "dist": "b.png", "dmos": 3},
        {"ref": "c.png", "dist": "d.png", "dmos": 4},
    ]
    plain, _ = load_pairs(manifest(tmp_path / "pairs.csv", list(rows)))
    named, _ = load_pairs(
        manifest(tmp_path / "pairs.csv", [{**row, "collection": "A"} for row in rows])
    )
    pd.testing.assert_frame_equal(plain, named)
    assert plain.attrs == named.attrs


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (
            [{"mos": 1, "collection": "A"}, {"mos": 2, "collection": ""}],
            "row 3: no collection; name the one that the label comes from",
        ),
        (
            [{"mos": 1, "dmos": 2, "collection": "A"}],
            "row 2: has mos and dmos; keep one of them",
        ),
        (
            [{"mos": 1, "collection": "A"}, {"dmos": 2, "collection": "A"}],
            "row 3: collection A has labels in mos and in dmos; keep one of them",
        ),
    ],
)
def test_unclear_collections_are_problems(
    tmp_path: Path, rows: list[dict[str, object]], said: str
) -> None:
    full = [{"ref": f"r{k}.png", "dist": f"d{k}.png", **row} for k, row in enumerate(rows)]
    with pytest.raises(DataError, match=said):
        load_pairs(manifest(tmp_path / "pairs.csv", list(full)))


def test_a_name_counts_once(home: Path, tmp_path: Path) -> None:
    link = tmp_path / "again.csv"
    link.symlink_to(home)
    with pytest.raises(DataError, match="two collections are called home-pairs"):
        find_pairs([home, link])


def test_a_setting_turns_labels(home: Path, abroad: Path) -> None:
    found = find_pairs([home, abroad], ["home-pairs"])
    assert [pair.mos for pair in found.pairs[:3]] == [0, -1, -2]
    assert found.collections["home-pairs"].turned == "−label"
    alone = find_pairs(home, ["home-pairs"])
    assert [pair.mos for pair in alone.pairs] == [0, -1, -2]
    with pytest.raises(UsageError, match="no collection 'work'; there are home-pairs, abroad"):
        find_pairs([home, abroad], ["work"])
    with pytest.raises(UsageError, match=r"abroad-pairs are turned already \(−DMOS\)"):
        find_pairs([home, abroad], ["abroad-pairs"])


@pytest.fixture
def two_cats(tmp_path: Path) -> list[Path]:
    """A cat whole in one collection, and cropped under another name in the other; a cup in both."""
    cat, cup = Image.fromarray(data.chelsea()), Image.fromarray(data.coffee())
    for folder, pictures in {
        "one": {"x.png": cat, "y.png": Image.fromarray(data.astronaut())},
        "two": {"y.png": cat.crop((60, 20, 380, 270)), "x.png": cup},
    }.items():
        (tmp_path / folder).mkdir()
        for name, picture in pictures.items():
            picture.save(tmp_path / folder / name)
            picture.point(lambda value: value // 2).save(tmp_path / folder / f"dark-{name}")
    rows = [
        {"ref": name, "dist": f"dark-{name}", "mos": 1, "group": name}
        for name in ("x.png", "y.png")
    ]
    return [manifest(tmp_path / name / "p.csv", list(rows)) for name in ("one", "two")]


def test_a_scene_of_two_collections_is_one_group(two_cats: list[Path]) -> None:
    pairs, _ = load_pairs(two_cats)
    groups = dict(zip(pairs["pair_id"], pairs["group_id"], strict=True))
    assert groups["one-p/row-000002"] == groups["two-p/row-000003"]
    assert pairs["group_id"].nunique() == 3
    assert dict(summarise(pairs))["scenes of several"] == "1, each one group: x.png = y.png"
    known = one_group_per_scene(pairs.assign(group_id=pairs["pair_id"]), pairs.attrs["scenes"])
    assert known["group_id"].nunique() == 3


def test_too_many_references_are_said_and_not_compared(
    two_cats: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scenes, "MAX_COMPARISONS", 1)
    pairs, _ = load_pairs(two_cats)
    assert pairs["group_id"].nunique() == 4
    assert "too many references" in dict(summarise(pairs))["scenes of several"]


def test_tid_with_other_file_names_is_recognised_inside_live(shared: Path, tmp_path: Path) -> None:
    """The trap: trained on one and "tested" on the other, eight scenes are not unseen."""
    recipe = pd.read_csv(shared / "data/live_r2/recipe.csv").drop_duplicates("ref_img")
    rows, kodak = [], {}
    for name, number in zip(recipe["ref_img"], recipe["kodak"], strict=True):
        path = shared / f"data/live_r2/reference/{Path(name).stem}.png"
        rows.append({"ref": path, "dist": path, "mos": len(rows), "collection": "live"})
        kodak[len(rows) - 1] = number if pd.notna(number) else -len(rows)
    for path in sorted((shared / "data/tid2013_kodak/reference").iterdir()):
        copy = tmp_path / f"holiday-{len(rows)}.png"
        copy.write_bytes(path.read_bytes())
        rows.append({"ref": copy, "dist": copy, "mos": len(rows), "collection": "tid"})
        kodak[len(rows) - 1] = int(path.stem[1:3])
    pairs, _ = load_pairs(manifest(tmp_path / "both.csv", rows))
    truth = pd.Series(kodak)
    assert truth.nunique() < len(truth)
    same = pairs["group_id"].to_numpy()[:, None] == pairs["group_id"].to_numpy()[None]
    assert (same == (truth.to_numpy()[:, None] == truth.to_numpy()[None])).all()
