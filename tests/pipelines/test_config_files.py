"""Configuration files that no configuration can be."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.config_files import MAX_CHARACTERS
from pipelines.settings import load_settings
from seiqa_features.errors import UsageError


@pytest.mark.parametrize("length", [MAX_CHARACTERS + 1, 10 * MAX_CHARACTERS])
def test_a_file_that_is_too_long_is_not_parsed(length: int, tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("# " + "x" * (length - 2))
    with pytest.raises(UsageError, match=f"more than {MAX_CHARACTERS} characters"):
        load_settings(config=str(path), run=tmp_path)
