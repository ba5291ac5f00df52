"""What README and documentation say can be done is done here: examples, and every command."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from base64 import b64encode
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from PIL import Image
from typer.testing import CliRunner

from pipelines.cli import app
from pipelines.config_files import CONFIGS
from pipelines.report.render import TITLES
from pipelines.setting_sources import load_settings
from pipelines.settings import Settings
from seiqa_features import datasets
from seiqa_features.extractors.registry import all_extractors
from seiqa_features.pictures.index import ImageIndex
from seiqa_features.table.recipe import Recipe
from seiqa_models.learners.registry import LEARNERS
from tools.docs_pages import LOADED, SOURCES, notebook, on_page_markdown

ROOT = Path(__file__).resolve().parents[1]
PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text("utf-8")
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
}
BLOCKS = {
    page: re.findall(r"^```(\w*)\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
    for page, text in PAGES.items()
}
EXTENDING = "docs/extending.md"
LIMITS = "docs/explanation/limits.md"


def blocks(page: str, language: str) -> list[str]:
    return [text for kind, text in BLOCKS[page] if kind == language]


def example(first_line: str) -> str:
    """The Python block of the page on extending that starts with this line."""
    (found,) = [text for text in blocks(EXTENDING, "python") if text.startswith(first_line)]
    return found


PYTHON = [(page, text) for page in PAGES for text in blocks(page, "python")]


def test_python_examples_keep_the_house_rules(tmp_path: Path) -> None:
    """Lint and strict types, as for the packages."""
    for number, (_, text) in enumerate(PYTHON):
        (tmp_path / f"example_{number}.py").write_text(text, "utf-8")
    assert len(PYTHON) >= 7
    checks = (
        ["ruff", "check", "--ignore", "D,INP,T20", "--config", str(ROOT / "pyproject.toml")],
        ["ruff", "format", "--check", "--config", str(ROOT / "pyproject.toml")],
        ["mypy", "--strict", "--ignore-missing-imports"],
    )
    for check in checks:
        done = subprocess.run(
            [sys.executable, "-m", *check, str(tmp_path)],
            cwd=ROOT, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr


def contract_tests(plugin: str, code: str, tests: str, folder: Path) -> int:
    """Run contract tests with the example loaded before they walk the registry; how many passed."""
    (folder / f"{plugin}.py").write_text(code)
    path = os.pathsep.join([str(folder), str(ROOT)])
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", plugin, "-p", "no:cacheprovider",
         f"--basetemp={folder / 'inner'}", str(ROOT / tests), "-k", plugin],
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
    code = example("# seiqa_features/extractors/classical/brightness.py")
    tests = "tests/seiqa_features/extractors/test_registry.py"
    assert contract_tests("brightness", code, tests, tmp_path) > 8


def test_example_learner_keeps_the_contract(tmp_path: Path) -> None:
    code = example("# seiqa_models/learners/registry.py")
    tests = "tests/seiqa_models/learners/test_learners.py"
    assert contract_tests("nu_svr", code, tests, tmp_path) >= 2


def test_example_data_set_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    namespace: dict[str, object] = {}
    exec(example("# seiqa_features/datasets/layouts/named.py"), namespace)
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


def test_example_configurations_are_ones() -> None:
    for page in (EXTENDING, "docs/how-to/train.md"):
        text = blocks(page, "yaml")[0]
        system = yaml.safe_load(text)
        assert len(Recipe.parse(system["features"]).blocks) == 3
        assert set(system["learners"]) <= set(LEARNERS)


def test_the_plan_shown_has_the_lines_and_the_blocks_of_a_plan(
    workshop: CliRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    (shown,) = [text for text in blocks("docs/how-to/gpu.md", "") if text.startswith("$ ")]
    command, *lines = shown.splitlines()
    monkeypatch.delenv("SEIQA_LEARNERS")
    words = shlex.split(command.removeprefix("$ seiqa ").replace("DATA", "pairs.csv"))
    done = workshop.invoke(app, words)
    assert done.exit_code == 0, done.output
    found = done.output.splitlines()
    assert [line[:12] for line in lines] == [line[:12] for line in found]
    assert [line for line in lines if "blocks" in line] == [
        line for line in found if "blocks" in line
    ]


def commands(page: str) -> list[list[str]]:
    """Every command in the page's plain blocks, as words."""
    lines = [line for text in blocks(page, "") for line in text.splitlines()]
    called = [line for line in lines if line.startswith(("make ", "seiqa ", ".venv/bin/"))]
    return [shlex.split(line.split("#")[0]) for line in called]


