"""Several collections through the command line: one training, scores as each, clear refusals."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import yaml

from pipelines.setting_sources import load_settings
from pipelines.steps.extracting import read_unchanged
from seiqa_features.errors import DataError
from seiqa_models.core.errors import TableError
from seiqa_models.scorer import Scorer
from tests.pipelines.conftest import Cli, degrade, scene

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """A manifest of a collection: scenes blurred at several levels, scored on its own scale."""

    def one(
        name: str, scenes: range, levels: int, scale: Callable[[float], float], label: str = "mos",
    ) -> Path:  # fmt: skip
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        rows = []
        for number in scenes:
            for level in range(levels):
                ref, dist = f"{number}.png", f"{number}-{level}.png"
                scene(number).save(folder / ref)
                degrade(scene(number), 0.3 + 0.7 * level).save(folder / dist)
                quality = 1 - (level + 0.3 * (number % 3)) / (levels + 1)
                rows.append({"ref": ref, "dist": dist, label: round(scale(quality), 4)})
        pd.DataFrame(rows).to_csv(folder / "p.csv", index=False)
        return folder / "p.csv"

    return one


@pytest.fixture
def two(write: Write) -> list[Path]:
    return [
        write("five", range(6), 7, lambda quality: 1 + 4 * quality),
        write("worse", range(6, 12), 7, lambda quality: 80 - 70 * quality, "dmos"),
    ]


@pytest.fixture
def quick(quick: Path) -> Path:
    """One learner, and no suite of relations, which takes the longest."""
    less = {"learners": ["ridge"], "sense": False}
    quick.write_text(yaml.safe_dump({**yaml.safe_load(quick.read_text()), **less}))
    return quick


def test_two_laboratories_train_one_model(
    cli: Cli, two: list[Path], quick: Path, tmp_path: Path
) -> None:
    code, out, err = cli("run", *two, "--config", quick, "--run", "run")
    assert code == 0, err
    assert "collection five-p from worse-p: SROCC" in out
    metrics = json.loads((tmp_path / "run/metrics.json").read_text())
    assert metrics["scales"]["scale"] == "five-p"
    cells = {
        (tuple(cell["trained_on"]), cell["judged_on"], cell["scored_as"])
        for cell in metrics["laboratories"]
    }
    both = ("five-p", "worse-p")
    assert {(both, name, whose) for name in both for whose in (None, name)} < cells
    assert {(("five-p",), "worse-p", None), (("worse-p",), "five-p", None)} < cells
    card = (tmp_path / "run/bundle/card.md").read_text()
    assert "scale of the scores: five-p" in card
    assert "A model of worse-p alone ranks the pairs of five-p with SROCC" in card
    report = (tmp_path / "run/report.html").read_text()
    assert '<h2 id="laboratories">' in report
    predictions = pd.read_csv(tmp_path / "run/predictions.csv")
    assert predictions["mos"].between(0, 6).all()

    settings = load_settings(config=str(quick), run=tmp_path / "run")
    again = read_unchanged(settings)  # the data as recorded, its shared scenes not searched again
    assert again.pairs["collection"].nunique() == 2
    table = pd.read_csv(two[0])
    table.assign(mos=table["mos"] + 1).to_csv(two[0], index=False)
    with pytest.raises(DataError, match="the label of 42 differs"):
        read_unchanged(settings)

    bundle, pair = tmp_path / "run/bundle", [two[0].parent / name for name in ("0.png", "0-3.png")]
    scores = {}
    for name in (None, *both):
        named = ["--as", name] if name else []
        code, scores[name], err = cli("score", *pair, "--bundle", bundle, *named)
        assert code == 0, err
    own = Scorer.load(bundle, workers=1, as_collection="worse-p").score(*pair)
    assert scores["worse-p"].startswith(repr(own))
    assert sum(own.contributions.values()) == pytest.approx(float(own), abs=1e-6)
    common = Scorer.load(bundle, workers=1)
    assert common.scoring_as("worse-p").score(*pair) == own
    assert common.as_collection is None
    assert common.scoring_as("worse-p").scoring_as(None).score(*pair) == common.score(*pair)
    with pytest.raises(TableError, match="cannot score as 'work'"):
        common.scoring_as("work")
    code, _, err = cli("score", *pair, "--bundle", bundle, "--as", "work")
    assert code == 3
    assert "cannot score as 'work': the model learned from five-p, worse-p" in err


def test_scores_from_zero_to_five(cli: Cli, two: list[Path], quick: Path, tmp_path: Path) -> None:
    """One manifest with a column; test pairs are scored as one of its collections."""
    tables = [pd.read_csv(path).assign(collection=path.parent.name) for path in two]
    for table, path in zip(tables, two, strict=True):
        for column in ("ref", "dist"):
            table[column] = path.parent.name + "/" + table[column]
    table = pd.concat(tables, ignore_index=True)
    table.loc[table.index[:7], "split"] = "test"
    table.loc[table.index[-7:], "split"] = "test"
    table.to_csv(tmp_path / "both.csv", index=False)
    settings = yaml.safe_load(quick.read_text())
    quick.write_text(
        yaml.safe_dump({**settings, "scale": "0..5", "identity": {"five": 5}, "purpose": "abroad"})
    )
    code, out, err = cli("run", "both.csv", "--config", quick, "--run", "run")
    assert code == 0, err
    assert "final" in out
    scores = pd.read_csv(tmp_path / "run/scores.csv")["score"]
    assert scores.between(0, 5).all()
    metrics = json.loads((tmp_path / "run/metrics.json").read_text())
    assert metrics["scales"]["best"] == 5.0
    assert metrics["label"]["max"] <= 5
    assert metrics["heldout"]["test"]["rmse"] < 2  # of both collections, on the scale of the scores
    code, _, err = cli("submit", "both.csv", "--config", quick, "--run", "run", "--as", "worse")
    assert code == 0, err
    code, _, err = cli("submit", "both.csv", "--config", quick, "--run", "run", "--as", "work")
    assert code == 3
    assert "cannot score as 'work': the model learned from five, worse" in err


def test_check_and_audit_say_what_the_collections_are(cli: Cli, two: list[Path]) -> None:
    code, out, _ = cli("check", *two)
    assert code == 0
    assert "collection five-p  42 pairs in 6 groups, label" in out
    assert "collection worse-p  42 pairs in 6 groups, label" in out
    assert "the label is −DMOS: in the files lower is better" in out
    code, out, _ = cli("audit", *two)
    assert code == 0


def test_scales_that_run_against_each_other_are_refused(
    cli: Cli, write: Write, quick: Path
) -> None:
    """And the setting dmos turns one of them."""
    one = write("five", range(6), 6, lambda quality: 1 + 4 * quality)
    other = write("turned", range(6, 11), 7, lambda quality: 80 - 70 * quality)
    code, _, err = cli("run", one, other, "--config", quick, "--run", "run")
    assert code == 3
    assert re.search(
        r"collection turned-p: (\d+) of \d+ feature columns follow its labels in the opposite"
        r" direction \(SROCC of \S+: [+-]\d\.\d\d in five-p, [+-]\d\.\d\d in turned-p\)",
        err,
    )
    assert "so its scale runs the other way" in err
    settings = yaml.safe_load(quick.read_text())
    quick.write_text(yaml.safe_dump({**settings, "dmos": ["turned-p"]}))
    code, _, err = cli("features", one, other, "--config", quick, "--run", "run")
    assert code == 0, err
    pairs = pd.read_parquet("run/pairs.parquet").set_index("dist_path")["mos"]
    best, worst = (pairs[str(other.parent / name)] for name in ("6-0.png", "6-6.png"))
    assert best > worst


@pytest.mark.parametrize(
    ("scenes", "levels", "said"),
    [
        (range(6, 7), 30, "collection small-p has 0 labelled rows of 0 scenes"),
        (range(6, 8), 5, r"collection small-p has 5 labelled rows of 1 scenes"),
    ],
)
def test_a_collection_too_small_is_refused_before_any_picture_is_decoded(
    cli: Cli, write: Write, quick: Path, scenes: range, levels: int, said: str
) -> None:
    home = write("five", range(6), 6, lambda quality: 1 + 4 * quality)
    small = write("small", scenes, levels, lambda quality: quality)
    for path in small.parent.glob("*.png"):
        path.write_text("no picture")
    code, _, err = cli("run", home, small, "--config", quick, "--run", "run")
    assert code == 3
    (line,) = [line for line in err.splitlines() if "small-p" in line and "config" not in line]
    assert said in line
    assert "at least 20 of 2 are needed to find its scale: add pairs, or leave it out" in line


def test_unknown_names_in_settings_are_refused(cli: Cli, two: list[Path], quick: Path) -> None:
    settings = yaml.safe_load(quick.read_text())
    for setting, value, said in (
        ("scale", "six", "setting scale: 'six' is none of five-p, worse-p, 0..5"),
        ("identity", {"six": 5}, "setting identity: 'six' is none of five-p, worse-p"),
        ("dmos", ["six"], "setting dmos: there is no collection 'six'"),
        ("dmos", ["worse-p"], "the labels of worse-p are turned already"),
    ):
        quick.write_text(yaml.safe_dump({**settings, setting: value}))
        code, _, err = cli("run", *two, "--config", quick, "--run", "run")
        assert code == 2
        assert said in err


def test_equal_pictures_with_contradicting_labels_are_named(
    cli: Cli, two: list[Path], quick: Path
) -> None:
    table = pd.read_csv(two[0])
    again = table.iloc[[0]].assign(mos=1.0)
    pd.concat([table, again]).to_csv(two[0], index=False)
    code, out, _ = cli("audit", *two, "--config", quick)
    assert code == 0
    assert "have equal pixels and labels that contradict each other" in out
