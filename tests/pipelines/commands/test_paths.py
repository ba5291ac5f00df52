"""Every path that a verb takes may name something else than it should: one line, and no waiting."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable, Iterator
from inspect import signature
from pathlib import Path
from typing import Any, get_args, get_type_hints

import numpy as np
import pytest
from PIL import Image

from pipelines.cli import app, main

SECONDS = 300  # for one verb, on a busy machine; waiting for a FIFO would take for ever
POSIX = pytest.mark.skipif(os.name == "nt", reason="FIFOs and sockets are files on POSIX only")


def fifo(folder: Path) -> Path:
    os.mkfifo(folder / "fifo.csv")
    return folder / "fifo.csv"


def bound(folder: Path) -> Path:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(folder / "socket.csv"))
    return folder / "socket.csv"


def file(folder: Path) -> Path:
    (folder / "file").write_text("neither table nor picture")
    return folder / "file"


def empty_folder(folder: Path) -> Path:
    (folder / "folder.csv").mkdir()
    return folder / "folder.csv"


THINGS: dict[str, Callable[[Path], Path]] = {
    "fifo": fifo,
    "socket": bound,
    "device": lambda _: Path("/dev/zero"),
    "file": file,
    "folder": empty_folder,
    "nul": lambda folder: folder / "a\0b.csv",
    "long": lambda folder: folder / ("x" * 5000 + ".csv"),
    "below a file": lambda folder: file(folder) / "below.csv",
}


def verbs() -> Iterator[tuple[str, Any]]:
    for registered in app.registered_commands:
        yield _name(registered), registered.callback
    for group in app.registered_groups:
        assert group.typer_instance is not None
        for registered in group.typer_instance.registered_commands:
            yield f"{group.name} {_name(registered)}", registered.callback


def _name(registered: Any) -> str:
    return str(registered.name or registered.callback.__name__.replace("_", "-"))


def paths() -> Iterator[tuple[str, str]]:
    """Every verb with each of its parameters that names files."""
    for verb, callback in verbs():
        hints = get_type_hints(callback)
        for name in signature(callback).parameters:
            inside = {hints[name], *get_args(hints[name])}
            inside |= {part for kind in inside for part in get_args(kind)}
            if Path in inside or name in ("config", "images"):
                yield verb, name


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a data set, a table, a configuration and two pictures, to work in."""
    monkeypatch.chdir(tmp_path)
    Image.fromarray(np.full((32, 32, 3), 90, np.uint8)).save("r.png")
    Image.fromarray(np.full((32, 32, 3), 95, np.uint8)).save("d.png")
    Path("m.csv").write_text("ref,dist,mos\n" + "r.png,d.png,3\n" * 3)
    Path("t.csv").write_text("MOS,ref,psnr\n" + "3,a,1\n" * 3)
    Path("c.yaml").write_text("features: {psnr: [max256]}\nlearners: [ridge]\n")
    return tmp_path


ARGUMENTS = {"folder": "demo", "data": "m.csv", "tables": "t.csv", "table": "t.csv", "runs": "one"}
OPTIONS = {"config": "c.yaml", "run": "runs/r", "cache": "cache"}
REQUIRED = {
    "fit-table": {"label": "MOS", "group": "ref", "out": "model"},
    "predict-table": {"bundle": "model"},
    "serve": {"port": "0"},
}


def command(verb: str, wrong: str, path: Path) -> list[str]:
    """A call of the verb that would be sound if `path` were what the parameter `wrong` expects."""
    parameters = signature(dict(verbs())[verb]).parameters
    call = verb.split()
    options = {**{name: OPTIONS[name] for name in OPTIONS if name in parameters},
               **REQUIRED.get(verb, {})}  # fmt: skip
    if verb == "score":
        folders = wrong in ("out", "cache")  # of one pair, nothing is kept
        call += ["m.csv", "--out", "o.csv"] if folders else ["r.png", "d.png"]
        options = {}
        if wrong == "images":
            return [*call[:-1], str(path)]
    for name in parameters:
        if name in ARGUMENTS:
            call.append(str(path) if name == wrong else ARGUMENTS[name])
        elif name == wrong:
            options[name] = str(path)
    if verb == "compare":
        call.append("two")
    return [*call, *(part for name, value in options.items() for part in (f"--{name}", value))]


FOLDERS = ("folder", "run", "cache", "weights", "bundle", "runs")
FILES = ("html", "heatmap")


SLOW = ("socket", "device", "nul", "below a file")  # refused where the others are


def calls() -> Iterator[Any]:
    """Every verb, parameter and thing that is not what the parameter expects."""
    for verb, name in paths():
        if name == "weights" and not verb.startswith("weights"):
            continue  # read only if a feature needs some
        of_folder = name in FOLDERS or (verb, name) == ("fit-table", "out")
        of_output = name in FILES or (name == "out" and not of_folder)
        fine = {"folder"} if of_folder else {"file"} if of_output else set()
        if name == "weights" or (verb, name) == ("audit", "run"):
            fine.add("below a file")  # nothing is there, and nothing is needed from there
        for thing in THINGS:
            if thing not in fine:
                marks = [pytest.mark.slow] if thing in SLOW else []
                yield pytest.param(verb, name, thing, marks=marks)


@pytest.fixture
def _soon() -> Iterator[None]:
    """Fail, whatever the verb catches, if it waits for something that never comes."""

    def waited(*_: object) -> None:
        pytest.fail(f"not done after {SECONDS} s")

    before = signal.signal(signal.SIGALRM, waited)
    signal.alarm(SECONDS)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@POSIX
@pytest.mark.usefixtures("_soon")
@pytest.mark.parametrize(("verb", "wrong", "thing"), list(calls()))
def test_what_a_path_should_not_be_is_one_line(
    verb: str, wrong: str, thing: str, place: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(command(verb, wrong, THINGS[thing](place)))
    err = capfd.readouterr().err
    assert ended.value.code in (1, 2, 3, 4)
    assert "Traceback" not in err
    assert "unexpected" not in err
    said = [line for line in err.splitlines() if line.startswith(("seiqa: ", "Error: "))]
    others = [line for line in said if line.startswith("seiqa: two: ")]  # the run to compare with
    assert len(said) - len(others) == 1, err
