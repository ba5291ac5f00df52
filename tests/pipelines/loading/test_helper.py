"""A single pair's features from a second process: the same score, whatever becomes of it."""

from __future__ import annotations

import gc
import io
import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipelines.loading import helper
from pipelines.loading.helper import Features, helping
from pipelines.loading.scorer import load_scorer, make_runtime
from seiqa_features.extraction.direct import compute_table, held
from seiqa_features.pictures.inputs import pair_as_rgb
from seiqa_features.table.recipe import Recipe
from tests.pipelines.conftest import Cli

ROOT = Path(__file__).parents[3]

SCORE = """
import sys
from pipelines.cli import main
from pipelines.loading import helper
{before}
try:
    main(["score", *sys.argv[1:]])
except SystemExit as stopped:
    assert not stopped.code
print("torch" in sys.modules)
"""


@pytest.fixture
def bundle(run_home: Path) -> Path:
    return run_home / "run" / "bundle"


@pytest.fixture
def pair(run_home: Path) -> tuple[Path, Path]:
    train = run_home / "data" / "Train"
    return train / "Ref" / "000002.png", train / "Dist" / "000002.png"


def score_alone(*arguments: str | Path, before: str = "") -> tuple[str, str]:
    """Standard output and error of `seiqa score` in a process without PyTorch."""
    done = subprocess.run(
        [sys.executable, "-c", SCORE.format(before=before), *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout, done.stderr


def test_the_score_is_the_same_and_this_process_imports_no_pytorch(
    cli: Cli, bundle: Path, pair: tuple[Path, Path]
) -> None:
    code, expected, _ = cli("score", *pair, "--bundle", bundle, "--json")
    assert code == 0
    assert score_alone(*pair, "--bundle", bundle, "--json") == (f"{expected}False\n", "")


def test_what_the_second_process_cannot_do_is_done_by_the_first(
    cli: Cli, bundle: Path, pair: tuple[Path, Path]
) -> None:
    _, expected, _ = cli("score", *pair, "--bundle", bundle)
    before = "helper._CODE = 'raise SystemExit(1)'"
    assert score_alone(*pair, "--bundle", bundle, before=before) == (f"{expected}True\n", "")


@pytest.mark.parametrize("answer", [b"", b"no pickle", pickle.dumps([1, 2, 3])[:-1]])
def test_an_answer_that_is_none(answer: bytes) -> None:
    process: Any = SimpleNamespace(stdout=io.BytesIO(answer))
    assert helper.Helper(process).answer is None


def test_where_no_process_can_be_started_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "torch")
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with helping() as other:
        assert other is None
    assert gc.isenabled()


def test_a_process_with_pytorch_needs_no_other() -> None:
    with helping() as other:
        assert other is None


def test_features_are_used_only_if_they_are_those_of_the_bundle(
    bundle: Path, pair: tuple[Path, Path]
) -> None:
    """Another training may have replaced the bundle while the second process read it."""
    pictures = pair_as_rgb(*pair)
    scorer = load_scorer(bundle, make_runtime(None, "cpu", None), 1)
    same = {"0": (held(pictures[0]), held(pictures[0]))}
    table, _ = compute_table(same, scorer.recipe, scorer.runtime)
    other = object.__new__(helper.Helper)
    other.answer = Features(("cpu",), scorer.recipe, table)
    assert other.features(scorer.recipe) is table
    assert scorer.score(*pictures, features=table) > scorer.score(*pictures)
    assert other.features(Recipe(scorer.recipe.blocks[::-1])) is None
    other.answer = None
    assert other.features(scorer.recipe) is None


def runs(child: str) -> bool:
    try:
        return Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="finds children in /proc")
def test_an_interrupt_ends_both(bundle: Path, pair: tuple[Path, Path]) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "pipelines.cli", "score", *pair, "--bundle", bundle],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE, text=True, start_new_session=True,
    ) as process:  # fmt: skip
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        while not (found := children.read_text().split()):
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()
        assert process.wait() == 130
    patience = time.monotonic() + 60  # it may have to import something before it notices
    while any(runs(child) for child in found):
        assert time.monotonic() < patience
        time.sleep(0.05)
