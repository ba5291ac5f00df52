"""The drawn path from `seiqa score` to the number names the files that a call goes through.

A file is on the path when it is on the call stack at one of the stations below. Families are not
counted: which extractors, learners, fusions and readers of one format run depends on the bundle and
the file. Nor are guards, which only pass a call on: with how many threads, with whose name in an
error, after trying whether a bundle predicts at all, beside a second process. Files that answer a
question of a file on the path, and lead to no station, are not on it either.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

import pytest
import torch  # noqa: F401 — otherwise a part of the path would lie in another process

from pipelines.cli import main
from tools.path import STEPS, TARGET, draw

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("pipelines/", "seiqa_features/", "seiqa_models/")
FORMATS = ("seiqa_features/pictures/png.py", "seiqa_features/pictures/tiff.py")
GUARDS = (
    "seiqa_features/threads.py",
    "seiqa_models/plugins/",
    "seiqa_models/inspection/",
    "pipelines/loading/",
)
FAMILIES = (
    "seiqa_features/extractors/",
    "seiqa_models/learners/",
    "seiqa_models/fusions/",
    *FORMATS,
    *GUARDS,
    "seiqa_models/evaluation/contributions.py",  # what moved the score, asked once it is there
    "seiqa_models/stack/collections/",  # asked with --as, and when a bundle is checked
)
STATIONS = (
    ("seiqa_models/bundle.py", "load_bundle"),
    ("PIL/Image.py", "open"),
    ("concurrent/futures/_base.py", "wait"),
    ("seiqa_features/pictures/views.py", "prepare"),
    ("seiqa_features/extractors/", "extract"),
    ("seiqa_features/table/table.py", "assemble"),
    ("seiqa_models/learners/", "predict"),
    ("seiqa_models/fusions/", "predict"),
    ("seiqa_models/score.py", "__new__"),
)
"""(part of the file's path, function): the model is loaded, a picture opened, the work waited
for, a picture resized and measured, the table made, a learner asked, their predictions fused, the
score made."""


def files_on_stack(frame: FrameType | None) -> Iterator[str]:
    """Files of the three packages, innermost first."""
    while frame is not None:
        path = Path(frame.f_code.co_filename)
        if path.is_relative_to(ROOT):
            name = path.relative_to(ROOT).as_posix()
            if name.startswith(PACKAGES) and not name.startswith(FAMILIES):
                yield name
        frame = frame.f_back


def test_drawn_path_is_the_path_taken(
    save_picture: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures = [str(save_picture(tmp_path / f"{seed}.png", seed)) for seed in (1, 2)]
    call = ["score", *pictures, "--workers", "2"]
    with pytest.raises(SystemExit):
        main(call)  # once before, so that imports are over
    met: dict[tuple[str, str], set[str]] = {station: set() for station in STATIONS}

    def look(frame: FrameType, event: str, _: object) -> None:
        if event == "call":
            for part, function in STATIONS:
                if frame.f_code.co_name == function and part in frame.f_code.co_filename:
                    met[part, function].update(files_on_stack(frame))

    threading.setprofile(look)
    sys.setprofile(look)
    try:
        with pytest.raises(SystemExit):
            main(call)
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
    assert all(met.values()), "a station has another name now"
    assert set.union(*met.values()) == {step.file for step in STEPS}
    assert len(STEPS) <= 15
    printed = capsys.readouterr().out.splitlines()
    assert printed[: len(printed) // 2] == printed[len(printed) // 2 :]


def test_drawing_is_up_to_date() -> None:
    assert TARGET.read_text("utf-8") == draw(), "draw it again: python -m tools.path"
