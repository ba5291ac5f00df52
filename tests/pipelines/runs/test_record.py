"""Files of different runs in one folder are refused, and so are two writers at once."""

from __future__ import annotations

import logging
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from pipelines import steps
from pipelines.runs.folder import exclusive, read_run
from pipelines.runs.reading import read
from pipelines.runs.record import read_record
from pipelines.settings import Settings
from seiqa_features.errors import DataError, SeiqaError
from seiqa_features.table.keys import KEYS
from tests.pipelines.conftest import Cli
from tests.pipelines.runs.conftest import TwoRuns

Copy = Callable[[Settings], Settings]


def refusal(step: Callable[[], object]) -> str:
    """What a step says, in one line."""
    with pytest.raises(SeiqaError) as caught:
        step()
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 3
    return str(caught.value)


def test_the_record_vouches_for_every_result(finished: TwoRuns) -> None:
    record = read_record(finished.first.run)
    assert record is not None
    parts = (record.features, record.training, record.scores)
    named = {name for part in parts if part is not None for name in part.files}
    there = {
        str(path.relative_to(finished.first.run))
        for path in finished.first.run.rglob("*")
        if path.is_file()
    }
    # These may be edited, made again or deleted as anybody likes.
    free = {"run.json", "settings.yaml", "report.html", "bundle/card.md"}
    assert named == there - free


@pytest.mark.parametrize("name", ["pairs.parquet", "features.parquet", "features.json"])
def test_features_of_another_run(name: str, finished: TwoRuns, copy_of: Copy) -> None:
    """The names of the pairs are the same, so that only the pixels tell them apart."""
    settings = copy_of(finished.first)
    shutil.copy(finished.second.run / name, settings.run)
    for step in (steps.train, steps.score_test):
        line = refusal(lambda step=step: step(settings))  # type: ignore[misc]
        assert line == (
            f"{settings.run / name}: not the file that `seiqa features` wrote (changed, or of"
            " another run); run `seiqa features` again"
        )
    steps.features(settings)
    assert read_run(settings).digest == read_run(finished.first).digest


READERS = {
    "metrics.json": [steps.report],
    "predictions.csv": [steps.report],
    "bundle/bundle.json": [steps.report, steps.score_test],
    "bundle/model.skops": [steps.score_test],
}


@pytest.mark.parametrize("name", READERS)
def test_a_training_of_another_run(name: str, finished: TwoRuns, copy_of: Copy) -> None:
    settings = copy_of(finished.first)
    shutil.copy(finished.second.run / name, settings.run / name)
    for step in READERS[name]:
        line = refusal(lambda step=step: step(settings))  # type: ignore[misc]
        assert line.startswith(f"{settings.run / name}: not the file that `seiqa train` wrote")


def test_training_again_replaces_the_files_of_another_run(finished: TwoRuns, copy_of: Copy) -> None:
    settings = copy_of(finished.first)
    for name in READERS:
        shutil.copy(finished.second.run / name, settings.run / name)
    steps.train(settings)
    steps.score_test(settings)
    steps.report(settings)
    for name in ("predictions.csv", "scores.csv", "bundle/model.skops"):
        assert (settings.run / name).read_bytes() == (finished.first.run / name).read_bytes()


def test_a_whole_training_of_another_run(finished: TwoRuns, copy_of: Copy) -> None:
    """Each file is what it was, but the features are others."""
    settings = copy_of(finished.first)
    for name in ("metrics.json", "predictions.csv"):
        shutil.copy(finished.second.run / name, settings.run)
    shutil.copytree(finished.second.run / "bundle", settings.run / "bundle", dirs_exist_ok=True)
    record, other = read_record(settings.run), read_record(finished.second.run)
    assert record is not None
    assert other is not None
    record.training = other.training
    record.save(settings.run)
    for step in (steps.report, steps.score_test):
        assert "its training is of other features" in refusal(lambda step=step: step(settings))  # type: ignore[misc]


