"""What somebody writes into a manifest is what is read, however the file is written."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

import openpyxl
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seiqa_features.datasets import manifest
from seiqa_features.datasets.pairs import Found

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
