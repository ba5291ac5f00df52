"""Layouts on disk: the SeIQA folder and the CSV manifest, good ones and all that can be wrong."""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

import openpyxl
import pandas as pd
import pytest

from seiqa_features.datasets import find_pairs, load_pairs, manifest
from seiqa_features.errors import DataError
from seiqa_features.pictures.index import ImageIndex
from seiqa_features.tabular.reading import read_text_table

Rows = Sequence[tuple[object, object]]


@pytest.fixture
def split(tmp_path: Path, save_picture: Callable[..., Path]) -> Callable[..., Path]:
    """`split("Train", ["000001.png"])` writes both pictures of each pair; returns the data root."""

    def make(folder: str, names: Sequence[str]) -> Path:
        for i, name in enumerate(names):
            save_picture(tmp_path / "data" / folder / "Ref" / name, seed=i)
            save_picture(tmp_path / "data" / folder / "Dist" / name, seed=100 + i)
        return tmp_path / "data"

    return make


def write_sheet(
    root: Path, rows: Rows, *, header: tuple[str, str] = ("picture_name", "Score"), suffix=".xlsx"
) -> Path:
    path = root / "Train" / f"Train_scores{suffix}"
    table = pd.DataFrame(rows, columns=list(header))
    if suffix == ".xlsx":
        table.to_excel(path, index=False)
    else:
        table.to_csv(path, index=False)
    return path


def problems_of(data: Path, index: ImageIndex) -> list[str]:
    with pytest.raises(DataError) as caught:
        load_pairs(data, index)
    assert all("\n" not in line for line in caught.value.problems)
    return caught.value.problems[:-1]  # the last one says what to do about them all


# --- SeIQA folder ----------------------------------------------------------------------------

NAMES = ["000001.png", "000002.png", "000017.png"]


def test_folder_with_all_splits(split: Callable[..., Path], index: ImageIndex) -> None:
    root = split("Train", NAMES)
    split("Val", ["000003.png"])
    split("Test", ["000001.png"])
    write_sheet(root, [("000002.png", 2), ("000001.png", 1), ("000017.png", 4.5)])
    table, problems = load_pairs(root, index)
    assert problems == []
    assert table["pair_id"].tolist() == [
        "Train/000001", "Train/000002", "Train/000017", "Val/000003", "Test/000001",
    ]  # fmt: skip
    assert table["split"].tolist() == ["train"] * 3 + ["val", "test"]
    assert table["order"].tolist() == [0, 1, 2, 3, 4]
    assert table["mos"].tolist()[:3] == [1, 2, 4.5]
    assert table["mos"][3:].isna().all()
    assert table["dist_path"][1] == str(root / "Train" / "Dist" / "000002.png")
    assert table.attrs["label_kind"] == "MOS"
    assert table.attrs["label_range"] == [0, 5]
    assert table.attrs["neighbours_alike"] is True


@pytest.mark.parametrize("suffix", [".xlsx", ".csv"])
@pytest.mark.parametrize(
    "names",
    [
        ["000001.png", "000002.png", "000017.png"],
        ["000001", "000002", "000017"],
        ["000001.PNG", " 000002 ", "000017.jpg"],  # the extension does not count
        [1, 2, 17],  # what Excel makes of them
        [1.0, 2.0, 17.0],
    ],
)
def test_how_a_sheet_may_name_pictures(
    names: list[object], suffix: str, split: Callable[..., Path], index: ImageIndex
) -> None:
    root = split("Train", NAMES)
    write_sheet(root, list(zip(names, [0, 3, 5], strict=True)), suffix=suffix)
    table, _ = load_pairs(root, index)
    assert table["mos"].tolist() == [0, 3, 5]


def test_csv_sheet_as_excel_saves_it(split: Callable[..., Path], index: ImageIndex) -> None:
    root = split("Train", NAMES[:1])
    sheet = root / "Train" / "Train_scores.csv"
    sheet.write_bytes("\ufeffpicture_name,Score\r\n000001.png,3\r\n".encode())
    assert load_pairs(root, index)[0]["mos"].tolist() == [3]


