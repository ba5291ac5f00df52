"""Public data sets in miniature: each original layout, read right, and all that can be wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.io import savemat

from seiqa_features.datasets import (
    ADAPTERS,
    csiq,
    find_pairs,
    kadid10k,
    live,
    load_pairs,
    manifest,
    pipal,
    seiqa,
    tid2013,
)
from seiqa_features.datasets.layouts.rated import numbered
from seiqa_features.datasets.pairs import Found
from seiqa_features.pictures.index import ImageIndex

Make = Callable[[Path], Path]
Save = Callable[..., Path]


@pytest.fixture
def save_all(save_picture: Save) -> Callable[[Path, str], None]:
    """`save_all(folder, "a.bmp b.bmp")` writes a different small texture into each file."""

    def save(folder: Path, names: str) -> None:
        for name in names.split():
            save_picture(folder / name, seed=sum(name.encode()), height=16, width=20)

    return save


@pytest.fixture
def make_tid2013(save_all: Callable[[Path, str], None]) -> Make:
    def make(root: Path) -> Path:
        save_all(root / "reference_images", "I01.BMP i25.bmp")
        save_all(root / "distorted_images", "i01_01_1.bmp i01_24_5.bmp I25_01_1.bmp")
        (root / "distorted_images" / "Thumbs.db").touch()
        (root / "mos_with_names.txt").write_text(
            "5.51429 i01_01_1.bmp\r\n0.24242 i01_24_5.bmp\r\n7.21429 i25_01_1.bmp\r\n"
        )
        return root

    return make


@pytest.fixture
def make_kadid10k(save_all: Callable[[Path, str], None]) -> Make:
    def make(root: Path) -> Path:
        save_all(root / "images", "I01.png I02.png I01_01_01.png I01_25_05.png I02_01_01.png")
        (root / "dmos.csv").write_text(
            "dist_img,ref_img,dmos,var\nI01_01_01.png,I01.png,4.57,0.496\n"
            "I01_25_05.png,I01.png,1,0\nI02_01_01.png,I02.png,5,0\n"
        )
        return root

    return make


@pytest.fixture
def make_pipal(save_all: Callable[[Path, str], None]) -> Make:
    def make(root: Path) -> Path:
        save_all(root / "Train_Ref", "A0001.bmp A0199.bmp")
        save_all(root / "Distortion_1", "A0001_00_00.bmp A0001_06_26.bmp")
        save_all(root / "Distortion_4", "A0199_00_00.bmp")
        labels = root / "Train_Label"
        labels.mkdir()
        (labels / "A0001.txt").write_text("A0001_00_00.bmp,1520.0648\nA0001_06_26.bmp,1294.8478\n")
        (labels / "A0199.txt").write_text("A0199_00_00.bmp,1466.4372\n")
        return root

    return make


CSIQ_ROWS = [
    (1600, "noise", 1, 0.061989), (1600, "jpeg 2000", 5, 1.0), ("bridge", "blur", 2, 0),
    ("bridge", "contrast", 1, 0.5),
]  # fmt: skip


def write_csiq_sheet(root: Path, rows: list[tuple[object, ...]]) -> Path:
    """As the authors' workbook has it: three empty rows and columns, padding, other columns."""
    table = pd.DataFrame(rows, columns=["image", "dst_type", "dst_lev", "dmos"])
    table.insert(1, "dst_idx", 1)
    table.insert(4, "dmos_std", 0.1)
    table.loc[len(table)] = [None] * 6
    file = root / "csiq.DMOS.xlsx"
    with pd.ExcelWriter(file) as book:
        pd.DataFrame({"unrelated": [1]}).to_excel(book, sheet_name="all_by_distortion")
        table.to_excel(book, sheet_name="all_by_image", index=False, startrow=3, startcol=3)
    return file


@pytest.fixture
def make_csiq(save_all: Callable[[Path, str], None]) -> Make:
    def make(root: Path) -> Path:
        save_all(root / "src_imgs", "1600.png bridge.png")
        save_all(root / "dst_imgs" / "awgn", "1600.AWGN.1.png")
        save_all(root / "dst_imgs" / "jpeg2000", "1600.jpeg2000.5.png")
        save_all(root / "dst_imgs" / "blur", "bridge.BLUR.2.png")
        save_all(root / "dst_imgs" / "contrast", "bridge.contrast.1.png bridge.contrast.5.png")
        write_csiq_sheet(root, CSIQ_ROWS)
        return root

    return make


