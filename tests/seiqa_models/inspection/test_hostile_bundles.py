"""Bundles of strangers: one line each, no traceback, and memory in proportion to what was sent."""

from __future__ import annotations

import shutil
import tracemalloc
from pathlib import Path

import pytest

from seiqa_models.bundle import load_bundle
from seiqa_models.core.errors import TableError
from seiqa_models.scorer import BOXED
from tests.seiqa_models.inspection.hostile import MUTATIONS

MB = 2**20


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_hostile_bundle_is_one_line(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "bundle"
    shutil.copytree(BOXED, folder)
    MUTATIONS[name](folder)
    tracemalloc.start()
    try:
        with pytest.raises(TableError) as raised:
            load_bundle(folder)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    line = str(raised.value)
    assert line.isprintable()
    assert 0 < len(line) < 500
    assert str(folder) in line
    assert peak < 100 * MB
