"""Material of which others have published values."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def calibration(shared: Path) -> Path:
    """The calibration set of pyiqa: pairs of TID2013, and the authors' values."""
    return shared / "data" / "oracles" / "pyiqa_calibration" / "ResultsCalibra"
