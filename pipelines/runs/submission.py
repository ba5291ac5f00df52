"""The challenge's submission zip: prediction.xlsx and readme.txt, the same bytes on every rerun."""

from __future__ import annotations

import io
import math
import zipfile
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import numpy as np
import xlsxwriter

SCORE_RANGE = (0.0, 5.0)
"""Scores accepted by the challenge: 5 = all of the meaning survived."""

_ZIP_DATE = (1980, 1, 1, 0, 0, 0)  # the earliest date a zip entry can have
_WORKBOOK_DATE = datetime(2026, 1, 1)  # any fixed date; the default is the current time


def submission_bytes(
    names: Sequence[str],
    scores: Sequence[float],
    *,
    seconds_per_pair: float,
    on_gpu: bool,
    extra_data: bool,
    description: str,
) -> bytes:
    """The zip that the LoViF 2026 SeIQA challenge expects.

    Parameters
    ----------
    names : sequence of str [n]
        File names of the test pictures, including extension.
    scores : sequence of float [n]
        Predicted scores in [0, 5], in the order of `names`.
    seconds_per_pair : float
        Measured seconds per pair, above 0.
    on_gpu, extra_data : bool
        Whether a GPU was used, and whether data beyond the challenge's was used.
    description : str
        One line about the system; line breaks become spaces.

    Raises
    ------
    ValueError
        Nothing to submit, lengths differ, a name is repeated or no bare file name with extension,
        a score is not finite or out of range, or the runtime is not a positive number.
    """
    _check(names, scores)
    if not (math.isfinite(seconds_per_pair) and seconds_per_pair > 0):
        raise ValueError(
            f"seconds_per_pair is {seconds_per_pair}; expected the measured seconds, above 0"
        )
    runtime = np.format_float_positional(seconds_per_pair, precision=3, fractional=False, trim="-")
    readme = {
        "runtime per video [s]": runtime,
        "CPU[1] / GPU[0]": "0" if on_gpu else "1",
        "Extra Data [1] / No Extra Data [0]": "1" if extra_data else "0",
        "Other description": " ".join(description.split()),
    }
    rows = [(name, float(score)) for name, score in zip(names, scores, strict=True)]
    entries = {
        "prediction.xlsx": workbook_bytes(("picture_name", "Score"), rows),
        "readme.txt": "".join(f"{key} : {value}\r\n" for key, value in readme.items()).encode(),
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in entries.items():
            entry = zipfile.ZipInfo(name, _ZIP_DATE)
            archive.writestr(entry, content, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def workbook_bytes(header: tuple[str, str], rows: Sequence[tuple[str, float]]) -> bytes:
    """An .xlsx with one sheet of names and numbers; equal input gives equal bytes."""
    buffer = io.BytesIO()
    with xlsxwriter.Workbook(buffer, {"in_memory": True}) as workbook:
        workbook.set_properties({"created": _WORKBOOK_DATE})
        sheet = workbook.add_worksheet()
        sheet.write_row(0, 0, header)
        for row, (name, value) in enumerate(rows, start=1):
            sheet.write_string(row, 0, name)  # as text, even if it looks like a formula
            sheet.write_number(row, 1, value)
    return buffer.getvalue()


def _check(names: Sequence[str], scores: Sequence[float]) -> None:
    if len(names) == 0:
        raise ValueError("no pictures to submit; expected at least one name with its score")
    if len(names) != len(scores):
        raise ValueError(
            f"{len(names)} names but {len(scores)} scores; expected one score per name"
        )
    name, count = Counter(names).most_common(1)[0]
    if count > 1:
        raise ValueError(f"picture {name!r} appears {count} times; expected every name once")
    low, high = SCORE_RANGE
    for name, score in zip(names, scores, strict=True):
        if Path(name).name != name or not Path(name).suffix:
            raise ValueError(
                f"picture name {name!r} is not as in the folder; expected one such as 000001.png"
            )
        if not low <= score <= high:  # also false for NaN
            raise ValueError(
                f"picture {name!r} has score {score}; expected a number from {low:g} to {high:g}"
            )