def test_no_flipped_bit_of_the_record_is_believed(finished: TwoRuns, tmp_path: Path) -> None:
    expected, draw = read_record(finished.first.run), random.Random(0)
    sound = (finished.first.run / "run.json").read_bytes()
    refused = 0
    for _ in range(200):
        content = bytearray(sound)
        bit = draw.randrange(8 * len(content))
        content[bit // 8] ^= 1 << bit % 8
        (tmp_path / "run.json").write_bytes(content)
        try:
            assert read_record(tmp_path) == expected
        except DataError:
            refused += 1
    assert refused > 100


def test_new_features_beside_an_old_training(finished: TwoRuns, copy_of: Copy) -> None:
    settings = copy_of(finished.first)
    other = settings.model_copy(update={"data": finished.second.data})
    steps.features(other)
    for step in (steps.report, steps.score_test):
        assert refusal(lambda step=step: step(other)) == (  # type: ignore[misc]
            f"{settings.run}: its training is of other features than those in it now; run"
            " `seiqa train`"
        )
    steps.features(settings)  # the old features again: the training fits again
    steps.score_test(settings)
    steps.report(settings)


def test_scores_of_an_earlier_training_are_not_shown(
    finished: TwoRuns, copy_of: Copy, caplog: pytest.LogCaptureFixture
) -> None:
    settings = copy_of(finished.first)
    scores = read(settings.run).scores
    assert scores is not None
    assert len(scores) == 4
    record = read_record(settings.run)
    assert record is not None
    assert record.scores is not None
    record.scores.model = "0" * 64
    record.save(settings.run)
    with caplog.at_level(logging.WARNING):
        assert read(settings.run).scores is None
    assert "scores.csv is of an earlier training; run `seiqa submit`" in caplog.text
    steps.score_test(settings)
    assert read(settings.run).scores is not None


def test_missing_files_are_named(finished: TwoRuns, copy_of: Copy) -> None:
    settings = copy_of(finished.first)
    (settings.run / "features.parquet").unlink()
    assert refusal(lambda: read_run(settings)) == (
        f"{settings.run}: features.parquet is missing; run `seiqa features` again"
    )


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"version": 2}', '{"version": 1, "features": 3}', "\udcff"]
)
def test_a_record_that_is_none(content: str, finished: TwoRuns, copy_of: Copy) -> None:
    settings = copy_of(finished.first)
    (settings.run / "run.json").write_bytes(content.encode(errors="surrogateescape"))
    line = refusal(lambda: read_run(settings))
    assert line.startswith(f"{settings.run / 'run.json'}: not a record of this version of seiqa (")
    assert line.endswith("; run `seiqa run` again")


def test_a_folder_without_a_record_is_an_old_run(finished: TwoRuns, copy_of: Copy) -> None:
    settings = copy_of(finished.first)
    (settings.run / "run.json").unlink()
    assert read(settings.run).scores is not None
    assert "no features in it; run `seiqa features` first" in refusal(lambda: read_run(settings))


def test_the_audit_finds_features_by_pixels_and_not_by_names(finished: TwoRuns) -> None:
    """Pairs read from one manifest, features made from the other: lines have the same names."""
    first, second = read_run(finished.first), read_run(finished.second)
    assert first.pairs["pair_id"].tolist() == second.pairs["pair_id"].tolist()
    found = first.of(second.pairs)
    pd.testing.assert_frame_equal(found, second.table)
    assert not found.equals(first.table)
    stranger = second.pairs.assign(dist_key="no such picture")
    assert first.of(pd.concat([stranger, second.pairs[:2]])).index.tolist() == (
        second.pairs["pair_id"][:2].tolist()
    )


def test_a_pair_that_is_there_twice_has_one_row_in_each_place(finished: TwoRuns) -> None:
    found = read_run(finished.first)
    twice = found.pairs.iloc[[3, 3]].assign(pair_id=["x", "y"])
    rows = found.of(twice)
    assert rows.index.tolist() == ["x", "y"]
    assert rows.iloc[0].equals(rows.iloc[1])
    keys = found.pairs[list(KEYS)].iloc[3]
    assert keys.notna().all()


HOLDER = """
import sys
from pathlib import Path
from pipelines.runs.folder import exclusive
with exclusive(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_two_processes_cannot_write_to_one_run_folder(
    cli: Cli, finished: TwoRuns, copy_of: Copy
) -> None:
    settings = copy_of(finished.first)
    arguments = (str(settings.data), "--config", settings.config, "--run", str(settings.run))
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(settings.run)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as holder:  # fmt: skip
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        for verb in ("features", "train", "submit", "run"):
            code, _, err = cli(verb, *arguments)
            assert code == 1
            assert err.splitlines()[-1] == (
                f"seiqa: {settings.run}: another seiqa process writes to this run folder; wait for"
                " it, or name another folder with --run"
            )
        steps.report(settings)  # reads the run, and replaces one file
        holder.kill()
    steps.score_test(settings)
    assert not (settings.run / ".lock").exists()


def test_a_process_may_hold_what_it_holds(tmp_path: Path) -> None:
    run = tmp_path / "deep" / "run"
    with exclusive(run):
        with exclusive(run):
            assert run.is_dir()
        assert (run / ".lock").exists()
        other = subprocess.run(
            [sys.executable, "-c", HOLDER, str(run)], capture_output=True, check=False, text=True
        )
        assert "StoreError" in other.stderr.splitlines()[-1]
    assert not run.exists()  # nothing came of it


def test_what_a_step_that_fails_leaves(finished: TwoRuns, tmp_path: Path) -> None:
    settings = finished.first.model_copy(update={"run": tmp_path / "new"})
    with pytest.raises(DataError, match="no features in it"):
        steps.train(settings)
    assert not settings.run.exists()


def test_the_report_has_the_settings_of_its_training(finished: TwoRuns, copy_of: Copy) -> None:
    """settings.yaml is of the step that came last."""
    settings = copy_of(finished.first)
    steps.features(settings.model_copy(update={"seed": 77}))
    assert read(settings.run).settings["seed"] == settings.seed
