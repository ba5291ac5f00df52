"""What the README says can be done is done here: its examples, and every command it prints."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
import yaml
from PIL import Image

from seiqa_features import datasets
from seiqa_features.pictures.index import ImageIndex
from seiqa_features.table.recipe import Recipe
from seiqa_models.learners.registry import LEARNERS

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", README, flags=re.MULTILINE | re.DOTALL)


def example(first_line: str, language: str = "python") -> str:
    """The README's block that starts with this line."""
    (found,) = [text for kind, text in BLOCKS if kind == language and text.startswith(first_line)]
    return found


def contract_tests(plugin: str, code: str, tests: str, folder: Path) -> int:
    """Run contract tests with the example loaded before they walk the registry; how many passed."""
    (folder / f"{plugin}.py").write_text(code)
    path = os.pathsep.join([str(folder), str(ROOT)])
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", plugin, "-p", "no:cacheprovider",
         str(ROOT / tests), "-k", plugin],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed is not None, done.stdout
    return int(passed[1])


def test_example_feature_keeps_the_contract(tmp_path: Path) -> None:
    code = example("# seiqa_features/extractors/brightness.py")
    assert (
        contract_tests(
            "brightness", code, "tests/seiqa_features/extractors/test_registry.py", tmp_path
        )
        > 8
    )


def test_example_learner_keeps_the_contract(tmp_path: Path) -> None:
    code = example("# seiqa_models/learners/registry.py")
    assert (
        contract_tests("lasso", code, "tests/seiqa_models/learners/test_learners.py", tmp_path) == 2
    )


def test_example_data_set_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    namespace: dict[str, object] = {}
    exec(example("# seiqa_features/datasets/named.py"), namespace)
    adapter = SimpleNamespace(matches=namespace["matches"], read=namespace["read"])
    monkeypatch.setattr(datasets, "ADAPTERS", (*datasets.ADAPTERS, adapter))
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name, grey in (("sea", 90), ("sea_blur_3.5", 95), ("sea_noise_1", 120)):
        Image.new("RGB", (32, 32), (grey, grey, 200)).save(folder / f"{name}.png")
    pairs, problems = datasets.load_pairs(folder, ImageIndex(tmp_path / "cache"))
    assert problems == []
    assert pairs["mos"].tolist() == [3.5, 1.0]
    assert pairs["distortion"].tolist() == ["blur", "noise"]
    assert pairs["group_id"].nunique() == 1


def test_example_system_is_a_configuration() -> None:
    system = yaml.safe_load(example("features:", "yaml"))
    assert len(Recipe.parse(system["features"]).blocks) == 3
    assert set(system["learners"]) <= set(LEARNERS)


def commands() -> list[list[str]]:
    """Every command in the README's plain blocks, as words."""
    lines = [line for kind, text in BLOCKS if not kind for line in text.splitlines()]
    called = [line for line in lines if line.startswith(("make ", ".venv/bin/"))]
    return [shlex.split(line.split("#")[0]) for line in called]


def test_make_commands_are_targets_of_the_makefile() -> None:
    targets = set(re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {words[1] for words in commands() if words[0] == "make"}
    named |= set(re.findall(r"`make ([a-z-]+)", README.replace("\n", " ")))
    assert {"demo", "test", "run", "serve", "box"} <= named
    assert named <= targets


SEIQA = [words[1:] for words in commands() if words[0] == ".venv/bin/seiqa"]


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder where the files stand that the README's commands name."""
    folder = tmp_path_factory.mktemp("workshop")
    for place in ("refs", "degraded", "."):
        (folder / place).mkdir(exist_ok=True)
    rows, table = [], []
    for scene in range(4):
        noise = Image.effect_noise((64, 64), 60).convert("RGB")
        noise.save(folder / "refs" / f"{scene}.png")
        for level in (1, 2, 3):
            noise.reduce(level).resize((64, 64)).save(folder / "degraded" / f"{scene}{level}.png")
            rows.append({"ref": f"refs/{scene}.png", "dist": f"degraded/{scene}{level}.png"})
            columns = {"ref_img": scene, "distortion": "zoom" if level < 3 else "far zoom"}
            table.append({**columns, "metric": level + scene / 9, "MOS": 5.0 - level})
        (folder / "degraded" / f"{scene}1.png").rename(folder / "degraded" / f"{scene}.png")
        rows[-3]["dist"] = f"degraded/{scene}.png"
        for level in (2, 3):
            path = folder / "degraded" / f"{scene}{level}.png"
            path.rename(folder / path.name)
            rows[level - 4]["dist"] = path.name
    pd.DataFrame(rows).to_csv(folder / "pairs.csv", index=False)
    pd.DataFrame(table).to_csv(folder / "table.csv", index=False)
    (folder / "ref.png").write_bytes((folder / "refs/0.png").read_bytes())
    (folder / "degraded.png").write_bytes((folder / "02.png").read_bytes())
    labelled = pd.DataFrame(rows).assign(mos=[4.0, 3.0, 1.0] * 4)
    labelled.to_csv(folder / "labelled.csv", index=False)
    return folder


def test_seiqa_commands_do_what_they_say(workshop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of them, in the README's order, but those that fetch weights or wait for visitors."""
    from typer.testing import CliRunner

    from pipelines.cli import app

    monkeypatch.chdir(workshop)
    runner = CliRunner()
    quick = {"features": {"gms": ["max64"], "psnr": ["max64"]}, "learners": ["ridge", "single"]}
    Path("quick.yaml").write_text(yaml.safe_dump(quick))
    for name in ("runs/demo-data-classical", "runs/other"):
        made = runner.invoke(app, ["run", "labelled.csv", "--config", "quick.yaml", "--run", name])
        assert made.exit_code == 0, made.output
    run = 0
    for words in SEIQA:
        if words[:2] in (["weights", "fetch"], ["weights", "verify"]):
            continue
        done = runner.invoke(app, words)
        assert done.exit_code == 0, f"{shlex.join(words)}: {done.output} {done.exception!r}"
        run += 1
    assert run >= 7
    assert len(pd.read_csv("scores.csv")) == 12