def write_live_arrays(root: Path, entries: Mapping[str, tuple[str, float]]) -> None:
    """The arrays of the whole data set, in which all but `entries` are copies of references."""
    names = [f"{folder}/img{i + 1}" for folder, n in live.COUNTS.items() for i in range(n)]
    rated = [entries.get(name, ("bikes.bmp", 0.0)) for name in names]
    refs = np.empty((1, len(names)), dtype=object)
    refs[0] = [ref for ref, _ in rated]
    orgs = np.array([[name not in entries for name in names]], dtype=np.uint8)
    savemat(root / "refnames_all.mat", {"refnames_all": refs})
    savemat(root / "dmos.mat", {"dmos": np.array([[score for _, score in rated]]), "orgs": orgs})


LIVE_ENTRIES = {
    "jp2k/img1": ("bikes.bmp", 15.5), "jpeg/img233": ("ocean.bmp", 98.25),
    "fastfading/img10": ("bikes.bmp", 0.0),
}  # fmt: skip


@pytest.fixture
def make_live(save_all: Callable[[Path, str], None]) -> Make:
    def make(root: Path) -> Path:
        save_all(root / "refimgs", "bikes.bmp ocean.bmp")
        save_all(root / "jp2k", "img1.bmp img2.bmp")  # img2 is a copy of its reference
        save_all(root / "jpeg", "img233.bmp")
        save_all(root / "wn", "img1.bmp")
        save_all(root / "gblur", "img1.bmp")
        save_all(root / "fastfading", "img10.bmp")
        (root / "jp2k" / "info.txt").write_text("bikes.bmp img1.bmp 1.1\n")
        write_live_arrays(root, LIVE_ENTRIES)
        return root

    return make


@pytest.fixture
def make_all(
    tmp_path: Path,
    make_tid2013: Make,
    make_kadid10k: Make,
    make_pipal: Make,
    make_csiq: Make,
    make_live: Make,
    save_all: Callable[[Path, str], None],
) -> dict[object, Path]:
    """One miniature of every layout, by adapter."""
    save_all(tmp_path / "seiqa" / "Test" / "Ref", "1.png")
    save_all(tmp_path / "seiqa" / "Test" / "Dist", "1.png")
    (tmp_path / "pairs.csv").write_text("ref,dist\nseiqa/Test/Ref/1.png,seiqa/Test/Dist/1.png\n")
    return {
        seiqa: tmp_path / "seiqa",
        manifest: tmp_path / "pairs.csv",
        tid2013: make_tid2013(tmp_path / "tid2013"),
        kadid10k: make_kadid10k(tmp_path / "kadid10k"),
        pipal: make_pipal(tmp_path / "PIPAL"),
        csiq: make_csiq(tmp_path / "CSIQ"),
        live: make_live(tmp_path / "databaserelease2"),
    }


def rows(found: Found) -> list[tuple[str, str, str, str | None, float | None]]:
    """pair_id, reference, degraded picture, group and label of each pair."""
    root = found.source
    return [
        (pair.pair_id, str(pair.ref.relative_to(root)), str(pair.dist.relative_to(root)),
         pair.group, pair.mos)
        for pair in found.pairs
    ]  # fmt: skip


# --- which layout ----------------------------------------------------------------------------


def test_each_layout_is_recognised_by_its_own_adapter_alone(make_all: dict[object, Path]) -> None:
    assert set(make_all) == set(ADAPTERS)
    for own, path in make_all.items():
        assert [adapter for adapter in ADAPTERS if adapter.matches(path)] == [own]


def test_every_miniature_makes_a_clean_training_table(
    make_all: dict[object, Path], index: ImageIndex
) -> None:
    for adapter in (tid2013, kadid10k, pipal, csiq, live):
        table, left_out = load_pairs(make_all[adapter], index)
        assert all(line.endswith("info.txt: no picture by its suffix") for line in left_out)
        assert set(table["split"]) == {"train"}
        assert table["mos"].notna().all()
        assert table["group_id"].nunique() == 2
        assert table.attrs["label_kind"] == "MOS"
        assert table.attrs["neighbours_alike"] is False


