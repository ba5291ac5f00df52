"""Small tables: every row is predicted by models that have not seen its reference."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import small_data

from seiqa_models.stack.regressor import SeiqaRegressor


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A published table in small: 6 references, 3 kinds, 4 levels, 9 metrics."""
    rng = np.random.default_rng(0)
    rows = pd.MultiIndex.from_product(
        [[f"I{k}" for k in range(6)], range(3), range(4)], names=["ref_img", "distortion", "level"]
    ).to_frame(index=False)
    quality = rows["level"] + 0.3 * rng.normal(size=len(rows))
    rows["MOS"] = 5 - quality
    for number in range(9):
        rows[f"m{number}"] = quality + (0.3 + 0.2 * number) * rng.normal(size=len(rows))
    path = tmp_path / "small.csv"
    rows.to_csv(path, index=False)
    return path


def test_a_study_prints_leads_with_their_tenth_percentile_and_continues(
    table: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    quick = SeiqaRegressor(("ridge", "single"), n_splits=2)
    monkeypatch.setattr(small_data, "regressor_of", lambda *_: quick)
    monkeypatch.setattr(small_data, "OUTER_FOLDS", 2)
    out = table.with_name("draws.csv")
    arguments = [
        str(table),
        "--draws",
        "2",
        "--jobs",
        "1",
        "--references",
        "4",
        "--some-kinds",
        "2",
    ]
    arguments += ["--kinds", "--out", str(out)]
    monkeypatch.setattr(sys, "argv", ["small_data", *arguments])
    small_data.main()
    printed = capsys.readouterr().out
    assert "small.csv; best; 2 kinds in each draw; told the kinds; references 4: 2 draws" in printed
    assert "draw 1 done, 2 of 2" in printed
    found = pd.read_csv(out.with_name("draws-best.csv"))
    assert {"stack", "chosen", "best_single", "ridge", "single"} <= set(found.columns)
    assert found["stack"].between(0.5, 1).all()
    small_data.main()
    assert "done" not in capsys.readouterr().out