def test_partners_may_differ_in_extension_and_size(
    tmp_path: Path, save_picture: Callable[..., Path], index: ImageIndex
) -> None:
    root = tmp_path / "data"
    save_picture(root / "Test" / "Ref" / "größe 1.png", height=48)
    save_picture(root / "Test" / "Dist" / "größe 1.JPEG", height=46)
    save_picture(root / "Test" / "Ref" / "a.b.BMP")
    save_picture(root / "Test" / "Dist" / "a.b.webp")
    (root / "Test" / "Dist" / "Thumbs.db").touch()
    (root / "Test" / "Dist" / "._a.b.png").touch()
    table, _ = load_pairs(root, index)
    assert table["pair_id"].tolist() == ["Test/a.b", "Test/größe 1"]
    assert table["dist_size"].tolist() == ["64×48", "64×46"]


@pytest.mark.parametrize("header", ["Pseudo_Label", "score (pseudo-label)"])
def test_a_header_can_say_that_a_program_made_the_labels(
    header: str, split: Callable[..., Path], index: ImageIndex
) -> None:
    root = split("Train", NAMES[:1])
    write_sheet(root, [("000001", 2)], header=("picture_name", header))
    assert load_pairs(root, index)[0].attrs["label_kind"] == "pseudo-label"


def test_training_pictures_without_any_sheet_are_unlabelled(
    split: Callable[..., Path], index: ImageIndex
) -> None:
    table, problems = load_pairs(split("Train", NAMES), index)
    assert problems == []
    assert table["mos"].isna().all()


def test_all_that_can_be_wrong_is_said_at_once(
    split: Callable[..., Path], save_picture: Callable[..., Path], index: ImageIndex
) -> None:
    root = split("Train", [f"{i:06d}.png" for i in range(1, 10)])
    train = root / "Train"
    (train / "Dist" / "000001.png").unlink()
    (train / "Ref" / "000002.png").write_text("no picture")
    lonely = save_picture(train / "Dist" / "lonely.png")
    (root / "Test" / "Ref").mkdir(parents=True)
    sheet = write_sheet(
        root,
        [
            ("000002", 1), ("000003", "good"), ("000004", 6), ("000005", "nan"), ("000006", 3),
            ("000006", 4), ("000099", 2), ("000007", 5), ("000008", ""),
        ],
    )  # fmt: skip
    expected = {
        f"{train / 'Ref' / '000001.png'}: no partner named 000001 in {train / 'Dist'}",
        f"{lonely}: no partner named lonely in {train / 'Ref'}",
        f"{train / 'Ref' / '000002.png'}: not an image",
        f"{sheet} row 3 (000003): label 'good' is not a number",
        f"{sheet} row 4 (000004): label 6 is out of range; expected a number from 0 to 5",
        f"{sheet} row 5 (000005): no label ('nan')",
        f"{sheet} row 7 (000006): picture appears twice in the sheet",
        f"{sheet} row 8 (000099): no such pair in {train}",
        f"{sheet} row 10 (000008): no label ('')",
        f"{train / 'Dist' / '000009.png'}: no label in Train_scores",
        f"{root / 'Test' / 'Dist'}: folder is missing",
    }
    lines = problems_of(root, index)
    assert {
        start for start in expected if any(line.startswith(start) for line in lines)
    } == expected
    assert len(lines) == len(expected)

    table, left_out = load_pairs(root, index, keep_going=True)
    assert left_out == lines
    # 000006 has two labels, so it has none that could be trusted
    assert table["pair_id"].tolist() == ["Train/000007"]
    assert table["mos"].tolist() == [5]


def test_two_files_of_one_name_are_one_problem(
    split: Callable[..., Path], save_picture: Callable[..., Path], index: ImageIndex
) -> None:
    root = split("Train", NAMES)
    write_sheet(root, [(name, 1) for name in NAMES])
    save_picture(root / "Train" / "Ref" / "000001.jpg")
    lines = problems_of(root, index)
    folder = root / "Train" / "Ref"
    assert lines == [f"{folder}: 000001.jpg, 000001.png share one name; keep one of them"]


def test_empty_folders(tmp_path: Path, index: ImageIndex) -> None:
    for name in ("Ref", "Dist"):
        (tmp_path / "data" / "Test" / name).mkdir(parents=True)
    assert problems_of(tmp_path / "data", index) == [f"{tmp_path / 'data'}: no image pairs in it"]


def test_missing_sides(tmp_path: Path, index: ImageIndex) -> None:
    folder = tmp_path / "data" / "Train"
    folder.mkdir(parents=True)
    lines = problems_of(tmp_path / "data", index)
    assert lines == [
        f"{folder / 'Ref'}: folder is missing",
        f"{folder / 'Dist'}: folder is missing",
    ]


