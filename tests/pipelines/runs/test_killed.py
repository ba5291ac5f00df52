"""Wherever a step is killed or its disk fills up, its run folder is the old one or the new one."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pandas as pd
import pytest

from pipelines import steps
from pipelines.runs.folder import exclusive, read_json, read_run, require_training
from pipelines.runs.metrics import read_metrics
from pipelines.runs.reading import read
from pipelines.runs.record import MODEL, Record, checksums, read_record
from pipelines.runs.writing import write_features, write_scores, write_training
from pipelines.settings import Settings
from seiqa_features.commits import current, settle
from seiqa_features.errors import DataError, OutputError, StoreError
from seiqa_features.table.keys import KEYS
from seiqa_models.bundle import load_bundle
from tests.killing import Faults, full_disk_at, killed_at
from tests.pipelines.conftest import Cli
from tests.pipelines.runs.conftest import TwoRuns

Copy = Callable[[Settings], Settings]
MANY = 80
"""More changes to files than any step makes."""


@pytest.fixture(autouse=True, params=["killed", "disk full"])
def fault(request: pytest.FixtureRequest) -> Callable[[int, Path], Faults]:
    return killed_at if request.param == "killed" else full_disk_at  # type: ignore[return-value]


def struck(
    work: Callable[[Settings], None], settings: Settings, copy_of: Copy, fault: object
) -> Iterator[Settings]:
    """A run folder after each point at which the work on it can be struck, and after none."""
    for nth in range(1, MANY):
        copy = copy_of(settings)
        refused = suppress(StoreError, OutputError, OSError)
        with fault(nth, copy.run) as faults, refused:  # type: ignore[operator]
            work(copy)
        yield copy
        if faults.count < nth:
            return
    raise AssertionError("it never came to an end")


def values_by_pixels(settings: Settings) -> dict[tuple[str, ...], bytes]:
    """The row of features that each pair of pictures has, whatever it is called."""
    found = read_run(settings)
    keys = found.pairs[list(KEYS)].itertuples(index=False, name=None)
    rows = found.table.select_dtypes("float64").to_numpy()
    return dict(zip(keys, (row.tobytes() for row in rows), strict=True))


def files_of(run: Path, *, but: tuple[str, ...] = ()) -> dict[str, str]:
    """Checksums of all files in a run folder."""
    names = [str(path.relative_to(run)) for path in run.rglob("*") if path.is_file()]
    return checksums(run, sorted(set(names) - set(but)))


def test_features(finished: TwoRuns, copy_of: Copy, fault: object) -> None:
    """The second run's features come over the first run's, whose pairs have the same names."""
    first, second = finished.first, finished.second
    new, meta = read_run(second), read_json(second.run / "features.json")

    def work(settings: Settings) -> None:
        with exclusive(settings.run):
            write_features(settings, new.pairs, new.table, meta, digest=new.digest)

    expected, outcomes = values_by_pixels(first), []
    assert expected == values_by_pixels(second)
    pairs = {some.digest: some.pairs for some in (read_run(first), new)}
    for settings in struck(work, first, copy_of, fault):
        found = read_run(settings)
        outcomes.append(found.digest)
        assert values_by_pixels(settings) == expected
        pd.testing.assert_frame_equal(found.pairs, pairs[found.digest])
        if found.digest == new.digest:
            with pytest.raises(DataError, match="its training is of other features"):
                read(settings.run)
        else:
            assert read(settings.run).predictions is not None
        work(settings)
        assert not list(settings.run.glob(".seiqa-pending"))
        assert read_run(settings).digest == new.digest
    assert set(outcomes) == set(pairs)
    assert len(outcomes) > 10


def training_in(run: Path) -> list[str]:
    """Checksums of a training's results, which is whole and one, as a reader finds them."""
    require_training(run, "metrics.json", "predictions.csv", "bundle/bundle.json", MODEL)
    card = json.loads(current(run / "bundle" / "bundle.json").read_text())["card"]
    assert card["evaluation"] == read_metrics(current(run / "metrics.json")).for_card()
    results = [current(run / name) for name in ("metrics.json", "predictions.csv")]
    return [hashlib.sha256(path.read_bytes()).hexdigest() for path in results]


