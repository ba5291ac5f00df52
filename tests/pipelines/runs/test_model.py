"""What a step asks of the model half: when features are left out, and for which learner."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipelines.runs import model
from pipelines.runs.folder import read_run
from pipelines.runs.model import ablate, choose_splits, known_directions
from pipelines.scales import label_range_of
from pipelines.setting_sources import load_settings
from pipelines.settings import Settings
from seiqa_features.errors import DataError, UsageError
from seiqa_features.progress import unwatched
from seiqa_features.table.recipe import Recipe
from seiqa_models.bundle import load_bundle
from seiqa_models.evaluation.ablation import feature_ablation
from tests.pipelines.runs.conftest import TwoRuns

ROWS = 24
WEIGHTS = {"svr": 0.3, "ridge": 0.7}


@pytest.fixture
def settings(quick: Path, tmp_path: Path) -> Settings:
    return load_settings(config=str(quick), run=tmp_path / "run")


@pytest.fixture
def training() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "mos": rng.uniform(0, 5, ROWS),
            "group_id": np.repeat(list("abcdef"), ROWS // 6),
            "order": np.arange(ROWS)[::-1],
        }
    )


@pytest.fixture
def table(training: pd.DataFrame) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    return pd.DataFrame(
        {
            "good__a__x": training["mos"] + rng.normal(size=ROWS),
            "good__a__y": training["mos"] + rng.normal(size=ROWS),
            "fair__a__x": training["mos"] + 3 * rng.normal(size=ROWS),
        }
    )


@pytest.mark.parametrize("blocks", [False, True])
def test_ablation_is_of_the_learner_with_the_largest_weight_on_the_runs_folds(
    settings: Settings, training: pd.DataFrame, table: pd.DataFrame, blocks: bool
) -> None:
    result = ablate(
        settings,
        training,
        table,
        WEIGHTS,
        directions={},
        blocks=blocks,
        kinds=False,
        on_fit=unwatched,
    )
    order = training["order"] if blocks else None
    assert result == feature_ablation(
        table, training["mos"], training["group_id"], order, learner="ridge", n_splits=3
    )


@pytest.mark.parametrize("name", ["svr@8", "ordinal_head@dense"])
def test_ablation_of_a_learner_that_reads_something_else_is_on_the_prepared_columns(
    settings: Settings, training: pd.DataFrame, table: pd.DataFrame, name: str
) -> None:
    result = ablate(
        settings,
        training,
        table,
        {name: 1.0},
        directions={},
        blocks=False,
        kinds=False,
        on_fit=unwatched,
    )
    assert result is not None
    assert result.learner == name.partition("@")[0]


def test_no_ablation_of_one_extractor_or_of_many_rows(
    settings: Settings,
    training: pd.DataFrame,
    table: pd.DataFrame,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def result(features: pd.DataFrame) -> object:
        return ablate(
            settings,
            training,
            features,
            WEIGHTS,
            directions={},
            blocks=False,
            kinds=False,
            on_fit=unwatched,
        )

    assert result(table) is not None
    assert result(table.filter(like="good")) is None
    monkeypatch.setattr(model, "_ABLATION_ROWS", ROWS - 1)
    assert result(table) is None


def test_directions_are_those_of_the_extractors() -> None:
    recipe = Recipe.parse({"gms": ["max128"], "fourier": ["max128"]}).to_dict()
    known = known_directions(recipe)
    assert known["gms__max128__gmsd"] == -1
    assert known["gms__max128__mean"] == 1
    assert not any("band" in name for name in known)


def test_a_run_trains_with_the_extractors_directions_whatever_its_labels_say(
    finished: TwoRuns,
) -> None:
    """The second run's labels are the first one's upside down."""
    for settings in (finished.first, finished.second):
        known = known_directions(read_run(settings).meta["recipe"])
        regressor = load_bundle(settings.run / "bundle").regressor
        assert known["gms__max128__gmsd"] == -1
        assert regressor.directions == known
        ranks = regressor.consensus_.component_.ranks_
        of_column = dict(zip(regressor.preparation_.columns_, ranks.signs_, strict=True))
        assert of_column["gms__max128__gmsd"] == -1


def test_the_range_is_what_the_data_say_or_else_the_settings(
    settings: Settings, training: pd.DataFrame
) -> None:
    training.attrs = {"label_range": None, "source": "mine"}
    assert label_range_of(settings, training) is None
    told = settings.model_copy(update={"label_range": (0.0, 10.0)})
    assert label_range_of(told, training) == (0, 10)
    with pytest.raises(DataError, match=r"mine: labels go from .* outside the label_range 0 to 2"):
        label_range_of(settings.model_copy(update={"label_range": (0.0, 2.0)}), training)
    training.attrs["label_range"] = [0, 5]
    assert label_range_of(told, training) == (0, 5)


@pytest.mark.parametrize("ends", [(5.0, 0.0), (1.0, 1.0), (0.0, float("inf"))])
def test_a_range_rises(quick: Path, tmp_path: Path, ends: tuple[float, float]) -> None:
    with pytest.raises(UsageError, match=r"setting label_range: .*two finite numbers"):
        load_settings(config=str(quick), run=tmp_path / "run", label_range=ends)


@pytest.mark.parametrize(
    ("probed", "groups", "verdict", "blocks", "why"),
    [
        (True, 10, "group", False, "file order says little"),
        (True, 10, "block", True, "file order says little"),
        (True, 9, "group", True, "too few labels or groups"),
        (False, 10, "group", True, "too few labels or groups"),
    ],
)
def test_the_layout_decides_only_where_the_audit_cannot_tell(
    monkeypatch: pytest.MonkeyPatch,
    probed: bool,
    groups: int,
    verdict: str,
    blocks: bool,
    why: str,
) -> None:
    found = {
        "index_only": {"grouped": 0.0} if probed else None,
        "n": {"groups": groups},
        "verdict": {"splits": verdict, "reasons": ["file order says little about the labels"]},
    }
    monkeypatch.setattr("pipelines.runs.model.audit_pairs", lambda *_, **__: found)
    pairs = pd.DataFrame()
    pairs.attrs = {"neighbours_alike": True}
    splits = choose_splits(load_settings(data="d"), pairs)
    assert splits.blocks == blocks
    assert why in splits.why
    asked = load_settings(data="d").model_copy(update={"splits": "block"})
    assert choose_splits(asked, pairs).blocks
