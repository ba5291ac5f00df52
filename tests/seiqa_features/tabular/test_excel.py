"""Workbooks: what is read of them, what is refused, and that none takes minutes or gigabytes."""

from __future__ import annotations

import io
import math
import re
import zipfile
from collections.abc import Callable, Sequence
from datetime import datetime, time
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openpyxl.chart import BarChart, Reference

from seiqa_features.errors import DataError
from seiqa_features.tabular.excel import MAX_RANGES
from seiqa_features.tabular.reading import TextTable, read_text_table

ROWS = [["name", "score"], ["000001.png", 3.5], [17, 2], ["x", None]]
SHEET, STYLES = "xl/worksheets/sheet1.xml", "xl/styles.xml"

Book = Callable[..., Path]


@pytest.fixture
def book(tmp_path: Path) -> Book:
    """`book(rows, change)` saves a workbook; `change(workbook, sheet)` works on it before."""

    def make(
        rows: Sequence[Sequence[object]], change: Callable[[Any, Any], None] | None = None
    ) -> Path:
        workbook = openpyxl.Workbook()
        for row in rows:
            workbook.active.append(row)
        if change is not None:
            change(workbook, workbook.active)
        workbook.save(tmp_path / "t.xlsx")
        return tmp_path / "t.xlsx"

    return make


def edit(path: Path, part: str, change: Callable[[bytes], bytes]) -> Path:
    """The workbook with one of its parts changed by hand."""
    with zipfile.ZipFile(path) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    contents[part] = change(contents[part])
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    path.write_bytes(buffer.getvalue())
    return path


def append(path: Path, rows: bytes) -> Path:
    """The workbook with more rows at the end of its sheet."""
    return edit(path, SHEET, lambda xml: xml.replace(b"</sheetData>", rows + b"</sheetData>"))


def cells(table: TextTable) -> list[list[str]]:
    return table.cells.to_numpy().tolist()


def refusal(path: Path) -> str:
    with pytest.raises(DataError) as refused:
        read_text_table(path)
    (line,) = refused.value.problems
    assert line.startswith(f"{path}: cannot be read as a table: ")
    assert "\n" not in line
    return line


# --- what is read ----------------------------------------------------------------------------


def test_cells_become_the_text_that_a_person_would_type(book: Book) -> None:
    values = [17, 17.0, 0.1, 1e300, 1e20, True, "000017", "=not run", " a ", datetime(2024, 2, 1),
              datetime(2024, 2, 1, 3, 4), time(5, 6), "#N/A", "3,5"]  # fmt: skip

    def as_text(_: Any, sheet: Any) -> None:
        sheet["A9"].data_type = "s"

    table = read_text_table(book([["v"], *([value] for value in values)], as_text))
    assert table.cells["v"].tolist() == [
        "17", "17", "0.1", "1e+300", "1e+20", "TRUE", "000017", "=not run", " a ", "2024-02-01",
        "2024-02-01 03:04:00", "05:06:00", "#N/A", "3,5",
    ]  # fmt: skip


def test_numbers_and_missing_cells(book: Book) -> None:
    table = read_text_table(book(ROWS))
    assert table.cells["name"].tolist() == ["000001.png", "17", "x"]
    assert table.rows.tolist() == [2, 3, 4]
    scores = table.numbers(["score"])["score"].tolist()
    assert scores[:2] == [3.5, 2]
    assert math.isnan(scores[2])


def test_blank_rows_and_columns_around_the_table(book: Book) -> None:
    rows = [[], [None, None], *([None, *row] for row in ROWS[:2]), [], [None, "y", 1, " "]]
    table = read_text_table(book(rows))
    assert cells(table) == [["000001.png", "3.5"], ["y", "1"]]
    assert (table.header_row, table.rows.tolist()) == (3, [4, 6])


@pytest.mark.parametrize("state", ["hidden", "veryHidden"])
def test_hidden_and_blank_sheets_are_passed_over(
    book: Book, state: str, caplog: pytest.LogCaptureFixture
) -> None:
    def change(workbook: Any, sheet: Any) -> None:
        sheet.sheet_state = state
        workbook.create_sheet("blank")
        workbook.create_sheet("good").append(["a"])
        workbook["good"].append([1])

    path = book(ROWS, change)
    assert cells(read_text_table(path)) == [["1"]]
    assert f"{path}: sheet 'good' is read, not Sheet, blank" in caplog.text
    assert cells(read_text_table(path, sheet="Sheet"))[0] == ["000001.png", "3.5"]
    with pytest.raises(DataError, match="no sheet x, or nothing in it"):
        read_text_table(path, sheet="x")