def test_sheet_that_is_no_sheet(split: Callable[..., Path], index: ImageIndex) -> None:
    root = split("Train", NAMES)
    sheet = root / "Train" / "Train_scores.xlsx"
    sheet.write_text("not an Excel file")
    (line,) = problems_of(root, index)
    assert line == f"{sheet}: cannot be read as a table: it is not an Excel workbook (.xlsx)"


def test_sheet_of_one_column(split: Callable[..., Path], index: ImageIndex) -> None:
    root = split("Train", NAMES)
    sheet = root / "Train" / "Train_scores.csv"
    sheet.write_text("name\n000001\n")
    assert problems_of(root, index) == [f"{sheet}: expected two columns, picture name and score"]


def test_csv_sheet_with_more_cells_than_headings_is_not_misread(
    split: Callable[..., Path], index: ImageIndex
) -> None:
    root = split("Train", NAMES[:2])
    sheet = root / "Train" / "Train_scores.csv"
    sheet.write_text("name,score\n1,2,5\n2,1,\n")
    (line,) = problems_of(root, index)
    assert "row 2 has more cells than the header" in line
    sheet.write_text("name,score\n1,2,\n2,1,\n")  # nothing is lost with empty cells
    assert load_pairs(root, index)[0]["mos"].tolist() == [2, 1]


def test_a_sheet_without_a_header_is_refused_with_its_first_row(
    split: Callable[..., Path], index: ImageIndex
) -> None:
    root = split("Train", NAMES[:2])
    sheet = root / "Train" / "Train_scores.csv"
    sheet.write_text("000001.png,3.5\n000002.png,1\n")
    line = problems_of(root, index)[0]
    assert line.startswith(f"{sheet}: row 1 (000001.png, 3.5) reads like a label; put a header")


def test_two_sheets_are_one_too_many(split: Callable[..., Path], index: ImageIndex) -> None:
    root = split("Train", NAMES[:1])
    write_sheet(root, [(NAMES[0], 1)])
    write_sheet(root, [(NAMES[0], 2)], suffix=".csv")
    assert "which one counts? keep one of them" in problems_of(root, index)[0]


def test_a_name_that_excel_took_for_a_date(split: Callable[..., Path], index: ImageIndex) -> None:
    root = split("Train", ["1-2.png"])
    write_sheet(root, [(datetime(2024, 2, 1), 1)])
    assert "(2024-02-01): no such pair" in problems_of(root, index)[0]
    assert "Excel took its name for a date" in problems_of(root, index)[0]


def test_a_hidden_sheet_is_not_learned_from(
    split: Callable[..., Path], index: ImageIndex, caplog: pytest.LogCaptureFixture
) -> None:
    root = split("Train", NAMES[:1])
    path = write_sheet(root, [(NAMES[0], 1)])
    book = openpyxl.load_workbook(path)
    book.worksheets[0].sheet_state = "hidden"
    visible = book.create_sheet("new")
    for row in ([], ["name", "Score"], [NAMES[0], 4]):
        visible.append(row)
    book.save(path)
    assert load_pairs(root, index)[0]["mos"].tolist() == [4]
    assert "sheet 'new' is read, not Sheet1" in caplog.text


# --- manifest --------------------------------------------------------------------------------


@pytest.fixture
def write_manifest(tmp_path: Path, save_picture: Callable[..., Path]) -> Callable[[str], Path]:
    """Write a manifest beside the folder `pics` with r.png, s.png, a.png, b.png and c ü.png."""
    for seed, name in enumerate(["r.png", "s.png", "a.png", "b.png", "c ü.png"]):
        save_picture(tmp_path / "sets" / "pics" / name, seed=seed)

    def write(text: str) -> Path:
        path = tmp_path / "sets" / "pairs.csv"
        path.write_bytes(text.encode())
        return path

    return write


def test_manifest_with_every_column(
    write_manifest: Callable[[str], Path], index: ImageIndex
) -> None:
    path = write_manifest(
        "pair_id,ref,dist,mos,group,split,distortion,note\n"
        "x,pics/s.png,pics/b.png,61.5,scene 2,train, fog ,\n"
        "y,pics/r.png,pics/c ü.png,-3,scene 1,VAL,07,odd\n"
        "z,pics/r.png,pics/a.png,,,test,,\n"
    )
    table, problems = load_pairs(path, index)
    assert problems == []
    assert table["pair_id"].tolist() == ["x", "y", "z"]
    assert table["mos"].tolist()[:2] == [61.5, -3]
    assert math.isnan(table["mos"][2])
    assert table["group_id"].tolist() == ["scene 2", "scene 1", table["ref_key"][2]]
    assert table["split"].tolist() == ["train", "val", "test"]
    assert table["distortion"].tolist()[:2] == ["fog", "07"]
    assert table["distortion"].isna()[2]
    assert table["ref_path"][0] == str(path.parent / "pics" / "s.png")
    assert table.attrs == {
        "source": str(path), "label_kind": "MOS", "label_range": None, "neighbours_alike": False,
    }  # fmt: skip


