"""The ledger: runs.csv beside the run folders, one line for every training, to see what was tried.

It is the one file outside its run folder that a run writes. Lines are only ever added: a new ledger
appears with its header in place, and a line is one write at the end of the file, so that runs that
end at the same time do not lose each other's lines. A header that is there stays as it is: columns
of your own are left empty, and figures without a column are left out with a warning.
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
from seiqa_features.files import create_whole
from seiqa_features.tabular.inert import inert

LEDGER = "runs.csv"
COLUMNS = (
    "time", "run", "data", "config", "learners", "seed", "n", "groups",
    "final", "low", "high", "gap", "transfer", "seconds", "version",
)  # fmt: skip
"""`time` is UTC when the training ended, `final`, `low`, `high` the honest estimate and its 95 %
interval, `transfer` final on kinds of distortion never seen, `seconds` those of the evaluation."""

_log = logging.getLogger(__name__)


def note_run(settings: Settings, metrics: Metrics) -> None:
    """Add a run's line to the ledger beside its folder; where that is impossible, warn.

    Parameters
    ----------
    metrics : Metrics
        As `train` and `fit_table` return it.
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
    """Add a line under the header that the file has, which is ours if there is no file yet.

    Raises
    ------
    OSError
        The file cannot be read or written.
    ValueError
        It is no ledger.
    """
    if not path.exists():
        create_whole(path, _csv(list(COLUMNS)))
    with path.open("a+b", buffering=0) as file:  # every write goes to the end as it then is
        file.seek(0)
        content = file.read()
        header = next(csv.reader(content.decode("utf-8-sig").splitlines()), [])
        if not {"time", "run"} <= set(header):
            raise ValueError("its first line is not the header of a ledger; move the file away")
        if lacking := [name for name in COLUMNS if name not in header]:
            _log.warning("%s: no column %s in it, left out", path, ", ".join(lacking))
        # an editor may have left the last line open
        gap = b"" if content.endswith(b"\n") else b"\n"
        file.write(gap + _csv([line.get(name) for name in header]))


def _csv(cells: list[object]) -> bytes:
    text = io.StringIO()
    safe = [inert(cell) if isinstance(cell, str) else cell for cell in cells]
    csv.writer(text, lineterminator="\n").writerow(safe)
    return text.getvalue().encode()