def test_only_hidden_sheets(book: Book) -> None:
    def change(workbook: Any, sheet: Any) -> None:
        sheet.sheet_state = "hidden"
        workbook.create_sheet("blank")

    assert "no visible sheet holds anything; hidden sheets (Sheet) are not" in refusal(
        book(ROWS, change)
    )


def test_a_workbook_of_charts_alone(tmp_path: Path) -> None:
    workbook = openpyxl.Workbook()
    chart = BarChart()
    chart.add_data(Reference(workbook.worksheets[0], min_col=1, min_row=1))
    workbook.create_chartsheet("Results").add_chart(chart)
    workbook.remove(workbook.worksheets[0])
    workbook.active = 0
    workbook.save(tmp_path / "c.xlsx")
    with pytest.raises(
        DataError, match=r"all of its sheets are charts \(Results\); expected cells"
    ):
        read_text_table(tmp_path / "c.xlsx")


def test_a_file_of_office_that_is_no_workbook(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "d.xlsx", "w") as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
    with pytest.raises(DataError, match=r"no sheets can be found in it; save it as \.xlsx"):
        read_text_table(tmp_path / "d.xlsx")


@pytest.mark.parametrize("suffix", [".xls", ".ods", ".xlsm"])
def test_sheets_of_other_formats(suffix: str, tmp_path: Path) -> None:
    (tmp_path / f"t{suffix}").write_bytes(b"PK")
    with pytest.raises(DataError, match=r"expected a table: .*; save it as \.xlsx"):
        read_text_table(tmp_path / f"t{suffix}")


def test_hidden_rows_and_columns_are_read_and_named(
    book: Book, caplog: pytest.LogCaptureFixture
) -> None:
    def change(_: Any, sheet: Any) -> None:
        sheet.row_dimensions[3].hidden = True
        sheet.row_dimensions[99].hidden = True  # below the table
        sheet.column_dimensions["B"].hidden = True
        sheet.column_dimensions["F"].hidden = True

    assert len(read_text_table(book(ROWS, change)).rows) == 3
    assert [record.getMessage().split(": ", 1)[1] for record in caplog.records] == [
        "hidden rows are read like the others: 3",
        "hidden columns are read like the others: B",
    ]


def test_formulas_are_read_by_their_saved_results(book: Book) -> None:
    path = book([["name", "score"], ["a", "=1+1"], ["b", '=""']])
    assert "cell B2 holds a formula without its result; open the workbook" in refusal(path)
    edit(path, SHEET, lambda xml: re.sub(rb"<v\s*/>|<v></v>", b"<v>2</v>", xml, count=1))
    edit(path, SHEET, lambda xml: xml.replace(b'r="B3"', b'r="B3" t="str"'))
    assert cells(read_text_table(path)) == [["a", "2"], ["b", ""]]


def test_merged_cells_in_the_table_are_refused_by_name(book: Book) -> None:
    merged = refusal(book(ROWS, lambda _, sheet: sheet.merge_cells("A2:A3")))
    assert "cells A2:A3 are merged; unmerge them" in merged
    beside = book(ROWS)
    far = b'</sheetData><mergeCells><mergeCell ref="H20:XFD1048576"/></mergeCells>'
    edit(beside, SHEET, lambda xml: xml.replace(b"</sheetData>", far))
    assert len(read_text_table(beside).rows) == 3


def test_a_title_above_the_table_is_no_header(book: Book) -> None:
    said = refusal(book([["Scores of 2024"], *ROWS]))
    assert "row 2 has more cells than the header (row 1: Scores of 2024); name every" in said


# --- what would not end ----------------------------------------------------------------------


