"""metrics.json goes round, says its version, and is refused in one line where it is another's."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipelines.runs.metrics import Metrics, learners_worth, read_metrics, write_metrics
from seiqa_features.errors import DataError
from seiqa_models.evaluation.evaluate import evaluate
from seiqa_models.results import Figures
from seiqa_models.stack.regressor import SeiqaRegressor
from tests.pipelines.report.made_run import kinds_metrics
from tests.pipelines.report.made_run import metrics as made_metrics


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    written = Metrics.model_validate({**made_metrics(), **kinds_metrics()})
    write_metrics(tmp_path / "metrics.json", written)
    assert json.loads((tmp_path / "metrics.json").read_text())["version"] == 1
    assert read_metrics(tmp_path / "metrics.json") == written


def test_undefined_figures_are_null_and_come_back_as_nan(tmp_path: Path) -> None:
    content = made_metrics()
    content["honest"]["plcc"] = math.nan
    content["label"]["mean"] = math.inf
    write_metrics(tmp_path / "metrics.json", Metrics.model_validate(content))
    text = (tmp_path / "metrics.json").read_text()
    found = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert found["honest"]["plcc"] is None
    assert math.isnan(read_metrics(tmp_path / "metrics.json").honest.plcc)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "cannot be read"),
        ("[]", "metrics of no version, this seiqa reads version 1"),
        ('{"honest": {}}', "metrics of no version, this seiqa reads version 1"),
        ('{"version": "1"}', "metrics of version '1', this seiqa reads version 1"),
        ('{"version": 1}', r"not the metrics of a run \(honest: Field required\)"),
    ],
)
def test_other_content_is_one_clear_line(tmp_path: Path, text: str, why: str) -> None:
    path = tmp_path / "metrics.json"
    path.write_text(text)
    with pytest.raises(
        DataError, match=f"metrics.json: {why}.*; run `seiqa train` again"
    ) as caught:
        read_metrics(path)
    assert "\n" not in str(caught.value)


def test_learners_are_worth_their_weight_or_else_what_they_score() -> None:
    figures = Figures.model_validate(made_metrics())
    assert learners_worth(figures) == {"ridge": 0.35, "catboost": 0.65}
    without = figures.model_copy(update={"weights": None})
    assert learners_worth(without) == {"ridge": 0.701, "catboost": 0.803}


def test_figures_of_an_evaluation_become_metrics() -> None:
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"one": rng.normal(size=24)})
    y = X["one"] + 0.1 * rng.normal(size=24)
    figures = evaluate(SeiqaRegressor(("ridge",), n_splits=2), X, y, np.arange(24) // 4).figures
    metrics = Metrics.of(figures, label_kind="MOS", source="here")
    assert metrics.honest == figures.honest
    assert (metrics.version, metrics.splits, metrics.unlabelled) == (1, None, 0)
