"""runs.csv beside the run folders: one line per training, whoever else writes to it."""

from __future__ import annotations

import csv
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path

import pytest

from pipelines.runs.ledger import COLUMNS, note_run
from pipelines.runs.metrics import Metrics
from pipelines.setting_sources import load_settings
from pipelines.settings import Settings
from tests.pipelines.conftest import Cli
from tests.pipelines.report.made_run import kinds_metrics, summary
from tests.pipelines.report.made_run import metrics as made_metrics

FIGURES = {
    **made_metrics(),
    "honest": {**summary(0.8), "interval": [0.7, 0.9]},
    "gap": 0.0125,
    "n": 20,
    "groups": 5,
    "seconds": {"evaluate": 12.34},
    "source": "photos, mine/pairs.csv",
}
METRICS = Metrics.model_validate(FIGURES)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(data=tmp_path, run=tmp_path / "runs" / "first", config="classical", seed=3)


@pytest.fixture
def ledger(settings: Settings) -> Path:
    settings.run.mkdir(parents=True)
    return settings.run.parent / "runs.csv"


def rows(ledger: Path) -> list[dict[str, str]]:
    with ledger.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def test_a_line_says_what_was_tried(settings: Settings, ledger: Path) -> None:
    note_run(settings, METRICS)
    (row,) = rows(ledger)
    assert tuple(row) == COLUMNS
    age = datetime.now(UTC) - datetime.fromisoformat(row.pop("time"))
    assert timedelta() <= age < timedelta(minutes=5)
    assert row == {
        "run": "first", "data": "photos, mine/pairs.csv", "config": "classical",
        "learners": " ".join(settings.learners), "seed": "3", "n": "20", "groups": "5",
        "final": "0.8", "low": "0.7", "high": "0.9", "gap": "0.0125", "transfer": "",
        "seconds": "12.3", "version": version("seiqa"),
    }  # fmt: skip
    assert [path.name for path in ledger.parent.iterdir() if path.is_file()] == ["runs.csv"]


def test_every_training_adds_one_line(cli: Cli, seiqa_data: Path, quick: Path) -> None:
    code, _, err = cli("run", seiqa_data, "--config", quick, "--run", "all/one")
    assert code == 0, err
    first = Path("all/runs.csv").read_text()
    code, _, err = cli("train", seiqa_data, "--config", quick, "--run", "all/one", "--seed", 1)
    assert code == 0, err
    assert Path("all/runs.csv").read_text().startswith(first)
    lines = rows(Path("all/runs.csv"))
    assert [(line["run"], line["seed"], line["n"]) for line in lines] == [
        ("one", "0", "20"),
        ("one", "1", "20"),
    ]


def test_a_ledger_with_other_columns_keeps_its_header(
    settings: Settings, ledger: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ledger.write_text("\ufeffnote,run,time,final\r\nmy best,zero,2026,0.9", encoding="utf-8")
    note_run(settings, Metrics.model_validate({**FIGURES, **kinds_metrics()}))
    assert ledger.read_text(encoding="utf-8-sig").startswith("note,run,time,final\n")
    first, second = rows(ledger)
    assert first == {"note": "my best", "run": "zero", "time": "2026", "final": "0.9"}
    assert (second["note"], second["run"], second["final"]) == ("", "first", "0.8")
    assert "no column data, config, learners" in caplog.text
    assert "transfer" in caplog.text


def test_a_file_that_is_no_ledger_stays_as_it_is(
    settings: Settings, ledger: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for content in (b"name;place\nA;B\n", b"\xff\xfe\x00", b""):
        ledger.write_bytes(content)
        caplog.clear()
        note_run(settings, METRICS)
        assert ledger.read_bytes() == content
        assert f"{ledger}: this run is not noted there" in caplog.text


def test_a_ledger_that_cannot_be_written_does_not_stop_the_run(
    settings: Settings, ledger: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ledger.mkdir()
    note_run(settings, METRICS)
    assert "not noted there (Is a directory)" in caplog.text


WRITER = """
import sys, time
from pathlib import Path
from pipelines.runs.ledger import note_run
from pipelines.runs.metrics import Metrics
from pipelines.setting_sources import load_settings
run, metrics = Path(sys.argv[1]), Metrics.model_validate_json(sys.argv[2])
settings = load_settings(data=run, run=run, config="classical")
(run.parent / f"{run.name}.ready").touch()
while not (run.parent / "go").exists():
    time.sleep(0.001)
for seed in range(100):
    settings.seed = seed
    note_run(settings, metrics)
"""


def test_two_processes_lose_nothing_of_each_other(tmp_path: Path) -> None:
    names = ("one", "two")
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path / name), METRICS.model_dump_json()]
        )
        for name in names
    ]
    while not all((tmp_path / f"{name}.ready").exists() for name in names):
        assert all(writer.poll() is None for writer in writers)
        time.sleep(0.01)
    (tmp_path / "go").touch()
    assert [writer.wait(60) for writer in writers] == [0, 0]
    noted = [(row["run"], int(row["seed"])) for row in rows(tmp_path / "runs.csv")]
    assert sorted(noted) == [(name, seed) for name in names for seed in range(100)]
    assert [seed for run, seed in noted if run == "one"] == list(range(100))
