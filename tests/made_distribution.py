"""A distribution made up for one test: a module and its entry points, on `sys.path`."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

from seiqa_features import plugins


def install(
    patch: pytest.MonkeyPatch, folder: Path, group: str, points: dict[str, str], **modules: str
) -> None:
    """Have `made-for-seiqa 2.1` with these entry points (name → module or object) and modules."""
    info = folder / "made_for_seiqa-2.1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: made-for-seiqa\nVersion: 2.1\n")
    lines = [f"{name} = {value}" for name, value in points.items()]
    (info / "entry_points.txt").write_text("\n".join([f"[{group}]", *lines, ""]))
    for name, code in modules.items():
        (folder / f"{name}.py").write_text(code)
        patch.delitem(sys.modules, name, raising=False)
    patch.syspath_prepend(str(folder))
    importlib.invalidate_caches()
    plugins.load_plugins.cache_clear()
