"""Text tables from every format: right, or one clear line."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seiqa_features.errors import DataError
from seiqa_features.tabular.reading import READERS, TextTable, is_table, read_text_table

Read = Callable[..., TextTable]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    r"""`read("a,b\n1,2\n", "t.csv")` writes the content to a file and reads it."""

    def write(content: str | bytes, name: str = "t.csv") -> TextTable:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_text_table(path)

    return write


def refusal(read: Read, content: str | bytes, name: str = "t.csv") -> str:
    with pytest.raises(DataError) as refused:
        read(content, name)
    (line,) = refused.value.problems
    assert name in line
    assert "\n" not in line
    return line


# --- text files ------------------------------------------------------------------------------


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_separators_and_line_ends(read: Read, separator: str, end: str) -> None:
    lines = ["name,value,note", "a,1,x y", "b,2,"]
    table = read(end.join(line.replace(",", separator) for line in lines) + end)
    assert table.cells.to_dict("list") == {
        "name": ["a", "b"], "value": ["1", "2"], "note": ["x y", ""],
    }  # fmt: skip


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "utf-32", "cp1252"]
)
def test_encodings(read: Read, encoding: str, caplog: pytest.LogCaptureFixture) -> None:
    mark = b"\xfe\xff" if encoding == "utf-16-be" else b""
    table = read(mark + "größe,b\né,1\n".encode(encoding))
    assert table.cells.to_dict("list") == {"größe": ["é"], "b": ["1"]}
    assert ("read as Windows-1252" in caplog.text) == (encoding == "cp1252")


def test_cells_are_the_text_they_are(read: Read) -> None:
    cells = ["000123", "1E5", "NA", " 7 ", "1.0", "nan", "TRUE", "2024-01-02"]
    table = read("name,n\n" + "".join(f"{cell},{k}\n" for k, cell in enumerate(cells)))
    assert table.cells["name"].tolist() == cells
    assert table.text("name").tolist() == [cell.strip() for cell in cells]


def test_quoted_cells_hold_separators_quotes_and_line_ends(read: Read) -> None:
    table = read('a, b\n"x, 1", "y"\n"two\nlines","say ""so"""\n')
    assert table.cells["a"].tolist() == ["x, 1", "two\nlines"]
    assert table.cells["b"].tolist() == ["y", 'say "so"']
    assert table.rows.tolist() == [2, 3]


def test_blank_rows_and_columns_are_left_out_and_rows_keep_their_numbers(read: Read) -> None:
    table = read("\n  ,\n,a, ,b,\n0,1,,2\n,,,,,,\n 1 ,3,,4,\n\n")
    assert table.cells.columns.tolist() == ["Unnamed: 0", "a", "b"]
    assert table.cells["a"].tolist() == ["1", "3"]
    assert (table.header_row, table.rows.tolist()) == (3, [4, 6])


def test_decimal_commas(read: Read) -> None:
    table = read("n;v;w\na;1,5;2\nb;-0,25;1E-1\n")
    assert table.numbers(["v", "w"]).to_dict("list") == {"v": [1.5, -0.25], "w": [2, 0.1]}
    with pytest.raises(DataError, match=r"may be 1\.234 or 1234"):
        read("v\tw\n1,234\tx\n").numbers(["v"])
    assert read('v,w\n"1,5",x\n').numbers(["v"])["v"].tolist() == ["1,5"]  # text, not 1.5


def test_excel_can_name_the_separator(read: Read) -> None:
    table = read("sep=;\na;b,c\n1;2\n")
    assert table.cells.columns.tolist() == ["a", "b,c"]
    assert table.rows.tolist() == [3]


def test_apostrophes_of_our_own_are_taken_away(read: Read) -> None:
    table = read("'=name,b\n'=1+1,-1.5\n'quoted','-x.png\n")
    assert table.cells.columns.tolist() == ["=name", "b"]
    assert table.cells.to_numpy().tolist() == [["=1+1", "-1.5"], ["'quoted'", "-x.png"]]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "it is empty; expected a header"),
        ("\n \n,,\n", "it is empty; expected a header"),
        ("a,b\n1,2,3\n", "row 2 has more cells than the header (row 1: a, b)"),
        ("\na,b\n1,2\n1,2,,,5\n", "row 4 has more cells than the header (row 2: a, b)"),
        ("a,b,a\n1,2,3\n", "column 'a' appears more than once;"),
        ("MOS,b, mos\n1,2,3\n", "column 'mos' appears more than once (as 'MOS': case does not"),
        ("a,b;c\nx,y;z\n", "comma and semicolon may both separate its cells"),
        ('a,b\n1,"2\n3,4\n', "an opening quote is never closed"),
        (b"a\x81,b\n", "neither UTF-8 nor Windows-1252"),
        (b"\xff\xfea", "its byte order mark says utf-16-le, which it is not"),
        ("a,b\n1,2\n".encode("utf-16-le"), "it is full of NULs"),
        (b"PK\x03\x04zip", "it is a zip archive; an Excel workbook"),
        (f"{'x' * 200_000},b\n1,2\n", "its header cannot be read (field larger"),
        (",".join(map(str, range(20_000))), "it has 20000 columns; expected at most 10000"),
        (",".join(["a"] * 100_000), "column 'a' appears more than once"),
        ("a,b\n1,2,,,5\n", "row 2 has more cells than the header"),  # pandas would take an index
        ("a,b\n" + "," * 20_000, "a row has 20001 cells; expected at most 10000"),
    ],
)
def test_what_is_no_table_is_one_line(read: Read, content: str | bytes, said: str) -> None:
    assert f"cannot be read as a table: {said}" in refusal(read, content)


