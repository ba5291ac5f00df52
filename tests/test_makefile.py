"""DATA in the Makefile: one data set, or several with spaces between them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


def commands(target: str, data: str) -> str:
    """What `make` would run."""
    return subprocess.run(
        ["make", "--dry-run", target, f"DATA={data}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout


@pytest.mark.parametrize("target", ["train", "check", "plan", "run", "features", "audit"])
def test_several_data_sets_are_several_arguments(target: str) -> None:
    assert f'seiqa {target} "one" "two"' in commands(target, "one two")


def test_a_path_with_spaces_is_one_argument(tmp_path: Path) -> None:
    folder = tmp_path / "our study"
    folder.mkdir()
    assert f'seiqa train "{folder}"' in commands("train", str(folder))
