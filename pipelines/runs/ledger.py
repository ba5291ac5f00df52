"""The ledger: runs.csv beside the run folders, with one line per training, to see what was tried.

It is the one file outside its run folder that a run writes. Lines are only ever appended: a new
ledger is created together with its header, and a line is a single write at the end of the file, so
that runs ending at the same time do not lose each other's lines (except in an object store, where
the ledger is read and written as a whole). An existing header is left
unchanged: the user's own columns are left empty, and figures without a column are left out with a
warning.
"""

from __future__ import annotations

import csv
import io
import logging
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from pipelines.runs.metrics import Metrics
from pipelines.settings import Settings
from seiqa_features.remote.paths import RemotePath
from seiqa_features.tabular.inert import inert
from seiqa_features.writing import create_whole

LEDGER = "runs.csv"
COLUMNS = (
    "time", "run", "data", "config", "learners", "seed", "n", "groups",
    "final", "low", "high", "gap", "transfer", "seconds", "version",
)  # fmt: skip
"""`time` is the end of training in UTC; `final`, `low`, `high` are the honest estimate and its 95 %
interval, `transfer` is final on unseen kinds of distortion, `seconds` the evaluation time."""

_log = logging.getLogger(__name__)


def note_run(settings: Settings, metrics: Metrics) -> None:
    """Add a run's line to the ledger beside its folder, or warn if that fails.

    Parameters
    ----------
    metrics : Metrics
        As returned by `train` and `fit_table`.
    """
    path = settings.run.resolve().parent / LEDGER
    try:
        _append(path, _line(settings, metrics))
    except (OSError, ValueError) as error:  # the run is complete without its line
        reason = getattr(error, "strerror", None) or error
        _log.warning("%s: this run is not noted there (%s)", path, reason)


def _line(settings: Settings, metrics: Metrics) -> dict[str, object]:
    honest, transfer = metrics.honest, metrics.transfer
    low, high = honest.interval
    return {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "run": settings.run.resolve().name,
        "data": metrics.source,
        "config": settings.config,
        "learners": " ".join(settings.learners),
        "seed": settings.seed,
        "n": metrics.n,
        "groups": metrics.groups,
        "final": honest.final,
        "low": low,
        "high": high,
        "gap": metrics.gap,
        "transfer": transfer and transfer.final,
        "seconds": round(metrics.seconds.evaluate, 1),
        "version": version("seiqa"),
    }


def _append(path: Path, line: dict[str, object]) -> None:
    """Add a line under the file's own header; a new file gets the default header.

    Raises
    ------
    OSError
        The file cannot be read or written.
    ValueError
        The file is not a ledger.
    """
    if isinstance(path, RemotePath):  # has no end to write to
        content = path.read_bytes() if path.exists() else _csv(list(COLUMNS))
        path.write_bytes(content + _addition(path, content, line))
        return
    if not path.exists():
        create_whole(path, _csv(list(COLUMNS)))
    with path.open("a+b", buffering=0) as file:  # every write goes to the file's current end
        file.seek(0)
        file.write(_addition(path, file.read(), line))


def _addition(path: Path, content: bytes, line: dict[str, object]) -> bytes:
    """What to add to the content of a ledger for a line; raises ValueError as `_append`."""
    header = next(csv.reader(content.decode("utf-8-sig").splitlines()), [])
    if not {"time", "run"} <= set(header):
        raise ValueError("its first line is not the header of a ledger; move the file away")
    if lacking := [name for name in COLUMNS if name not in header]:
        _log.warning("%s: no column %s in it, left out", path, ", ".join(lacking))
    # an editor may have left the last line unterminated
    gap = b"" if content.endswith(b"\n") else b"\n"
    return gap + _csv([line.get(name) for name in header])


def _csv(cells: list[object]) -> bytes:
    text = io.StringIO()
    safe = [inert(cell) if isinstance(cell, str) else cell for cell in cells]
    csv.writer(text, lineterminator="\n").writerow(safe)
    return text.getvalue().encode()