def test_paths_are_relative_to_the_manifest_or_absolute(
    write_manifest: Callable[[str], Path],
    index: ImageIndex,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    path = write_manifest(f"ref,dist\npics/r.png,{tmp_path / 'sets/pics/a.png'}\n")
    monkeypatch.chdir(tmp_path)
    assert len(load_pairs(Path("sets/pairs.csv"), index)[0]) == 1
    monkeypatch.chdir(path.parent)
    assert len(load_pairs(Path("pairs.csv"), index)[0]) == 1


def test_split_follows_the_label_by_default(
    write_manifest: Callable[[str], Path], index: ImageIndex
) -> None:
    path = write_manifest("ref,dist,mos\npics/r.png,pics/a.png,1\npics/r.png,pics/b.png,\n")
    assert load_pairs(path, index)[0]["split"].tolist() == ["train", "test"]
    path = write_manifest("ref,dist\npics/r.png,pics/a.png\n")
    assert load_pairs(path, index)[0]["split"].tolist() == ["test"]


def test_a_row_may_leave_its_last_cells_away(
    write_manifest: Callable[[str], Path], index: ImageIndex
) -> None:
    path = write_manifest("ref,dist,mos,group\npics/r.png,pics/a.png,1,g\npics/r.png,pics/b.png\n")
    table, _ = load_pairs(path, index)
    assert table["mos"].isna().tolist() == [False, True]


def test_copied_references_share_a_group(
    write_manifest: Callable[[str], Path], index: ImageIndex
) -> None:
    path = write_manifest(
        "ref,dist\npics/r.png,pics/a.png\npics/copy.png,pics/b.png\npics/s.png,pics/a.png\n"
    )
    shutil.copy(path.parent / "pics" / "r.png", path.parent / "pics" / "copy.png")
    groups = load_pairs(path, index)[0]["group_id"].tolist()
    assert groups[0] == groups[1] != groups[2]


def test_byte_order_mark(write_manifest: Callable[[str], Path], index: ImageIndex) -> None:
    path = write_manifest("\ufeffref,dist,mos\r\npics/r.png,pics/c ü.png,2\r\n")
    assert load_pairs(path, index)[0]["mos"].tolist() == [2]


def test_pseudo_labels_are_called_so(
    write_manifest: Callable[[str], Path], index: ImageIndex
) -> None:
    path = write_manifest("ref,dist,pseudo_label\npics/r.png,pics/a.png,2\n")
    table, _ = load_pairs(path, index)
    assert table["mos"].tolist() == [2]
    assert table.attrs["label_kind"] == "pseudo-label"


def test_dmos_is_turned_and_said(write_manifest: Callable[[str], Path], index: ImageIndex) -> None:
    path = write_manifest("ref,dist,DMOS\npics/r.png,pics/a.png,31.5\npics/r.png,pics/r.png,0\n")
    table, _ = load_pairs(path, index)
    assert table["mos"].tolist() == [-31.5, 0]
    assert f"{table['mos'].iloc[1]:g}" == "0"  # and not -0
    assert table.attrs["label_kind"] == "MOS"
    assert table.attrs["turned"] == "−DMOS"


def test_pairs_of_equal_pixels_are_in_one_group(
    write_manifest: Callable[[str], Path], index: ImageIndex
) -> None:
    path = write_manifest(
        "ref,dist,mos,group\npics/r.png,pics/a.png,2,one\npics/r.png,pics/a.png,3,two\n"
        "pics/r.png,pics/r.png,5,three\n"
    )
    assert load_pairs(path, index)[0]["group_id"].tolist() == ["one", "one", "three"]


def test_pair_ids_come_from_the_column_or_the_row(write_manifest: Callable[[str], Path]) -> None:
    table = read_text_table(write_manifest("ref,dist\na,b\nc,d\n"))
    assert manifest.pair_ids(table) == ["row-000002", "row-000003"]
    table = read_text_table(write_manifest("pair_id,ref,dist\n007,a,b\n ,c,d\nNA,e,f\n"))
    assert manifest.pair_ids(table) == ["007", "row-000003", "NA"]


def test_all_that_can_be_wrong_in_a_manifest_is_said_at_once(
    write_manifest: Callable[[str], Path], index: ImageIndex
) -> None:
    path = write_manifest(
        "pair_id,ref,dist,mos,split\n"
        "a,pics/r.png,pics/a.png,good,\n"
        "b,pics/r.png,pics/a.png,inf,\n"
        "c,pics/r.png,,3,\n"
        "d,pics/r.png,pics/a.png,3,training\n"
        "e,pics/r.png,pics/gone.png,3,\n"
        "f,pics/r.png,pics/a.png,3,\n"
        "f,pics/r.png,pics/b.png,3,\n"
    )
    lines = problems_of(path, index)
    assert lines == [
        f"{path} row 2 (pics/a.png): label 'good' is not a number",
        f"{path} row 3 (pics/a.png): label inf is out of range; expected a finite number",
        f"{path} row 4: ref and dist must both name an image",
        f"{path} row 5: split 'training' is none of train, val, test",
        f"{path.parent / 'pics/gone.png'}: no such file",
        f"{path}: pair_id 'f' appears more than once",
    ]
    table, left_out = load_pairs(path, index, keep_going=True)
    assert left_out == lines
    assert table["pair_id"].tolist() == ["f"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("dist,mos\na,1\n", "no column ref; expected ref, dist[, mos, group, split, distortion,"),
        ("reference;distorted\na;b\n", "no column ref and dist; expected"),
        (
            "a.png,b.png,3.5\n",
            "found a.png, b.png, 3.5 (row 1 holds numbers; is the header missing",
        ),
        ("", "cannot be read as a table: it is empty"),
        ("ref,dist\na,b\nc,d,e\n", "row 3 has more cells than the header (row 1: ref, dist)"),
        ("ref,dist\na,b,3\nc,d,4\n", "row 2 has more cells"),  # pandas would take an index
        ("ref,dist,mos,pseudo_label\na,b,3,3\n", "has columns mos and pseudo_label"),
        ("ref,dist,mos,dmos\na,b,3,3\n", "has columns mos and dmos; keep the one"),
        ("ref,dist,Ref\na,b,c\n", "column 'Ref' appears more than once (as 'ref'"),
    ],
)
def test_manifest_that_cannot_be_read(
    text: str, expected: str, write_manifest: Callable[[str], Path], index: ImageIndex
) -> None:
    path = write_manifest(text)
    (line,) = problems_of(path, index)
    assert line.startswith(f"{path}: ")
    assert expected in line


