"""What reaches a terminal, a file or a pipe: any text, any encoding, never a traceback."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from pipelines import cli as entry
from tests.pipelines.conftest import Cli, scene

SEIQA = [sys.executable, "-m", "pipelines.cli"]
POSIX = pytest.mark.skipif(os.name == "nt", reason="names are bytes on POSIX only")


def seiqa(
    *arguments: str | bytes | Path, cwd: Path, **environment: str
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*SEIQA, *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(Path.cwd()), **environment},
        capture_output=True,
        check=False,
    )


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-16", "ascii:strict"])
def test_any_encoding_takes_what_is_printed(encoding: str, tmp_path: Path) -> None:
    done = seiqa("extractors", cwd=tmp_path, PYTHONIOENCODING=encoding)
    assert done.returncode == 0, done.stderr
    text = done.stdout.decode(encoding.partition(":")[0])
    assert "topiq_fr" in text
    assert ("s14\\xb7n" in text) == encoding.startswith("ascii")  # the dot of s14·n


@POSIX
def test_names_that_no_encoding_holds(tmp_path: Path) -> None:
    folder = os.fsencode(tmp_path) + b"/caf\xe9\x1b[31m"
    Path(os.fsdecode(folder)).mkdir()
    done = seiqa("check", folder, cwd=tmp_path, PYTHONIOENCODING="ascii")
    assert done.returncode == 3
    assert b"caf\\xe9\\x1b[31m: neither a SeIQA folder" in done.stderr
    assert done.stderr.startswith(b"seiqa: ")
    assert done.stderr.count(b"\n") == 1


@POSIX
def test_names_reach_standard_output_on_one_line(cli: Cli, tmp_path: Path) -> None:
    folder = tmp_path / "esc\x1b[2J\nnext"
    (folder / "cache").mkdir(parents=True)
    code, out, err = cli("cache", "stats", "--cache", folder / "cache")
    assert (code, err) == (0, "")
    assert out.endswith("esc\\x1b[2J\\x0anext/cache: 0 blocks, 0.0 MB\n")
    assert "\x1b" not in out


def test_work_that_fails_before_it_begins_prints_its_error_alone(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("ref,dist\na.png,b.png\n")
    (tmp_path / "c").write_text("no folder")
    code, _, err = cli("check", "m.csv", "--cache", "c")
    assert code == 1
    (line,) = err.splitlines()
    assert line.startswith("seiqa: c: cannot use it as cache")


@POSIX
def test_closed_streams_lead_nowhere(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path.cwd())}
    for closed in (">&-", "<&- >&-", ">&- 2>&-"):
        command = ["sh", "-c", f'"$@" {closed}', "sh", *SEIQA, "extractors", "ssim"]
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, check=False
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


@POSIX
def test_a_folder_that_has_gone_is_told(tmp_path: Path) -> None:
    (tmp_path / "gone").mkdir()
    done = subprocess.run(
        ["sh", "-c", 'rmdir ../gone && "$@"', "sh", *SEIQA, "score", "a.png", "b.png"],
        cwd=tmp_path / "gone",
        env={**os.environ, "PYTHONPATH": str(Path.cwd())},
        capture_output=True,
        check=False,
    )
    said = b"seiqa: the current folder does not exist any more; change to another one\n"
    assert (done.returncode, done.stderr) == (1, said)


@POSIX
def test_a_reader_that_has_gone_ends_it_quietly(tmp_path: Path) -> None:
    with subprocess.Popen(
        [*SEIQA, "extractors"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path.cwd())},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 141


@POSIX
def test_an_interrupt_ends_it_with_130(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "waits")
    code = (
        "import os, pipelines.cli\n"
        "def wait(name: str = 'x') -> None:\n    open('waits', 'w').close(); open('never', 'w')\n"
        "    __import__('time').sleep(60)\n"
        "pipelines.cli.app.command('wait')(wait)\n"
        "pipelines.cli.main(['wait'])\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path.cwd())},
        stderr=subprocess.PIPE,
    ) as process:
        (tmp_path / "waits").read_text()  # it is in the verb
        while not (tmp_path / "never").exists():
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        assert b"Traceback" not in process.stderr.read()
        assert process.wait() == 130


def test_an_unexpected_error_is_one_line_too(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("division\nby zero")

    monkeypatch.setattr("pipelines.text_tables.show_table", fail)
    code, _, err = cli("extractors")
    assert code == 1
    assert err == (
        "seiqa: unexpected ZeroDivisionError: division by zero; seiqa -v … shows where: please"
        " report it\n"
    )
    with pytest.raises(ZeroDivisionError):
        entry.main(["-v", "extractors"])
    monkeypatch.setenv("SEIQA_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        entry.main(["extractors"])


def test_warnings_are_lines_of_the_program(tmp_path: Path) -> None:
    scene(1).save(tmp_path / "a.png")
    (tmp_path / "m\x1b[31m.csv").write_text("ref,dist,splt\na.png,a.png,x\n")
    done = seiqa("check", "m\x1b[31m.csv", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stderr.decode().splitlines() if "splt" in line]
    assert len(lines) == 1
    assert lines[0].startswith("seiqa: m\\x1b[31m.csv: column 'splt' is not read; did you mean")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("- a\n- b\n", "c.yaml: expected YAML of settings, name: value"),
        ("just text", "c.yaml: expected YAML of settings"),
        ("features: [", "c.yaml: expected YAML of settings"),
        ("[" * 20_000, "c.yaml: expected YAML of settings"),
        (
            "folds: 3\nfolds: 4\n",
            "c.yaml: expected YAML of settings, name: value (folds appears more",
        ),
        ("\xff", "c.yaml: expected YAML of settings"),
        ("", "setting features: is missing"),
        (
            "features: {gms: 3}\nlearners: [ridge]\n",
            "setting features.gms: Input should be a valid",
        ),
        (
            "features: &a {gms: *a}\nlearners: [ridge]\n",
            "c.yaml: expected YAML of settings, name: value (an alias stands for something",
        ),
        ("features: {gms: [s64]}\nlearners: [ridge]\nfolds: 1\n", "setting folds: Input should be"),
        ("features: {gms: [s64]}\nlearners: [ridge]\nfusion: '['\n", "setting fusion: Value error"),
        ("features: {gms: [s64]}\nlearners: [ridge]\nseed: 2147483648\n", "setting seed: Input"),
    ],
)
def test_configurations_of_anything_are_one_line_a_problem(
    content: str, said: str, cli: Cli, tmp_path: Path
) -> None:
    (tmp_path / "c.yaml").write_bytes(content.encode("latin-1"))
    code, _, err = cli("features", "x", "--config", "c.yaml")
    assert code == 2
    assert said in err
    assert all(line.startswith("seiqa: ") and len(line) < 400 for line in err.splitlines())


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("SEIQA_WORKERS", "many", "'--workers' (env var: 'SEIQA_WORKERS'): Input should be"),
        ("SEIQA_FEATURES", "{bad", "SEIQA_FEATURES cannot be read: expected JSON, such as"),
        ("SEIQA_CONFIG", "/dev/zero", "config '/dev/zero': is a device"),
        ("SEIQA_SPLITS", "random", "setting splits: Input should be 'auto', 'group' or 'block'"),
    ],
)
def test_environments_of_anything_are_one_line(
    variable: str, value: str, said: str, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    code, _, err = cli("features", "x")
    assert code == 2
    assert said in err


@pytest.mark.parametrize(
    ("variable", "arguments", "said"),
    [
        ("SEIQA_WORKERS", ["score", "a", "b"], "(env var: 'SEIQA_WORKERS'): Input should be"),
        ("SEIQA_DEVICE", ["score", "m.csv", "--out", "s.csv"], "device 'odd' is unknown"),
        ("SEIQA_ENGINE", ["score", "m.csv", "--out", "s.csv"], "--engine odd: expected local"),
        ("SEIQA_SCORE_AS", ["score", "m.csv", "--out", "s.csv"], "'odd'"),
        ("SEIQA_CONFIG", ["finetune", "x"], "config 'odd': no such file"),
    ],
)
def test_every_verb_reads_the_environment(
    variable: str, arguments: list[str], said: str, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene(0).save("a.png")
    Path("m.csv").write_text("ref,dist\na.png,a.png\n")
    monkeypatch.setenv(variable, "odd")
    code, _, err = cli(*arguments)
    assert code in (2, 3), err
    assert said in err


def test_an_empty_variable_says_nothing(
    cli: Cli, quick: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene(0).save("a.png")
    Path("m.csv").write_text("ref,dist\na.png,a.png\n")
    for name in ("CACHE", "WORKERS", "DEVICE", "ENGINE", "WEIGHTS", "FOLDS", "FEATURES", "CONFIG"):
        monkeypatch.setenv(f"SEIQA_{name}", "")
    code, _, err = cli("features", "m.csv", "--config", quick)
    assert code == 0, err
    code, _, err = cli("score", "m.csv", "--out", "s.csv")
    assert code == 0, err
    here = {path.name for path in Path().iterdir()}
    assert here == {"a.png", "m.csv", "quick.yaml", "runs", "s.csv"}


def test_a_variable_that_is_almost_called_right_is_named(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("SEIQA_SEDE", "3")
    monkeypatch.setenv("SEIQA_SOMETHING_ELSE", "3")
    cli("features", "x")
    assert "SEIQA_SEDE is not read; did you mean SEIQA_SEED?" in caplog.text
    assert "SOMETHING" not in caplog.text


@pytest.mark.parametrize(
    "arguments",
    [
        ["score", "a", "b", "--workers", "-1"],
        ["score", "m.csv", "--out", "o.csv", "--workers", "0"],
        ["features", "x", "--workers", "99999999"],
        ["train", "x", "--seed", "-1"],
        ["fit-table", "t", "--label", "a", "--group", "b", "--out", "o", "--seed", "2147483648"],
        ["demo", "--seed", "-1"],
        ["serve", "--workers", "0"],
    ],
)
def test_numbers_out_of_range_are_wrong_usage(arguments: list[str], cli: Cli) -> None:
    code, _, err = cli(*arguments)
    assert code == 2
    assert err.splitlines()[-1].startswith(f"Error: Invalid value for '{arguments[-2]}'")
    assert not list(Path().iterdir())


def test_metrics_and_predictions_survive_any_names(cli: Cli, quick: Path, tmp_path: Path) -> None:
    """Formulas, markup and line ends as pair, group and kind names, through a whole run."""
    odd = ["=1+1", "<b>&\"'</b>", "a\nb", "@x", "00,7", "NA", "'=1", "é\u202e", "-2", "{{ x }}"]
    rows = []
    for number in range(5):
        scene(number).save(tmp_path / f"r{number}.png")
        for level in range(4):
            name = f"{odd[2 * number]}{level}"
            rows.append((f"r{number}.png", f"r{(number + level) % 5}.png", 5 - level + number / 9,
                         odd[number], odd[1 + level % 2], name))  # fmt: skip
    columns = ["ref", "dist", "mos", "group", "distortion", "pair_id"]
    pd.DataFrame(rows, columns=columns).to_csv(tmp_path / "m.csv", index=False)
    code, _, err = cli("run", "m.csv", "--config", quick, "--run", "run")
    assert code == 0, err
    page = Path("run/report.html").read_text("utf-8")
    assert "<b>&" not in page
    assert "&lt;b&gt;&amp;" in page
    code, out, err = cli("compare", "run", "run")
    assert code == 0, err
    assert "on 20 pairs of 5 groups" in out
    assert json.loads(Path("run/metrics.json").read_text())["groups"] == 5