# --- what is read ----------------------------------------------------------------------------


def test_tid2013_finds_pictures_whatever_the_case(make_tid2013: Make, tmp_path: Path) -> None:
    found = find_pairs(make_tid2013(tmp_path / "tid2013"))
    refs, dists = "reference_images/", "distorted_images/"
    assert rows(found) == [
        ("i01_01_1", refs + "I01.BMP", dists + "i01_01_1.bmp", "I01", 5.51429),
        ("i01_24_5", refs + "I01.BMP", dists + "i01_24_5.bmp", "I01", 0.24242),
        ("i25_01_1", refs + "i25.bmp", dists + "I25_01_1.bmp", "i25", 7.21429),
    ]
    assert found.label_range == (0, 9)


def test_kadid10k_labels_are_higher_for_better_already(make_kadid10k: Make, tmp_path: Path) -> None:
    found = find_pairs(make_kadid10k(tmp_path / "kadid10k"))
    assert rows(found) == [
        ("I01_01_01", "images/I01.png", "images/I01_01_01.png", "I01", 4.57),
        ("I01_25_05", "images/I01.png", "images/I01_25_05.png", "I01", 1),
        ("I02_01_01", "images/I02.png", "images/I02_01_01.png", "I02", 5),
    ]
    assert found.label_range == (1, 5)


PIPAL_ROWS = [
    ("A0001_00_00", "A0001.bmp", "A0001_00_00.bmp", "A0001", 1520.0648),
    ("A0001_06_26", "A0001.bmp", "A0001_06_26.bmp", "A0001", 1294.8478),
    ("A0199_00_00", "A0199.bmp", "A0199_00_00.bmp", "A0199", 1466.4372),
]


def test_pipal_ratings_are_kept_as_they_are(make_pipal: Make, tmp_path: Path) -> None:
    found = find_pairs(make_pipal(tmp_path / "PIPAL"))
    folders = ["Distortion_1/", "Distortion_1/", "Distortion_4/"]
    assert rows(found) == [
        (name, f"Train_Ref/{ref}", folder + dist, group, mos)
        for folder, (name, ref, dist, group, mos) in zip(folders, PIPAL_ROWS, strict=True)
    ]
    assert found.label_range is None


@pytest.mark.parametrize(
    "moves",
    [
        {"Distortion_1": "Train_Dist", "Distortion_4": "Train_Distort"},
        {"Distortion_1": "Distortion/Distortion_1", "Distortion_4": "Distortion/Distortion_4"},
        {"Distortion_1": "Distortion/Distortion_1", "Train_Ref": "Reference_train",
         "Train_Label": "MOS_Scores_train"},
    ],
)  # fmt: skip
def test_pipal_as_other_people_unpack_it(
    moves: dict[str, str], make_pipal: Make, tmp_path: Path
) -> None:
    root = make_pipal(tmp_path / "PIPAL")
    for old, new in moves.items():
        (root / new).parent.mkdir(exist_ok=True)
        (root / old).rename(root / new)
    found = find_pairs(root)
    assert found.problems == []
    read = [(pair.pair_id, pair.ref.name, pair.dist.name) for pair in found.pairs]
    assert read == [row[:3] for row in PIPAL_ROWS]


def test_csiq_differences_become_one_minus_dmos(make_csiq: Make, tmp_path: Path) -> None:
    found = find_pairs(make_csiq(tmp_path / "CSIQ"))
    dists = "dst_imgs/"
    assert rows(found) == [
        ("1600.AWGN.1", "src_imgs/1600.png", dists + "awgn/1600.AWGN.1.png", "1600", 1 - 0.061989),
        ("1600.jpeg2000.5", "src_imgs/1600.png", dists + "jpeg2000/1600.jpeg2000.5.png", "1600", 0),
        ("bridge.BLUR.2", "src_imgs/bridge.png", dists + "blur/bridge.BLUR.2.png", "bridge", 1),
        ("bridge.contrast.1", "src_imgs/bridge.png", dists + "contrast/bridge.contrast.1.png",
         "bridge", 0.5),
    ]  # fmt: skip
    assert found.problems == []  # nobody rated bridge.contrast.5
    assert found.label_range == (0, 1)