@pytest.mark.parametrize(
    "header",
    ["ref,dist,mos,split,group", "Ref,DIST,MOS,Split,Group", " ref, dist,\tmos, split ,group ",
     "\ufeffref,dist,mos,split,group"],
)  # fmt: skip
def test_columns_are_found_whatever_case_and_blanks(
    header: str, write_manifest: Callable[[str], Path], index: ImageIndex
) -> None:
    rows = "pics/r.png,pics/a.png,5,train,lab0\n pics/s.png , pics/b.png,4, TEST ,lab1\n"
    table, problems = load_pairs(write_manifest(f"{header}\n{rows}"), index)
    assert problems == []
    assert table["mos"].tolist() == [5, 4]
    assert table["split"].tolist() == ["train", "test"]
    assert table["group_id"].tolist() == ["lab0", "lab1"]


def test_a_column_that_is_almost_called_right_is_named(
    write_manifest: Callable[[str], Path], caplog: pytest.LogCaptureFixture
) -> None:
    path = write_manifest("ref,dist,mos,splt,Groups,scene\npics/r.png,pics/a.png,1,test,g,s\n")
    assert not find_pairs(path).problems
    assert [record.getMessage() for record in caplog.records] == [
        f"{path}: column 'splt' is not read; did you mean split?",
        f"{path}: column 'Groups' is not read; did you mean group?",
    ]


