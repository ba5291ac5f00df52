"""The command line in people's hands: versions, help, quiet, tables of any width, JSON, hints."""

from __future__ import annotations

import inspect
import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFilter
from typer import Context
from typer.main import get_command
from typer.testing import CliRunner

from pipelines.cli import app
from pipelines.demo.semantic import photograph
from pipelines.text_tables import show_table
from seiqa_features.extractors.registry import all_extractors
from seiqa_features.pictures.sharpness import reference_is_blurrier
from tests.pipelines.conftest import Cli

SEIQA = [sys.executable, "-m", "pipelines.cli"]


def photo(name: str = "chelsea") -> Image.Image:
    return Image.fromarray(photograph(f"skimage/data/{name}.png")).resize((225, 150))


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    ref, dist = tmp_path / "ref.png", tmp_path / "dist.png"
    photo().save(ref)
    photo().filter(ImageFilter.GaussianBlur(2)).save(dist)
    return ref, dist


def test_version_and_help_are_where_people_look(cli: Cli) -> None:
    code, out, _ = cli("--version")
    assert (code, out) == (0, f"seiqa {version('seiqa')}\n")
    for verb in ([], ["score"], ["weights"], ["weights", "list"]):
        code, out, _ = cli(*verb, "-h")
        assert code == 0
        assert "-h, --help" in out


@pytest.mark.parametrize("group", [[], ["weights"], ["cache"]])
def test_the_list_of_verbs_cuts_no_sentence(group: list[str]) -> None:
    said = CliRunner().invoke(app, [*group, "-h"], env={"COLUMNS": "80"}).stdout
    listed = said.split("Commands:\n")[1].rstrip().splitlines()
    assert len(listed) >= 3
    assert all(line.endswith(".") and not line.endswith("...") for line in listed)


def test_the_shell_completes_verbs_and_options() -> None:
    def completed(words: str) -> str:
        environment = {"_SEIQA_COMPLETE": "complete_bash", "COMP_WORDS": words,
                       "COMP_CWORD": str(len(words.split(" ")) - 1)}  # fmt: skip
        return CliRunner().invoke(app, [], prog_name="seiqa", env=environment).stdout

    assert "fit-table" in completed("seiqa fi").split()
    assert "--heatmap" in completed("seiqa score --hea").split()


def test_quiet_keeps_results_and_drops_the_rest(cli: Cli, pair: tuple[Path, Path]) -> None:
    ref, dist = pair
    code, loud, aside = cli("score", dist, ref)
    assert code == 0
    assert "blurrier" in aside
    code, out, err = cli("--quiet", "score", dist, ref)
    assert (code, out, err) == (0, loud, "")
    code, _, err = cli("-q", "score", dist, "gone.png")
    assert code == 3
    assert "gone.png: no such file" in err


def test_verbose_says_what_is_loaded(
    cli: Cli, pair: tuple[Path, Path], caplog: pytest.LogCaptureFixture
) -> None:
    assert cli("-v", "score", *pair)[0] == 0
    assert "loading mdsi on cpu" in caplog.text
    caplog.clear()
    assert cli("score", *pair)[0] == 0
    assert "loading" not in caplog.text


def on_a_terminal(*arguments: str, columns: int, **environment: str) -> str:
    """What a program prints in a terminal of that width."""
    ours, theirs = pty.openpty()
    settings = {"COLUMNS": str(columns), "TERM": "xterm-256color", "PYTHONPATH": str(Path.cwd())}
    with subprocess.Popen(
        [sys.executable, *arguments],
        env={**os.environ, **settings, **environment},
        stdout=theirs,
        stderr=theirs,
    ) as process:
        os.close(theirs)
        parts = []
        try:
            while part := os.read(ours, 1 << 16):
                parts.append(part)
        except OSError:  # the other end is closed
            pass
        assert process.wait() == 0
    os.close(ours)
    return b"".join(parts).decode().replace("\r\n", "\n")


WIDE = (
    "from pipelines.text_tables import show_table\n"
    "show_table(['run', 'final', 'words'], [['a', '0.9441 (0.930 to 0.956)', 'w ' * 40]])"
)
FEW = (
    "from pipelines.text_tables import show_table\n"
    "show_table(['run', 'first measure', 'path'], [['a', '1', '2'], ['b', '3', 'y' * 9]], few=True)"
)