def test_live_differences_become_hundred_minus_dmos(make_live: Make, tmp_path: Path) -> None:
    found = find_pairs(make_live(tmp_path / "live"))
    assert rows(found) == [
        ("jp2k/img1", "refimgs/bikes.bmp", "jp2k/img1.bmp", "bikes", 84.5),
        ("jpeg/img233", "refimgs/ocean.bmp", "jpeg/img233.bmp", "ocean", 1.75),
        ("fastfading/img10", "refimgs/bikes.bmp", "fastfading/img10.bmp", "bikes", 100),
    ]
    assert found.problems == []
    assert found.label_range is None


def test_live_prefers_realigned_scores(make_live: Make, tmp_path: Path) -> None:
    root = make_live(tmp_path / "live")
    scores = np.full((1, 982), 111.5)
    orgs = np.ones((1, 982))
    orgs[0, 0] = 0
    savemat(root / "dmos_realigned.mat", {"dmos_new": scores, "orgs": orgs})
    (pair,) = find_pairs(root).pairs
    assert (pair.pair_id, pair.mos) == ("jp2k/img1", -11.5)


def test_live_cut_down_with_its_arrays(
    save_all: Callable[[Path, str], None], tmp_path: Path
) -> None:
    save_all(tmp_path / "refimgs", "bikes.bmp")
    for folder in live.COUNTS:
        save_all(tmp_path / folder, "img1.bmp img2.bmp")
    refs = np.empty(10, dtype=object)
    refs[:] = "bikes.bmp"
    savemat(tmp_path / "refnames_all.mat", {"refnames_all": refs})
    savemat(tmp_path / "dmos.mat", {"dmos": np.arange(10.0), "orgs": np.arange(10) % 2})
    found = find_pairs(tmp_path)
    assert found.problems == []
    assert [(pair.pair_id, pair.mos) for pair in found.pairs] == [
        ("jp2k/img1", 100), ("jpeg/img1", 98), ("wn/img1", 96), ("gblur/img1", 94),
        ("fastfading/img1", 92),
    ]  # fmt: skip


def test_kinds_of_distortion_are_those_of_the_authors(make_all: dict[object, Path]) -> None:
    expected = {
        seiqa: [None],
        manifest: [None],
        tid2013: [
            "additive Gaussian noise", "sparse sampling and reconstruction",
            "additive Gaussian noise",
        ],
        kadid10k: ["Gaussian blur", "contrast change", "Gaussian blur"],
        pipal: ["00", "06", "00"],
        csiq: ["noise", "jpeg 2000", "blur", "contrast"],
        live: ["jp2k", "jpeg", "fastfading"],
    }  # fmt: skip
    assert set(expected) == set(ADAPTERS)
    for adapter, kinds in expected.items():
        assert [pair.distortion for pair in find_pairs(make_all[adapter]).pairs] == kinds


def test_tid2013_numbers_and_names_agree_with_those_of_the_rendered_pairs(shared: Path) -> None:
    recipe = pd.read_csv(shared / "data" / "tid2013_kodak" / "recipe.csv")
    names = {7: "quantization noise", 8: "Gaussian blur", 10: "JPEG", 16: "mean shift",
             17: "contrast change", 18: "colour saturation"}  # fmt: skip
    assert set(recipe["distortion"]) == set(names)
    kinds = recipe["dist_img"].map(lambda name: numbered(name, tid2013.DISTORTIONS))
    assert kinds.tolist() == recipe["distortion"].map(names).tolist()


@pytest.mark.parametrize(
    ("name", "kind"),
    [("i01_02_1", "b"), ("I01_01", "a"), ("i01_00_1", None), ("i01_3_1", None), ("i01", None),
     ("i01_x_1", None)],
)  # fmt: skip
def test_a_number_outside_the_list_is_no_kind(name: str, kind: str | None) -> None:
    assert numbered(name, ("a", "b")) == kind


# --- what is wrong ---------------------------------------------------------------------------