# --- other files -----------------------------------------------------------------------------


def test_parquet_keeps_types_and_text(tmp_path: Path) -> None:
    dense = pa.FixedSizeListArray.from_arrays(pa.array(np.zeros(6, np.float32)), 3)
    columns = {"id": ["007", None], "n": [1, 2], " MOS": [1.5, None], "clip": dense}
    pq.write_table(pa.table({**columns, "kind": pa.array(["a", "b"]).dictionary_encode()}),
                   tmp_path / "t.parquet")  # fmt: skip
    table = read_text_table(tmp_path / "t.parquet")
    assert table.cells["id"].tolist() == ["007", ""]
    assert table.cells["kind"].tolist() == ["a", "b"]
    assert table.text("n").tolist() == ["1", "2"]
    assert table.text("MOS").tolist() == ["1.5", ""]
    numbers = table.numbers(table.columns(["mos", "n", "clip"]))
    assert numbers["MOS"].isna().tolist() == [False, True]
    assert isinstance(numbers["clip"].dtype, pd.ArrowDtype)
    assert table.where(1) == f"{tmp_path / 't.parquet'} row 3"


def test_equal_names_in_parquet_are_refused(tmp_path: Path) -> None:
    twice = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "A"])
    pq.write_table(twice, tmp_path / "t.parquet")
    with pytest.raises(DataError, match=r"column 'A' appears more than once"):
        read_text_table(tmp_path / "t.parquet")


@pytest.mark.parametrize("name", ["t.xls", "t.ods", "t", "csv"])
def test_other_formats_are_refused_by_name(read: Read, name: str) -> None:
    assert "expected a table: .csv, .tsv, .txt, .xlsx, .parquet" in refusal(read, "a\n1\n", name)


@pytest.mark.skipif(os.name == "nt", reason="no FIFO there")
def test_nothing_but_a_file_is_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "t.csv")
    (tmp_path / "d.csv").mkdir()
    for name, said in (("t.csv", "is a FIFO"), ("d.csv", "is a directory"), ("g.csv", "no such")):
        with pytest.raises(DataError, match=said):
            read_text_table(tmp_path / name)
    assert is_table(tmp_path / "g.CSV")
    assert not is_table(tmp_path / "d.csv")


# --- columns ---------------------------------------------------------------------------------


def test_columns_are_found_by_the_rule_and_missing_ones_named(read: Read) -> None:
    table = read(" MOS ,ref,SSIM\n1,a,2\n")
    assert table.columns(["mos", "Ssim"]) == ["MOS", "SSIM"]
    assert table.find("gmsd") is None
    with pytest.raises(DataError, match=r"lacks 2 columns: moss, fold; did you mean 'MOS'\?$"):
        table.columns(["moss", "ref", "fold"])
    with pytest.raises(DataError, match=r"lacks column quality; it has MOS, ref, SSIM$"):
        table.columns(["quality"])
    with pytest.raises(DataError, match=r"it has 0\.5, r0 \(row 1 holds numbers; is the header"):
        read("0.5,r0\n0.7,r1\n").columns(["MOS"])


def test_columns_of_numbers_stay_text_where_one_cell_is_none(read: Read) -> None:
    numbers = read("a,b\n1,x\nNA,2\n").numbers(["a", "b"])
    assert numbers["a"].dtype == "float64"
    assert numbers["b"].tolist() == ["x", "2"]


# --- anything --------------------------------------------------------------------------------

CELLS = st.text(st.sampled_from("a1,;\t|\"'=\n\r. é-\ufeff\0"), max_size=6)
TEXTS = st.lists(st.lists(CELLS, max_size=4).map(",".join), max_size=5).map("\n".join)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    content=TEXTS.map(str.encode)
    | TEXTS.map(lambda t: t.encode("utf-16"))
    | st.binary(max_size=60),
    suffix=st.sampled_from(sorted(READERS)),
)
def test_any_bytes_are_a_table_or_one_line(tmp_path: Path, content: bytes, suffix: str) -> None:
    path = tmp_path / f"t{suffix}"
    path.write_bytes(content)
    said, table = ["read"], TextTable(path, 1, pd.DataFrame(), np.arange(0))
    try:
        table = read_text_table(path)
    except DataError as error:
        said = error.problems
    assert len(said) == 1
    assert "\n" not in said[0]
    assert table.cells.columns.is_unique
    assert len(table.rows) == len(table.cells)
    for name in table.cells:
        assert table.find(name) == name


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(
        st.tuples(
            *[st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"))] * 2
        ),
        min_size=1,
        max_size=4,
    )
)
def test_what_pandas_writes_is_read_as_it_was(tmp_path: Path, rows: list[tuple[str, str]]) -> None:
    cells = pd.DataFrame(rows, columns=["a", "b"])
    cells = cells[(cells.apply(lambda column: column.str.strip()) != "").any(axis=1)]
    cells = cells[~cells.apply(lambda column: column.str.match(r"^'+[=+\-@\t\r\n]")).any(axis=1)]
    path = tmp_path / "t.csv"
    cells.to_csv(path, index=False)
    assert read_text_table(path).cells.to_numpy().tolist() == cells.to_numpy().tolist()
