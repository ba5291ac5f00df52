"""What somebody writes into a manifest is what is read, however the file is written."""

from __future__ import annotations

import csv
import io
import math
import re
from pathlib import Path

import openpyxl
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seiqa_features.datasets import manifest
from seiqa_features.datasets.pairs import Found
from seiqa_features.errors import DataError

BOUNDED = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
GROUPS = ("1", "01", "1.0", "001", "1e0", "+1", "1,0", "NA", "nan", "TRUE", "true", "1/2", "١", "½")
"""Each another group, whatever a program that guesses would make of them."""

_APOSTROPHE = re.compile(r"'+[=+\-@\t\r\n]")  # what `inert` writes; the reader takes one away
words = st.one_of(
    st.sampled_from(GROUPS),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12),
).filter(lambda text: not _APOSTROPHE.match(text))
sheet_words = st.one_of(
    st.sampled_from(GROUPS),
    st.text(st.characters(exclude_categories=["Cs", "Cc", "Cn"]), max_size=12).filter(
        lambda text: not text.startswith("=")  # a formula, which openpyxl would write as one
    ),
)
labels = st.none() | st.floats(allow_nan=False, allow_infinity=False) | st.integers(-9, 99)
sheet_labels = st.none() | st.integers(-(10**9), 10**9).map(lambda n: n / 1000)  # 15 digits at most
Row = tuple[str, str, float | None]


def rows_of(
    text: st.SearchStrategy[str], mos: st.SearchStrategy[float | None]
) -> st.SearchStrategy[list[Row]]:
    return st.lists(st.tuples(text, text, mos), min_size=1, max_size=5)


def meant(rows: list[Row]) -> list[tuple[str | None, str | None, float | None]]:
    return [
        (group.strip() or None, kind.strip() or None, None if mos is None else float(mos))
        for group, kind, mos in rows
    ]


def read(found: Found) -> list[tuple[str | None, str | None, float | None]]:
    assert found.problems == []
    return [(pair.group, pair.distortion, pair.mos) for pair in found.pairs]


@BOUNDED
@given(
    rows=rows_of(words, labels),
    separator=st.sampled_from(",;\t|"),
    line_end=st.sampled_from(["\n", "\r\n"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32"]),
    header=st.sampled_from([str.lower, str.upper, str.title, lambda name: f" {name} "]),
)
def test_csv(
    tmp_path: Path, rows: list[Row], separator: str, line_end: str, encoding: str, header: object
) -> None:
    text = io.StringIO()
    writer = csv.writer(
        text, delimiter=separator, lineterminator=line_end, quoting=csv.QUOTE_NONNUMERIC
    )
    names = ("ref", "dist", "group", "distortion", "mos")
    writer.writerow([header(name) for name in names])  # type: ignore[operator]
    for group, kind, mos in rows:
        label = "" if mos is None else repr(mos).replace(".", "," if separator == ";" else ".")
        writer.writerow(["a.png", "b.png", group, kind, label])
    path = tmp_path / "m.csv"
    path.write_bytes(text.getvalue().encode(encoding))
    assert read(manifest.read(path)) == meant(rows)


@BOUNDED
@given(rows=rows_of(sheet_words, sheet_labels))
def test_excel(tmp_path: Path, rows: list[Row]) -> None:
    workbook = openpyxl.Workbook()
    sheet = workbook.active
    assert sheet is not None
    sheet.append(["ref", "dist", "group", "distortion", "mos"])
    for group, kind, mos in rows:
        sheet.append(["a.png", "b.png", group, kind, mos])
    path = tmp_path / "m.xlsx"
    workbook.save(path)
    assert read(manifest.read(path)) == meant(rows)


def test_groups_that_look_alike_stay_apart(tmp_path: Path) -> None:
    lines = [f'a.png,b.png,"{group}"' for group in GROUPS]
    (tmp_path / "m.csv").write_text("\n".join(["ref,dist,group", *lines]), encoding="utf-8")
    found = manifest.read(tmp_path / "m.csv")
    assert [pair.group for pair in found.pairs] == list(GROUPS)


studies = st.one_of(st.sampled_from(["A", "a", "01", "1", "NA", "", " "]), words)
rates = st.one_of(st.sampled_from(["", "NA", "0.25", "0", "-1", "inf", "1e400", "x", "1,5"]), words)
numbers = st.one_of(st.sampled_from(["", "1", "2.5", "inf", "1e400", "NaN", "x"]), words)
Cells = tuple[str, str, str, str, str]


@BOUNDED
@given(rows=st.lists(st.tuples(studies, words, rates, numbers, numbers), min_size=1, max_size=6))
def test_collections_codecs_and_rates_are_read_or_refused_row_by_row(
    tmp_path: Path, rows: list[Cells]
) -> None:
    names = ["collection", "codec", "bpp", "mos", "dmos", "ref", "dist"]
    cells = [dict(zip(names, (*row, "a.png", f"{n}.png"), strict=True))
             for n, row in enumerate(rows)]  # fmt: skip
    path = tmp_path / "m.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, names, quoting=csv.QUOTE_ALL)
        writer.writeheader()
        writer.writerows(cells)
    found = manifest.read(path)
    assert all("\n" not in DataError([line]).problems[0] for line in found.problems)
    refused_as_a_whole = len(found.problems) == 1 and not found.pairs
    assert refused_as_a_whole or len(found.pairs) + len(found.problems) >= len(rows)
    for pair in found.pairs:
        row = cells[int(pair.dist.stem)]
        assert (pair.codec or "") == as_read(row["codec"])
        assert pair.collection in (None, as_read(row["collection"]))
        assert pair.bpp is None or 0 < pair.bpp < math.inf
        assert pair.mos is None or math.isfinite(pair.mos)
        assert found.collections == {} or pair.collection in {None, *found.collections}


def as_read(cell: str) -> str:
    """The text of a cell: without blanks around it and the apostrophe of `inert`."""
    return (cell[1:] if _APOSTROPHE.match(cell) else cell).strip()