def test_training(finished: TwoRuns, copy_of: Copy, fault: object) -> None:
    first = finished.first
    new, bundle = read(finished.second.run), load_bundle(finished.second.run / "bundle")
    assert new.predictions is not None
    predictions = new.predictions.set_index("pair_id").drop(columns=["ref_path", "dist_path"])

    def work(settings: Settings) -> None:
        with exclusive(settings.run):
            write_training(
                settings, new.metrics, predictions, bundle.regressor,
                recipe=bundle.recipe, card=bundle.card, features=read_run(first).digest,
            )  # fmt: skip

    undisturbed = copy_of(first)
    work(undisturbed)
    old_training, new_training = training_in(first.run), training_in(undisturbed.run)
    assert not set(old_training) & set(new_training)
    outcomes = [False]
    for settings in struck(work, first, copy_of, fault):
        found = training_in(settings.run)
        assert found in (old_training, new_training)
        outcomes.append(found == new_training)
        if outcomes[-1] and not outcomes[-2]:  # decided, and not a file moved yet
            load_bundle(settings.run / "bundle")
            steps.score_test(settings)
        work(settings)
        assert training_in(settings.run) == new_training
        assert not list(settings.run.glob(".seiqa-pending"))
    assert outcomes == sorted(outcomes)
    assert {False, True} == set(outcomes)
    assert len(outcomes) > 10


def test_scores(finished: TwoRuns, copy_of: Copy, fault: object) -> None:
    first = finished.first
    record = read_record(first.run)
    old = read(first.run).scores
    assert record is not None
    assert old is not None
    new = old.assign(score=old["score"] + 1)

    def work(settings: Settings) -> None:
        with exclusive(settings.run):
            write_scores(settings, new, Record.model_validate(record.model_dump()), b"zip")

    outcomes = []
    for settings in struck(work, first, copy_of, fault):
        scores = read(settings.run).scores
        assert scores is not None
        assert scores.equals(old) or scores.equals(new)
        outcomes.append(scores.equals(new))
        assert current(settings.run / "submission.zip").is_file() == outcomes[-1]
        work(settings)
        settle(settings.run)
        assert (settings.run / "submission.zip").read_bytes() == b"zip"
    assert outcomes == sorted(outcomes)
    assert {False, True} == set(outcomes)


def test_the_verb_when_the_disk_fills_up(
    finished: TwoRuns, copy_of: Copy, cli: Cli, fault: object
) -> None:
    """One line, exit code 1, and the run as it was."""
    if fault is killed_at:
        pytest.skip("what a killed process says is up to the system")
    before = files_of(finished.first.run)
    second = finished.second
    for nth in range(1, MANY, 4):
        settings = copy_of(finished.first)
        arguments = (
            "features", str(second.data), "--config", second.config, "--run", str(settings.run),
            "--cache", str(second.cache),
        )  # fmt: skip
        with full_disk_at(nth, settings.run) as faults:
            code, _, err = cli(*arguments)
        if faults.count < nth:
            break
        if code == 0:  # all that was left to do were renames
            assert read_run(settings).digest == read_run(second).digest
            continue
        assert code == 1
        assert "Traceback" not in err
        assert "No space left on device" in err.splitlines()[-1]
        assert err.splitlines()[-1].startswith(f"seiqa: {settings.run}")
        if not (settings.run / ".seiqa-pending").exists():
            assert files_of(settings.run, but=(".lock",)) == before
    assert code == 0


LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
from pipelines.cli import main
main(sys.argv[1:])
"""


def test_files_that_may_not_grow(finished: TwoRuns, copy_of: Copy, fault: object) -> None:
    """The error comes from Arrow's code here, in the middle of a file."""
    if fault is killed_at:
        pytest.skip("nothing is killed here")
    settings = copy_of(finished.first)
    before = files_of(settings.run)
    second = finished.second
    done = subprocess.run(
        [
            *(sys.executable, "-c", LIMITED, "features", str(second.data)),
            *("--config", second.config, "--run", str(settings.run), "--cache", str(second.cache)),
        ],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1] == (
        f"seiqa: {settings.run}: results cannot be written (File too large); those that were there"
        " are kept: free space or name another folder with --run, then run again"
    )
    assert files_of(settings.run) == before