def test_make_commands_are_targets_of_the_makefile() -> None:
    targets = set(re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {words[1] for page in PAGES for words in commands(page) if words[0] == "make"}
    for text in [*PAGES.values(), (ROOT / "CONTRIBUTING.md").read_text("utf-8")]:
        named |= set(re.findall(r"`make ([a-z-]+)", text.replace("\n", " ")))
    assert {"demo", "test", "run", "serve", "docs", "dist"} <= named
    assert named <= targets


@pytest.fixture
def workshop(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> CliRunner:
    """A folder, now the current one, where the files are that the commands and examples name."""
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
    both = [
        {"laboratory": name, "scene": scene, "metric": level + scene / 99, "mos": top * level / 5}
        for name, top in (("ours", 5.0), ("theirs", 100.0))
        for scene in range(top == 100, 8 + (top == 100))
        for level in (1, 2, 3, 4)
    ]
    pd.DataFrame(both).to_csv(folder / "laboratories.csv", index=False)
    (folder / "ref.png").write_bytes((folder / "refs/0.png").read_bytes())
    (folder / "degraded.png").write_bytes((folder / "02.png").read_bytes())
    labelled = pd.DataFrame(rows).assign(mos=[4.0, 3.0, 1.0] * 4)
    labelled.to_csv(folder / "labelled.csv", index=False)
    labelled.rename(columns={"mos": "dmos"}).to_csv(folder / "theirs.csv", index=False)
    (folder / "mine.yaml").write_text(blocks("docs/how-to/train.md", "yaml")[0])
    (folder / "loss.yaml").write_text(blocks("docs/how-to/score.md", "yaml")[0])
    monkeypatch.chdir(folder)
    monkeypatch.setenv("SEIQA_LEARNERS", '["ridge", "single"]')  # quick ones, for any configuration
    return CliRunner()


def called_on(page: str) -> list[list[str]]:
    """Arguments of `seiqa` on a page, but for what fetches weights or takes minutes."""
    called = [words[1:] for words in commands(page) if words[0].endswith("seiqa")]
    return [words for words in called if words[0] != "sense" and words[:2] != ["weights", "fetch"]]


@pytest.mark.parametrize("page", [page for page in PAGES if called_on(page)])
def test_commands_do_what_they_say(page: str, workshop: CliRunner) -> None:
    """All of a page in their order, after a run that they may name."""
    text = " ".join(" ".join(words) for words in called_on(page))
    for name in {"runs/mine", "runs/other"} & set(re.findall(r"runs/\w+", text)):
        made = workshop.invoke(app, ["run", "labelled.csv", "--config", "mine.yaml", "--run", name])
        assert made.exit_code == 0, made.output
    for words in called_on(page):
        done = workshop.invoke(app, words)
        assert done.exit_code == 0, f"{shlex.join(words)}: {done.output} {done.exception!r}"


@pytest.mark.usefixtures("workshop")
@pytest.mark.parametrize(
    ("page", "text"), [(page, text) for page, text in PYTHON if page != EXTENDING]
)
def test_python_examples_run(page: str, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(text, page, "exec"), {})
    assert re.search(r"\d", capsys.readouterr().out)


def test_the_loss_of_the_page_trains_a_network(workshop: CliRunner) -> None:
    [command] = [words for words in called_on("docs/how-to/score.md") if "loss.yaml" in words]
    made = workshop.invoke(app, command)
    assert made.exit_code == 0, made.output
    sides = [torch.from_numpy(np.array(Image.open(name))) for name in ("degraded.png", "ref.png")]
    degraded, ref = (side.permute(2, 0, 1)[None].float() / 255 for side in sides)
    network = torch.nn.Conv2d(3, 3, 3, padding=1)
    torch.nn.init.dirac_(network.weight)
    before = network.weight.detach().clone()
    [loop] = [text for text in blocks("docs/how-to/score.md", "py") if "backward" in text]
    exec(compile(loop, "score.md", "exec"), {"network": network, "loader": [(degraded, ref)]})
    assert network.weight.isfinite().all()
    assert not torch.equal(network.weight, before)


def test_readme_fits_in_two_screens() -> None:
    lines = PAGES["README.md"].splitlines()
    assert len(lines) <= 100
    assert max(len(line) for line in lines if not line.startswith("!")) <= 100


def test_reference_comes_from_the_program() -> None:
    asked = set(re.findall(r"<!-- from the program: (.*) -->", "".join(PAGES.values())))
    assert asked == set(SOURCES)
    pages = {page: on_page_markdown(text) for page, text in PAGES.items()}
    assert "<!-- from the program" not in "".join(pages.values())
    for verb in ("score", "fit-table", "weights fetch"):
        assert f"## seiqa {verb}\n" in pages["docs/reference/cli.md"]
    assert "--keep-going" in pages["docs/reference/cli.md"]
    for name in Settings.model_fields:
        assert f"| `{name}` |" in pages["docs/reference/settings.md"]
    for config in CONFIGS.glob("*.yaml"):
        assert f"### {config.stem}\n" in pages["docs/reference/settings.md"]
    for name, entry in all_extractors().items():
        (row,) = re.findall(rf"^\| `{name}` \|.*$", pages["docs/reference/extractors.md"], re.M)
        assert all(f"`{output}`" in row for output in entry.spec.outputs)


def test_licences_that_forbid_commercial_use_are_named() -> None:
    """All such extractors, and the configurations of which the page says how many they have."""
    bound = {name for name, e in all_extractors().items() if "Noncommercial" in e.spec.licence}
    (said,) = re.findall(r"called by the extractors (.*?): for", PAGES[LIMITS], flags=re.DOTALL)
    assert set(re.findall(r"`(\w+)`", said)) == bound
    for name, expected in {
        "classical": {"vif", "nlpd"}, "offline": {"vif", "nlpd"}, "boxed": set(),
    }.items():  # fmt: skip
        assert load_settings(config=name, run=ROOT).features.keys() & bound == expected, name


def test_every_section_of_a_report_is_explained() -> None:
    rows = re.findall(r"^\| ([^|]+) \| ", PAGES["docs/how-to/report.md"], flags=re.MULTILINE)
    named = [name for row in rows for name in row.split(", ")]
    assert named == ["section", *TITLES.values()]


def test_pages_that_load_from_elsewhere_are_found() -> None:
    page = '<a href="https://a.b/c">x</a> <img src="d.png"> <script src=https://e.f/g.js></script>'
    assert LOADED.findall(page) == ["https://e.f/g.js"]
    assert LOADED.findall('<link rel=stylesheet href="//h.i/j.css">') == ["//h.i/j.css"]


def test_notebooks_are_shown_as_they_ran(tmp_path: Path) -> None:
    png = b64encode(b"\x89PNG").decode()
    outputs = [
        {"output_type": "stream", "name": "stdout", "text": ["forty-two\n"]},
        {"output_type": "display_data", "metadata": {}, "data": {"image/png": png}},
    ]
    code = {"cell_type": "code", "source": "print(6 * 7)", "metadata": {}, "execution_count": 1}
    for folder, shown in (("notebooks", []), ("runs/notebooks", outputs)):
        (tmp_path / folder).mkdir(parents=True)
        cells = [{**code, "id": "a", "outputs": shown}]
        content = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
        (tmp_path / folder / "one.ipynb").write_text(json.dumps(content))
    executed = notebook("one", tmp_path)
    assert "print(6 * 7)" in executed
    assert "forty-two" in executed
    assert f"](data:image/png;base64,{png})" in executed
    (tmp_path / "runs/notebooks/one.ipynb").unlink()
    stored = notebook("one", tmp_path)
    assert "print(6 * 7)" in stored
    assert "forty-two" not in stored
    assert "`make notebooks` was not run" in stored


def test_every_notebook_has_a_page() -> None:
    pages = {page.stem for page in (ROOT / "docs" / "notebooks").glob("*.md")}
    assert pages == {path.stem for path in (ROOT / "notebooks").glob("*.ipynb")}
    navigation = (ROOT / "mkdocs.yml").read_text()
    assert all(f"notebooks/{name}.md" in navigation for name in pages)
