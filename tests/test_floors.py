"""The packages keep their shape: nothing grows until nobody finds anything in it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("seiqa_features", "seiqa_models", "pipelines")
MOST_MODULES = 14
MOST_LINES = 250


def test_no_folder_has_more_than_fourteen_modules() -> None:
    modules = [path for name in PACKAGES for path in (ROOT / name).rglob("*.py")]
    counts = Counter(path.parent for path in modules if path.name != "__init__.py")
    assert len(counts) > 20
    full = {str(folder.relative_to(ROOT)): n for folder, n in counts.items() if n > MOST_MODULES}
    assert full == {}


def test_no_module_has_more_than_250_lines() -> None:
    modules = [path for name in PACKAGES for path in (ROOT / name).rglob("*.py")]
    counts = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in modules}
    assert len(counts) > 300
    long = {str(path.relative_to(ROOT)): n for path, n in counts.items() if n > MOST_LINES}
    assert long == {}