def test_a_column_that_others_call_so_is_named(
    write_manifest: Callable[[str], Path], caplog: pytest.LogCaptureFixture
) -> None:
    """Left unread without a word, it would make labelled pairs unlabelled, and tests trainings."""
    path = write_manifest("ref,dist,Score,subset\npics/r.png,pics/a.png,1,test\n")
    (pair,) = find_pairs(path).pairs
    assert (pair.mos, pair.split) == (None, "test")
    assert [record.getMessage() for record in caplog.records] == [
        f"{path}: column 'Score' is not read; did you mean mos?",
        f"{path}: column 'subset' is not read; did you mean split?",
    ]


def test_manifest_in_other_dialects_encodings_and_formats(
    write_manifest: Callable[[str], Path], index: ImageIndex
) -> None:
    path = write_manifest("")
    rows = "ref;dist;mos\npics/r.png;pics/c ü.png;3,5\n"
    frame = pd.DataFrame({"ref": ["pics/r.png"], "dist": ["pics/c ü.png"], "mos": [3.5]})
    path.write_bytes(rows.encode("cp1252"))
    path.with_suffix(".txt").write_bytes(rows.replace(";", "\t").encode("utf-16"))
    frame.to_excel(path.with_suffix(".xlsx"), index=False)
    frame.to_parquet(path.with_suffix(".parquet"))
    for suffix in (".csv", ".txt", ".xlsx", ".parquet"):
        table, problems = load_pairs(path.with_suffix(suffix), index)
        assert problems == []
        assert table["mos"].tolist() == [3.5]


@pytest.mark.skipif(os.sep == "\\", reason="there a backslash is a separator anyway")
def test_backslashes_separate_folders_unless_a_file_is_called_so(
    write_manifest: Callable[[str], Path],
) -> None:
    path = write_manifest("ref,dist\npics\\r.png,pics\\a.png\npics/s.png,pics/gone.png\n")
    shutil.copy(path.parent / "pics" / "b.png", path.parent / "pics\\a.png")
    pairs = find_pairs(path).pairs
    assert pairs[0].ref == path.parent / "pics" / "r.png"
    assert pairs[0].dist == path.parent / "pics\\a.png"


def test_manifest_without_rows(write_manifest: Callable[[str], Path], index: ImageIndex) -> None:
    path = write_manifest("ref,dist,mos\n")
    assert problems_of(path, index) == [f"{path}: no image pairs in it"]


def test_blank_lines_do_not_shift_the_line_numbers(
    write_manifest: Callable[[str], Path], index: ImageIndex
) -> None:
    path = write_manifest("ref,dist,mos\npics/r.png,pics/a.png,1\n\npics/r.png,pics/b.png,bad\n\n")
    (line,) = problems_of(path, index)
    assert line.startswith(f"{path} row 4 ")


# --- which layout ----------------------------------------------------------------------------


def test_neither_layout(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    with pytest.raises(DataError, match=r"neither a SeIQA folder .* nor a manifest \(\.csv"):
        find_pairs(tmp_path)
    (tmp_path / "pairs.doc").touch()
    with pytest.raises(DataError, match=r"pairs\.doc: neither"):
        find_pairs(tmp_path / "pairs.doc")


def test_no_data(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gone: no such file or folder$"):
        find_pairs(tmp_path / "gone")


def test_numbered_pictures_come_in_the_order_of_their_numbers(
    split: Callable[..., Path], index: ImageIndex
) -> None:
    data = split("Test", ["10.png", "2.png", "000003.png", "b.png", "a.png"])
    pairs, problems = load_pairs(data, index)
    assert not problems
    names = [pair_id.split("/")[1] for pair_id in pairs["pair_id"]]
    assert names == ["2", "000003", "10", "a", "b"]


@pytest.mark.parametrize(("labels", "noted"), [((0, 3, 5), 1), ((0.5, 3, 5), 0)])
def test_labels_of_the_challenge_come_with_what_is_known_about_them(
    labels, noted, tmp_path, save_picture
):
    for number in range(3):
        for side in ("Ref", "Dist"):
            save_picture(tmp_path / "Train" / side / f"{number + 1:06}.png", seed=number)
    rows = "".join(f"{number + 1:06}.png,{label}\n" for number, label in enumerate(labels))
    (tmp_path / "Train" / "Train_scores.csv").write_text(f"picture,score\n{rows}")
    found = find_pairs(tmp_path)
    assert len(found.label_notes) == noted
    pairs, _ = load_pairs(tmp_path, ImageIndex(tmp_path / "cache"))
    notes = pairs.attrs.get("label_notes", [])
    assert all("means of 30 people" in note and "ordinal_head@dense" in note for note in notes)
    assert len(notes) == noted
