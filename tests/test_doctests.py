"""Examples in docstrings do what they say; modules without any are not imported."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("seiqa_features", "seiqa_models", "pipelines")
MODULES = [
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for package in PACKAGES
    for path in sorted((ROOT / package).rglob("*.py"))
    if ">>> " in path.read_text("utf-8")
]


@pytest.fixture(autouse=True)
def _files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The current folder holds what examples read: a pair of pictures and its manifest."""
    picture = Image.linear_gradient("L").convert("RGB").resize((64, 64))
    picture.save(tmp_path / "ref.png")
    picture.save(tmp_path / "degraded.jpg", quality=10)
    (tmp_path / "pairs.csv").write_text("ref,dist\nref.png,degraded.jpg\n")
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("name", MODULES)
def test_examples_of(name: str) -> None:
    module = importlib.import_module(name.removesuffix(".__init__"))
    found = doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    assert found.failed == 0, f"examples of {name}: see the captured output"


def test_there_are_examples() -> None:
    assert len(MODULES) >= 6
