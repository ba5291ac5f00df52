"""Two finished runs on the same pictures: other rows, other labels, and names that mean nothing."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest
import yaml

from pipelines import steps
from pipelines.setting_sources import load_settings
from pipelines.settings import Settings
from tests.pipelines.conftest import degrade, scene

SCENES, LEVELS = 5, 4


@dataclass(frozen=True)
class TwoRuns:
    """Settings of two runs that features, train and submit have finished, with one store."""

    first: Settings
    second: Settings


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> TwoRuns:
    """The manifests have no pair_id: pairs are called by their lines, alike in both."""
    folder = tmp_path_factory.mktemp("two runs")
    rows = []
    for number in range(SCENES):
        scene(number).save(folder / f"r{number}.png")
        for level in range(LEVELS):
            degrade(scene(number), level).save(folder / f"d{number}{level}.png")
            mos = None if number == SCENES - 1 else 5 - level
            rows.append((f"r{number}.png", f"d{number}{level}.png", mos))
    table = pd.DataFrame(rows, columns=["ref", "dist", "mos"])
    table.to_csv(folder / "first.csv", index=False)
    table.iloc[::-1].assign(mos=6 - table["mos"]).to_csv(folder / "second.csv", index=False)
    config = {
        "features": {"gms": ["max128"], "colour": ["max128"]},
        "learners": ["ridge"],
        "folds": 3,
        "workers": 1,
    }
    (folder / "quick.yaml").write_text(yaml.safe_dump(config))
    runs = []
    for seed, name in enumerate(("first", "second")):
        settings = load_settings(
            data=folder / f"{name}.csv",
            run=folder / "runs" / name,
            cache=folder / "cache",
            config=str(folder / "quick.yaml"),
            seed=seed,
        )
        steps.features(settings)
        steps.train(settings)
        steps.score_test(settings)
        steps.report(settings)
        runs.append(settings)
    return TwoRuns(*runs)


@pytest.fixture
def copy_of(tmp_path: Path) -> Callable[[Settings], Settings]:
    """`copy_of(settings)`: the same settings, on a copy of the run folder."""

    def copy(settings: Settings) -> Settings:
        run = tmp_path / f"run {len(list(tmp_path.iterdir()))}"
        shutil.copytree(settings.run, run)
        return settings.model_copy(update={"run": run})

    return copy