def test_a_table_fits_the_terminal_or_becomes_lines() -> None:
    wide = on_a_terminal("-c", WIDE, columns=140).splitlines()
    assert wide[0].split() == ["run", "final", "words"]
    assert wide[1].startswith("a    0.9441 (0.930 to 0.956)  w w")
    assert len(wide) == 2
    wrapped = on_a_terminal("-c", WIDE, columns=60).splitlines()
    assert wrapped[1].startswith("a    0.9441 (0.930 to 0.956)  w w")
    assert wrapped[2].startswith(" " * 30 + "w w")
    assert " ".join(wrapped[1:]).split().count("w") == 40
    assert max(map(len, wrapped)) <= 60
    narrow = on_a_terminal("-c", WIDE, columns=50).splitlines()
    assert narrow[0].split() == ["run", "a"]
    assert narrow[1].rstrip() == "final  0.9441 (0.930 to 0.956)"
    assert max(map(len, narrow)) <= 50
    lines = on_a_terminal("-m", "pipelines.cli", "extractors", columns=80).splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0].split() == ["extractor", "outputs", "view", "weights", "s/pair", "licence"]


def test_few_rows_are_shown_side_by_side() -> None:
    assert on_a_terminal("-c", FEW, columns=40).splitlines()[1].split() == ["a", "1", "2"]
    turned = on_a_terminal("-c", FEW, columns=28).splitlines()
    assert [line.split() for line in turned] == [
        ["run", "a", "b"], ["first", "measure", "1", "3"], ["path", "2", "y" * 9]
    ]  # fmt: skip


def test_long_names_are_never_cut() -> None:
    narrow = on_a_terminal("-c", FEW, columns=20).splitlines()
    assert narrow[0].split() == ["run", "a"]
    assert narrow[-2].split() == ["path", "y" * 5]
    assert narrow[-1].split() == ["y" * 4]


def test_a_pipe_gets_one_row_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    show_table(["a", "b"], [["1", "two words"], ["\x1b[31m", ""]])
    assert capsys.readouterr().out == "a\tb\n1\ttwo words\n\\x1b[31m\t\n"


@pytest.mark.parametrize("colour", [True, False])
def test_colours_are_left_out_on_request(tmp_path: Path, colour: bool) -> None:
    photo().save(tmp_path / "a.png")
    (tmp_path / "m.csv").write_text("ref,dist\na.png,a.png\n")
    environment = {} if colour else {"NO_COLOR": "1"}
    call = ("-m", "pipelines.cli", "check", str(tmp_path / "m.csv"), "--cache", str(tmp_path))
    said = on_a_terminal(*call, columns=80, **environment)
    assert ("\x1b[38;" in said or "\x1b[32m" in said) == colour
    assert "usable pairs  1" in said


WITHOUT_TABLE = {
    *("features", "train", "submit", "report", "run", "finetune", "fit-table", "predict-table"),
    *("serve", "weights fetch", "cache compact"),
}
"""Verbs whose result is a file, a page or a sentence."""


def verbs(group: Any, before: str = "") -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from verbs(command, f"{before}{name} ")
        else:
            yield f"{before}{name}", command


METAVAR = re.compile(r"[A-Z]+(:[A-Z]+)?")


def test_help_names_values_by_what_they_are_and_shows_no_python_type() -> None:
    for name, verb in verbs(get_command(app)):
        context = Context(verb, info_name=name)
        said = CliRunner().invoke(app, [*name.split(), "-h"], env={"COLUMNS": "80"}).stdout
        usage = said.split("\n\n")[0]
        assert max(map(len, said.splitlines())) <= 80
        for param in verb.params:
            assert param.help, f"{name}: {param.name}"
            if not getattr(param, "is_flag", False):
                assert METAVAR.fullmatch(param.metavar or ""), f"{name}: {param.name}"
                assert param.display_type(context) not in said
            if param.param_type_name == "argument":
                many = "..." * (param.nargs != 1)
                asked = param.metavar if param.required else f"[{param.metavar}]"
                assert usage.endswith(f"[OPTIONS] {asked}{many}")
                assert f"\n  {param.metavar}  " in said
            else:
                assert f"{max(param.opts, key=len)} {param.metavar or ''}".rstrip() in said


def test_every_verb_that_prints_a_table_prints_json_too() -> None:
    found = dict(verbs(get_command(app)))
    with_json = {name for name, verb in found.items() if "json" in {p.name for p in verb.params}}
    assert with_json == found.keys() - WITHOUT_TABLE
    for name in WITHOUT_TABLE:
        assert "show_table" not in inspect.getsource(found[name].callback)


def test_tables_are_there_as_json(cli: Cli, tmp_path: Path) -> None:
    listed = json.loads(cli("extractors", "--json")[1])
    assert {entry["extractor"] for entry in listed} == set(all_extractors())
    one = json.loads(cli("extractors", "mdsi", "--json")[1])
    assert one in listed
    weights = json.loads(cli("weights", "list", "--config", "offline", "--json")[1])
    assert [entry["for"] for entry in weights] == [["lite0"]]
    photo().save(tmp_path / "a.png")
    (tmp_path / "m.csv").write_text("ref,dist\na.png,a.png\n")
    found = json.loads(cli("check", "m.csv", "--json")[1])
    assert found["usable pairs"] == "1"
    assert found["problems"] == []


