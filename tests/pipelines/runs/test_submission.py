"""The submission zip, byte by byte and read back."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from pipelines.runs.submission import submission_bytes

NAMES = ["000001.png", "000002.JPG", "=1+1 ünïcode.webp"]
SCORES = [0.0, 5.0, 3.1415926]


def submit(path: Path, names: Any = NAMES, scores: Any = SCORES, **changes: Any) -> Path:
    facts = {"seconds_per_pair": 0.0203, "on_gpu": True, "extra_data": True, "description": "ours"}
    path.write_bytes(submission_bytes(names, scores, **(facts | changes)))
    return path


def readme(path: Path) -> bytes:
    return zipfile.ZipFile(path).read("readme.txt")


def test_zip_holds_exactly_the_two_files_at_its_root(tmp_path: Path) -> None:
    path = submit(tmp_path / "submission.zip")
    with zipfile.ZipFile(path) as archive:
        assert archive.namelist() == ["prediction.xlsx", "readme.txt"]
        assert archive.testzip() is None
    assert [file.name for file in path.parent.iterdir()] == ["submission.zip"]


def test_sheet_reads_back_as_written(tmp_path: Path) -> None:
    with zipfile.ZipFile(submit(tmp_path / "s.zip")) as archive:
        workbook = openpyxl.load_workbook(io.BytesIO(archive.read("prediction.xlsx")))
    assert len(workbook.worksheets) == 1
    header, *rows = workbook.active.iter_rows(values_only=True)
    assert header == ("picture_name", "Score")
    assert rows == list(zip(NAMES, SCORES, strict=True))


def test_readme_is_four_lines_with_crlf(tmp_path: Path) -> None:
    path = submit(tmp_path / "s.zip", description="frozen features,\n boosting")
    assert readme(path) == (
        b"runtime per video [s] : 0.0203\r\n"
        b"CPU[1] / GPU[0] : 0\r\n"
        b"Extra Data [1] / No Extra Data [0] : 1\r\n"
        b"Other description : frozen features, boosting\r\n"
    )


def test_readme_says_cpu_and_no_extra_data(tmp_path: Path) -> None:
    text = readme(submit(tmp_path / "s.zip", on_gpu=False, extra_data=False)).decode()
    assert "CPU[1] / GPU[0] : 1\r\n" in text
    assert "No Extra Data [0] : 0\r\n" in text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.02, "0.02"), (1 / 3, "0.333"), (12.345, "12.3"), (1234.5, "1230"), (4.567e-5, "0.0000457")],
)
def test_runtime_is_a_plain_decimal(tmp_path: Path, seconds: float, text: str) -> None:
    line = readme(submit(tmp_path / "s.zip", seconds_per_pair=seconds)).split(b"\r\n")[0]
    assert line == f"runtime per video [s] : {text}".encode()


def test_rerun_is_byte_identical_whenever_it_happens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = submit(tmp_path / "s.zip").read_bytes()
    monkeypatch.setattr("time.time", lambda: 2e9)
    monkeypatch.setattr("time.localtime", lambda *_: (2033, 5, 18, 3, 33, 20, 2, 138, 0))
    assert submit(tmp_path / "s.zip").read_bytes() == first
    with zipfile.ZipFile(io.BytesIO(first)) as archive:
        inner = zipfile.ZipFile(io.BytesIO(archive.read("prediction.xlsx")))
    entries = [*archive.infolist(), *inner.infolist()]
    assert {entry.date_time for entry in entries} == {(1980, 1, 1, 0, 0, 0)}
    assert inner.read("docProps/core.xml").count(b"2026-01-01T00:00:00Z") == 2


@pytest.mark.parametrize(
    ("names", "scores", "message"),
    [
        ([], [], "no pictures to submit"),
        (["a.png"], [1.0, 2.0], "1 names but 2 scores"),
        (["a.png", "b.png", "a.png"], [1.0, 2.0, 3.0], "'a.png' appears 2 times"),
        (["a.png", "b.png"], [1.0, float("nan")], "'b.png' has score nan"),
        (["a.png"], [5.001], "'a.png' has score 5.001; expected a number from 0 to 5"),
        (["a.png"], [-0.1], "'a.png' has score -0.1"),
        (["a.png"], [float("inf")], "'a.png' has score inf"),
        (["000001"], [1.0], "'000001' is not as in the folder"),
        (["Test/a.png"], [1.0], "'Test/a.png' is not as in the folder"),
    ],
)
def test_refuses_what_the_challenge_would(
    tmp_path: Path, names: list[str], scores: list[float], message: str
) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        submit(tmp_path / "s.zip", names, scores)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("nan")])
def test_refuses_a_runtime_nobody_measured(tmp_path: Path, seconds: float) -> None:
    with pytest.raises(ValueError, match="expected the measured seconds"):
        submit(tmp_path / "s.zip", seconds_per_pair=seconds)