def test_label_files_that_are_missing(make_all: dict[object, Path]) -> None:
    files = {
        tid2013: "mos_with_names.txt", kadid10k: "dmos.csv", csiq: "csiq.DMOS.xlsx",
        live: "dmos.mat",
    }  # fmt: skip
    for adapter, name in files.items():
        file = make_all[adapter] / name
        file.unlink()
        found = find_pairs(make_all[adapter])
        assert found.pairs == []
        assert found.problems == [f"{file}: label file is missing; copy it from the data set"]
    for file in (make_all[pipal] / "Train_Label").iterdir():
        file.unlink()
    (line,) = find_pairs(make_all[pipal]).problems
    assert line.startswith(f"{make_all[pipal] / 'Train_Label'}: no label files")


def test_label_files_that_cannot_be_read(make_all: dict[object, Path]) -> None:
    files = {
        tid2013: ("mos_with_names.txt", "cannot be read as text"),
        kadid10k: ("dmos.csv", "cannot be read as a table"),
        csiq: ("csiq.DMOS.xlsx", "cannot be read as a table"),
        live: ("refnames_all.mat", "cannot be read as MATLAB file"),
    }
    for adapter, (name, message) in files.items():
        file = make_all[adapter] / name
        file.write_bytes(b"\x81\xfe\x00 no such thing" * 20)
        (line,) = find_pairs(make_all[adapter]).problems
        assert line.startswith(f"{file}: {message}")


def test_label_files_without_the_columns_they_should_have(make_all: dict[object, Path]) -> None:
    table = make_all[kadid10k] / "dmos.csv"
    table.write_text("dist_img,ref,mos\na,b,1\n")
    assert find_pairs(make_all[kadid10k]).problems == [
        f"{table}: the table lacks 2 columns: ref_img, dmos; it has dist_img, ref, mos;"
        " copy it again"
    ]
    sheet = make_all[csiq] / "csiq.DMOS.xlsx"
    pd.DataFrame({"image": [1], "dmos": [1]}).to_excel(sheet, sheet_name="all_by_image")
    (line,) = find_pairs(make_all[csiq]).problems
    assert line.startswith(f"{sheet}: the table lacks 2 columns: dst_type, dst_lev")
    scores = make_all[live] / "dmos.mat"
    savemat(scores, {"dmos": np.zeros(982)})
    assert find_pairs(make_all[live]).problems == [
        f"{scores}: no variable 'orgs' in it; copy it again"
    ]


def test_all_that_can_be_wrong_in_tid2013_is_said_at_once(
    make_tid2013: Make, save_all: Callable[[Path, str], None], tmp_path: Path
) -> None:
    root = make_tid2013(tmp_path / "tid2013")
    labels, dists = root / "mos_with_names.txt", root / "distorted_images"
    save_all(dists, "i01_02_1.bmp i01_03_1.bmp i01_04_1.bmp i01_05_1.bmp i07_01_1.bmp")
    save_all(dists, "I01_05_1.BMP")
    (root / "reference_images" / "i25.bmp").unlink()
    labels.write_text(
        "5.5 i01_01_1.bmp\n\n7.2\n9.5 i01_24_5.bmp\nx i01_02_1.bmp\n3 i01_99_9.bmp\n"
        "1 i01_03_1.bmp\n2 I01_03_1.BMP\n4 i25_01_1.bmp\n4 i01_05_1.bmp\n"
    )
    found = find_pairs(root)
    assert [pair.pair_id for pair in found.pairs] == ["i01_01_1"]
    assert sorted(found.problems) == sorted([
        f"{labels} row 3: expected a score and a picture, found '7.2'",
        f"{labels} row 4 (i01_24_5.bmp): label 9.5 is out of range; expected a number from 0 to 9",
        f"{labels} row 5 (i01_02_1.bmp): label 'x' is not a number",
        f"{labels} row 6 (i01_99_9.bmp): no such picture in {dists}; copy it again",
        f"{labels} row 7 (i01_03_1.bmp): picture has 2 rows; keep one of them",
        f"{labels} row 8 (I01_03_1.BMP): picture has 2 rows; keep one of them",
        f"{root / 'reference_images'}: reference picture i25 is missing (1 of the rows need it)",
        f"{dists}: I01_05_1.BMP, i01_05_1.bmp share one name; keep one of them",
        f"{dists / 'i01_04_1.bmp'}: no label; add its row to the label file, or remove it",
        f"{dists / 'i07_01_1.bmp'}: no label; add its row to the label file, or remove it",
    ])  # fmt: skip