def test_a_score_as_json(cli: Cli, pair: tuple[Path, Path]) -> None:
    code, out, _ = cli("score", *pair, "--json")
    assert code == 0
    found = json.loads(out)
    assert found["low"] <= found["score"] <= found["high"]
    assert sum(found["contributions"].values()) == pytest.approx(found["score"], abs=0.7)
    line = cli("score", *pair)[1].splitlines()
    assert line[0].startswith(f"{found['score']:.4f} (")
    largest = max(found["contributions"].items(), key=lambda x: abs(x[1]) * (x[0] != "baseline"))
    moved = line[line.index("what moved the score\tpoints") + 2]
    assert moved.split("\t") == [largest[0], f"{largest[1]:+.2f}"]


def test_a_heat_map_is_written(cli: Cli, pair: tuple[Path, Path], tmp_path: Path) -> None:
    ref, dist = pair
    assert cli("score", ref, dist, "--heatmap", "lost.png")[0] == 0
    with Image.open(tmp_path / "lost.png") as drawn:
        assert drawn.size == photo().size
        assert np.asarray(drawn).std() > 1
    code, _, err = cli("score", ref, ref, "--heatmap", "same.png")
    assert code == 0
    assert "same.png was not written: the pictures are the same" in err
    assert not Path("same.png").exists()
    code, _, err = cli("score", ref, dist, "--heatmap", "lost.jpg")
    assert (code, "lost.jpg: expected a name that ends in .png" in err) == (2, True)
    code, _, err = cli("score", ref, dist, "--heatmap", "gone/lost.png")
    assert (code, "there is no folder gone" in err) == (2, True)


def test_what_is_missing_is_named(cli: Cli, pair: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("ref,dist\nref.png,dist.png\n")
    for arguments in (["m.csv"], [tmp_path, tmp_path]):
        code, _, err = cli("score", *arguments)
        assert (code, "--out is missing" in err) == (2, True)
    code, _, err = cli("score", "ref.png")
    assert (code, "ref.png: a single picture; give REF DIST" in err) == (2, True)
    code, _, err = cli("score", "m.csv", "--out", "o.csv", "--json")
    assert (code, "--out scores.json writes JSON" in err) == (2, True)
    code, _, err = cli("score", *pair, "--out", "o.csv")
    assert (code, "--out is for folders and manifests" in err) == (2, True)


def test_sizes_that_differ_are_said(cli: Cli, pair: tuple[Path, Path], tmp_path: Path) -> None:
    ref, _ = pair
    width, height = photo().size
    photo().resize((width // 2, height // 2)).save(tmp_path / "small.png")
    _, _, err = cli("score", ref, "small.png")
    assert f"reference {width}×{height}, degraded {width // 2}×{height // 2}" in err


def test_a_gpu_that_is_not_there_is_refused_by_the_built_in_model_too(
    cli: Cli, pair: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    code, _, err = cli("score", *pair, "--device", "cuda")
    assert (code, "device cuda: not available" in err) == (2, True)
    code, _, err = cli("score", *pair, "--device", "gpu")
    assert (code, "device 'gpu' is unknown" in err) == (2, True)


@pytest.mark.parametrize(
    ("change", "swapped"),
    [
        (lambda image: image.filter(ImageFilter.GaussianBlur(1.5)), True),
        (lambda image: image.filter(ImageFilter.GaussianBlur(3)), True),
        (lambda image: image.point(lambda value: value // 2 + 60), False),
        (lambda image: noisy(image), False),
        (lambda image: image.convert("L").convert("RGB"), False),
    ],
    ids=["blur", "more blur", "contrast", "noise", "grey"],
)
def test_only_a_blurred_reference_is_taken_for_the_wrong_one(change, swapped: bool) -> None:
    picture = photo("coffee")
    assert reference_is_blurrier(change(picture), picture) == swapped
    assert not reference_is_blurrier(picture, change(picture))
    assert not reference_is_blurrier(picture, picture)
    flat = Image.new("RGB", picture.size, "grey")
    assert not reference_is_blurrier(flat, flat)


def noisy(image: Image.Image) -> Image.Image:
    noise = np.random.default_rng(0).normal(0, 25, (image.height, image.width, 3))
    return Image.fromarray(np.clip(np.asarray(image) + noise, 0, 255).astype(np.uint8))
