"""A bundle from a stranger at the doors of the command line: one line, exit 3, nothing else."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest

from seiqa_models.bundle import BOXED
from tests.pipelines.conftest import Cli, scene
from tests.seiqa_models.inspection.hostile import MUTATIONS, rewrite

KINDS = [
    "manifest_is_pipe", "model_is_endless_device", "manifest_is_deep_lists", "member_twice",
    "zeros_that_unpack_to_much_more", "without_interval_", "dual_nan", "schema_of_a_shell",
]  # fmt: skip
RECIPES = {
    "a list": {"features": [], "blocks": {}},
    "numbers": {"features": {"gms": [5]}, "blocks": {}},
    "no blocks": {"features": {"gms": ["max256"]}},
    "no such extractor": {"features": {"\x1b[2J": ["max256"]}, "blocks": {}},
    "no such view": {"features": {"gms": ["max99999999"]}, "blocks": {}},
    "nothing": {"features": {}, "blocks": {}},
    "blocks of text": {"features": {"gms": ["max256"]}, "blocks": {"gms__max256": "x"}},
}


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return Path(shutil.copytree(BOXED, tmp_path / "bundle"))


def refused(answer: tuple[int, str, str]) -> str:
    """The one line that a command ended with."""
    code, out, err = answer
    assert (code, out) == (3, "")
    assert err.startswith("seiqa: ")
    assert err.count("\n") == 1
    assert err.removesuffix("\n").isprintable()
    return err


@pytest.mark.parametrize("kind", KINDS)
def test_scoring_a_pair_and_a_table(kind: str, bundle: Path, cli: Cli, tmp_path: Path) -> None:
    MUTATIONS[kind](bundle)
    scene(0).save(tmp_path / "a.png")
    pd.DataFrame({"a": [1.0]}).to_csv(tmp_path / "table.csv", index=False)
    for arguments in (
        ("score", tmp_path / "a.png", tmp_path / "a.png", "--bundle", bundle),
        ("predict-table", tmp_path / "table.csv", "--bundle", bundle),
    ):
        assert str(bundle) in refused(cli(*arguments))


@pytest.mark.parametrize("kind", RECIPES)
def test_a_recipe_that_is_none_or_not_the_models(
    kind: str, bundle: Path, cli: Cli, tmp_path: Path
) -> None:
    rewrite(bundle, recipe=RECIPES[kind])
    scene(0).save(tmp_path / "a.png")
    refused(cli("score", tmp_path / "a.png", tmp_path / "a.png", "--bundle", bundle))