def test_rows_and_pictures_that_do_not_fit_in_the_other_data_sets(
    make_all: dict[object, Path], save_all: Callable[[Path, str], None]
) -> None:
    kadid, pip, cs, liv = (make_all[adapter] for adapter in (kadid10k, pipal, csiq, live))
    for folder, name in [
        (kadid / "images", "I02_25_05.png"), (pip / "Distortion_4", "A0199_01_00.bmp"),
        (cs / "dst_imgs" / "awgn", "bridge.AWGN.1.png"), (liv / "jp2k", "img228.bmp"),
    ]:  # fmt: skip
        save_all(folder, name)
    with (kadid / "dmos.csv").open("a") as file:
        file.write("I02_01_02.png,I02.png,3,1\n")
    with (pip / "Train_Label" / "A0001.txt").open("a") as file:
        file.write("A0001_07_00.bmp 1400\nA0001_07_01.bmp,1400\n")
    sheet = write_csiq_sheet(cs, [*CSIQ_ROWS, ("bridge", "rain", 1, 0), ("bridge", "jpeg", 1, 2)])
    write_live_arrays(liv, {**LIVE_ENTRIES, "wn/img1": ("sea.bmp", 9), "wn/img2": ("bikes.bmp", 9)})

    unrated = "no label; add its row to the label file, or remove it"
    expected = {
        kadid: [
            f"{kadid / 'dmos.csv'} row 5 (I02_01_02.png): no such picture in {kadid / 'images'};"
            " copy it again",
            f"{kadid / 'images' / 'I02_25_05.png'}: {unrated}",
        ],
        pip: [
            f"{pip / 'Train_Label' / 'A0001.txt'} row 3: expected a picture and a score, found"
            " 'A0001_07_00.bmp 1400'",
            f"{pip / 'Train_Label' / 'A0001.txt'} row 4 (A0001_07_01.bmp): no such picture in"
            f" {pip}; copy it again",
            f"{pip / 'Distortion_4' / 'A0199_01_00.bmp'}: {unrated}",
        ],
        cs: [
            f"{sheet} row 9: dst_type 'rain' is none of noise, blur, contrast, fnoise, jpeg,"
            " jpeg 2000",
            f"{sheet} row 10 (bridge.JPEG.1): no such picture in {cs / 'dst_imgs'}; copy it again",
            f"{cs / 'dst_imgs' / 'awgn' / 'bridge.AWGN.1.png'}: {unrated}",
        ],
        liv: [
            f"{liv / 'dmos.mat'} entry 462 (wn/img2): no such picture in {liv}; copy it again",
            f"{liv / 'refimgs'}: reference picture sea is missing (1 of the rows need it)",
            f"{liv / 'jp2k' / 'img228.bmp'}: {unrated}",
        ],
    }
    for root, lines in expected.items():
        assert find_pairs(root).problems == lines


def test_live_arrays_that_do_not_fit_the_folders(make_live: Make, tmp_path: Path) -> None:
    root = make_live(tmp_path / "live")
    savemat(root / "dmos.mat", {"dmos": np.zeros(981), "orgs": np.zeros(981)})
    found = find_pairs(root)
    assert found.pairs == []
    assert found.problems == [
        f"{root / 'dmos.mat'}: 981 scores and 981 flags for 982 reference names and 247 pictures;"
        " expected 982 of each"
    ]


def test_folders_that_are_missing(make_live: Make, make_pipal: Make, tmp_path: Path) -> None:
    root = make_live(tmp_path / "live")
    for file in (root / "gblur").iterdir():
        file.unlink()
    (root / "gblur").rmdir()
    assert find_pairs(root).problems == [f"{root / 'gblur'}: folder is missing"]
    root = make_pipal(tmp_path / "PIPAL")
    for name in ("Distortion_1", "Distortion_4"):
        (root / name).rename(root / f"not {name}")
    assert find_pairs(root).problems == [f"{root / 'Distortion_1'}: folder is missing"]