def test_sizes_that_are_not_true(book: Book) -> None:
    huge = b'<dimension ref="A1:XFD1048576"/>'
    lying = edit(book(ROWS), SHEET, lambda xml: re.sub(rb"<dimension[^>]*>", huge, xml))
    assert len(read_text_table(lying).rows) == 3
    far = book(ROWS)
    append(far, b'<row r="99999999999"><c r="A99999999999"><v>1</v></c></row>')
    assert "cells lie too far apart" in refusal(far)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (b'<row><c r="XFD9"><v>1</v></c></row>' * 500, "has 16384 cells; expected at most 10000"),
        (b'<row><c r="IV9"/><c r="DDD9"/></row>' * 2000, "cells lie too far apart"),
        (b"<row>" + b"<c><v>1</v></c>" * 20_000 + b"</row>", "has 20000 cells; expected at most"),
        (b"<row><c><v>1</v></c></row>" * 160_000, "more than 300000 cells; save the sheet as .csv"),
        (b"<row/>" * 400_000, "more than 300000 cells; save the sheet as .csv"),
        (b" " * 70_000_000, "it unpacks to too many bytes; save the sheet as .csv"),
        (b'<row><c r="ZZZZ9"><v>1</v></c></row>', "'ZZZZ' is not a valid column name"),
    ],
)
def test_bombs_are_refused_in_one_line(book: Book, rows: bytes, said: str) -> None:
    assert said in refusal(append(book(ROWS), rows))


def test_bombs_beside_the_sheet(book: Book) -> None:
    large = edit(book(ROWS), STYLES, lambda xml: xml + b" " * 2_000_000)
    assert "it unpacks to too many bytes" in refusal(large)
    laughs = b"".join(
        b'<!ENTITY e%d "%s">' % (k, b"&e%d;" % (k - 1) * 10 if k else b"ha" * 10) for k in range(12)
    )
    path = book(ROWS)
    edit(path, SHEET, lambda xml: b"<!DOCTYPE l [" + laughs + b"]>" + xml.split(b"?>", 1)[-1])
    edit(path, SHEET, lambda xml: xml.replace(b"<v>3.5</v>", b"<v>&e11;</v>"))
    refusal(path)


@pytest.mark.parametrize(
    "ranges",
    [
        b"<cols>" + b'<col min="1" max="16384" hidden="1"/>' * (MAX_RANGES + 1) + b"</cols>",
        b'<mergeCell ref="Z8:Z9"/>' * (MAX_RANGES + 1),
    ],
    ids=["columns", "merged cells"],
)
def test_ranges_without_end_are_refused(book: Book, ranges: bytes) -> None:
    path = edit(book(ROWS), SHEET, lambda xml: xml.replace(b"<sheetData>", ranges + b"<sheetData>"))
    with pytest.raises(DataError, match="too many merged cells or columns"):
        read_text_table(path)


def test_a_hidden_column_described_twice_is_named_once(
    book: Book, caplog: pytest.LogCaptureFixture
) -> None:
    columns = b"<cols>" + b'<col min="1" max="2" hidden="1"/>' * 3 + b"</cols>"
    path = edit(
        book(ROWS), SHEET, lambda xml: xml.replace(b"<sheetData>", columns + b"<sheetData>")
    )
    read_text_table(path)
    assert caplog.messages == [f"{path}: hidden columns are read like the others: A, B"]


def test_other_files_called_xlsx(book: Book, tmp_path: Path) -> None:
    path = tmp_path / "t.xlsx"
    path.write_bytes(b"\xd0\xcf\x11\xe0" + bytes(600))
    assert "protected by a password or of Excel 2003" in refusal(path)
    path.write_text("name,score\na,1\n")
    assert "it is not an Excel workbook (.xlsx)" in refusal(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.txt", "no workbook")
    refusal(path)
    whole = book(ROWS).read_bytes()
    for cut in range(0, len(whole), len(whole) // 7):
        path.write_bytes(whole[:cut])
        refusal(path)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data())
def test_any_damage_to_a_sheet_is_a_table_or_one_line(book: Book, data: st.DataObject) -> None:
    path = book(ROWS)
    with zipfile.ZipFile(path) as archive:
        part = data.draw(
            st.sampled_from([name for name in archive.namelist() if "docP" not in name])
        )
        size = archive.getinfo(part).file_size
    start = data.draw(st.integers(0, size))
    length, put = data.draw(st.integers(0, 20)), data.draw(st.binary(max_size=8))
    edit(path, part, lambda xml: xml[:start] + put + xml[start + length :])
    said = ["read"]
    try:
        read_text_table(path)
    except DataError as error:
        said = error.problems
    assert len(said) == 1
    assert "\n" not in said[0]
