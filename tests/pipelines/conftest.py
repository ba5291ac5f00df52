"""A miniature SeIQA data set and a quick configuration, so that whole runs take a second or two."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch  # noqa: F401 — otherwise a score would be computed with the help of another process
import yaml
from PIL import Image, ImageFilter

from pipelines.cli import main

SCENES, LEVELS = 5, 4
Cli = Callable[..., tuple[int, str, str]]


def scene(number: int, size: tuple[int, int] = (96, 72)) -> Image.Image:
    """A smooth colourful picture with some edges, different for every number."""
    rng = np.random.default_rng(number)
    coarse = rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)


def degrade(image: Image.Image, level: int) -> Image.Image:
    """Blur that grows with the level; level 0 leaves the picture as it is."""
    return image.filter(ImageFilter.GaussianBlur(1.5 * level))


def write_split(folder: Path, scenes: range) -> list[tuple[str, int]]:
    """Ref and Dist pictures of the scenes at every level; (name, label) of each pair."""
    rows = []
    for part in ("Ref", "Dist"):
        (folder / part).mkdir(parents=True)
    for number in scenes:
        for level in range(LEVELS):
            name = f"{len(rows) + 1:06d}.png"
            scene(number).save(folder / "Ref" / name)
            degrade(scene(number), level).save(folder / "Dist" / name)
            rows.append((name, 5 - level))
    return rows


def write_data(home: Path) -> Path:
    """Train with labels (5 scenes × 4) and Test without (2 scenes × 4), in the challenge layout."""
    data = home / "data"
    rows = write_split(data / "Train", range(SCENES))
    write_split(data / "Test", range(SCENES, SCENES + 2))
    sheet = pd.DataFrame(rows, columns=["picture name", "score"])
    sheet.to_csv(data / "Train" / "Train_scores.csv", index=False)
    return data


def write_quick(home: Path) -> Path:
    """A configuration of cheap extractors and learners."""
    path = home / "quick.yaml"
    views = ["max256"]
    config = {
        "features": {"gms": views, "fourier": views, "ssim": views, "colour": views},
        "learners": ["ridge", "svr"],
        "folds": 3,
        "workers": 1,
    }
    path.write_text(yaml.safe_dump(config))
    return path


@pytest.fixture
def seiqa_data(tmp_path: Path) -> Path:
    """See `write_data`."""
    return write_data(tmp_path)


@pytest.fixture
def quick(tmp_path: Path) -> Path:
    """See `write_quick`."""
    return write_quick(tmp_path)


@pytest.fixture(scope="session")
def run_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the quick configuration was run on the data; tests do not change it."""
    home = tmp_path_factory.mktemp("finished")
    data, config = write_data(home), write_quick(home)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        with pytest.raises(SystemExit) as stopped:
            main(["run", str(data), "--config", str(config), "--run", "run"])
    assert not stopped.value.code
    return home


@pytest.fixture
def trained(run_home: Path, tmp_path: Path) -> Path:
    """The run folder of a finished run, and beside it its data, configuration and cache.

    A copy, because training the same run for every test takes seconds.
    """
    shutil.copytree(run_home, tmp_path, dirs_exist_ok=True)
    return tmp_path / "run"


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    """Run `seiqa …` in a folder of its own: exit code, standard output, standard error."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str | Path) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as stopped:
            main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return int(stopped.value.code or 0), out, err

    return run
