"""Bundles of strangers: one line each, no traceback, and memory in proportion to what was sent."""

from __future__ import annotations

import shutil
import tracemalloc
from pathlib import Path

import pytest

from seiqa_models.bundle import load_bundle
from seiqa_models.core.errors import TableError
from tests.seiqa_models.inspection.hostile import MUTATIONS, packed, plant, unpacked, write_sound

MB = 2**20


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sound") / "bundle"
    write_sound(folder)
    return folder


def test_the_bundle_that_is_changed_is_sound(sound: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(sound, tmp_path / "bundle"))
    assert load_bundle(folder).regressor.label_range_[0] < 1
    plant(folder, packed(unpacked(folder)))  # what every change of the model goes through
    assert load_bundle(folder).regressor.label_range_[1] > 4


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_hostile_bundle_is_one_line(name: str, sound: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(sound, tmp_path / "bundle"))
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
