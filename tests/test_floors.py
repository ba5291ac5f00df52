"""The packages keep their shape: no folder grows until nobody finds anything in it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("seiqa_features", "seiqa_models", "pipelines")
MOST_MODULES = 14


def test_no_folder_has_more_than_fourteen_modules() -> None:
    modules = [path for name in PACKAGES for path in (ROOT / name).rglob("*.py")]
    counts = Counter(path.parent for path in modules if path.name != "__init__.py")
    assert len(counts) > 20
    full = {str(folder.relative_to(ROOT)): n for folder, n in counts.items() if n > MOST_MODULES}
    assert full == {}
