"""The notebooks, cell by cell on a small run; CI runs them in Jupyter's kernel on the demo's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pytest

NOTEBOOKS = sorted((Path(__file__).resolve().parents[2] / "notebooks").glob("*.ipynb"))


def test_all_notebooks_run_on_a_finished_run_and_are_stored_without_output(
    trained: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SEIQA_RUN", str(trained))
    monkeypatch.setenv("SEIQA_WEIGHTS", str(trained / "none"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    plt.switch_backend("agg")
    results: dict[str, dict[str, Any]] = {}
    for path in NOTEBOOKS:
        monkeypatch.chdir(trained.parent)
        cells = json.loads(path.read_text())["cells"]
        code = [cell for cell in cells if cell["cell_type"] == "code"]
        assert not any(cell["outputs"] or cell["execution_count"] for cell in code)
        results[path.stem] = {}
        for cell in code:
            exec("".join(cell["source"]), results[path.stem])
        plt.close("all")
    audit, features, models, errors = results.values()
    said = capsys.readouterr().out
    assert audit["found"]["n"]["labelled"] == 20
    assert "dinov2.lvd142m are missing" in said  # and the notebook says so
    assert features["alone"].max() > 0.5
    assert set(models["rows"]) > {"stack", "best single feature"}
    assert models["other"].figures.n == 20
    assert len(errors["worst"]) == 4
    assert "baseline" in errors["shares"]
