"""Several tables in one fit: collections with scales of their own, and what they have in common."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from pipelines.commands.tables import _say_read
from pipelines.tables.reading import read_labelled
from seiqa_features.errors import DataError
from seiqa_models.audit.tables import Roles
from tests.pipelines.conftest import Cli

FIT = ["--label", "MOS", "--group", "ref", "--out", "run"]


def study(seed: int, scenes: str, *, low: float = 1.0, high: float = 5.0) -> pd.DataFrame:
    """Six scenes of eight levels; two metrics follow the quality, as do the labels, on a scale."""
    rng = np.random.default_rng(seed)
    quality = np.tile(np.linspace(0, 1, 8), 6) + 0.03 * rng.normal(size=48)
    return pd.DataFrame(
        {
            "ref": np.repeat([f"{scenes}{k}" for k in range(6)], 8),
            "MOS": low + (high - low) * (quality + 0.05 * rng.normal(size=48)),
            "ssim": quality + 0.1 * rng.normal(size=48),
            "gmsd": -quality + 0.1 * rng.normal(size=48),
        }
    )


@pytest.fixture
def two(tmp_path: Path) -> list[str]:
    """Two laboratories' tables in the folder `lab` where commands run."""
    (tmp_path / "lab").mkdir()
    study(0, "a").to_csv(tmp_path / "lab" / "one.csv", index=False)
    study(1, "b", low=0, high=100).to_csv(tmp_path / "lab" / "two.csv", index=False)
    return ["lab/one.csv", "lab/two.csv"]


def rewrite(path: Path, **columns: object) -> None:
    pd.read_csv(path).assign(**columns).to_csv(path, index=False)


@pytest.fixture
def quick(quick: Path) -> Path:
    """One learner and two folds: what is tested here is how tables are read."""
    settings = yaml.safe_load(quick.read_text()) | {"learners": ["ridge"], "folds": 2}
    quick.write_text(yaml.safe_dump(settings))
    return quick


def test_two_tables_are_brought_onto_one_scale(
    two: list[str], cli: Cli, quick: Path, tmp_path: Path
) -> None:
    code, out, err = cli("fit-table", *two, *FIT, "--config", str(quick))
    assert code == 0
    assert "seiqa:" not in err
    assert "scale of the scores: lab-one" in out
    assert "collection lab-two from lab-one: SROCC 0.9" in out
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert (metrics["n"], metrics["groups"]) == (96, 12)
    assert {tuple(cell["trained_on"]) for cell in metrics["laboratories"]} >= {
        ("lab-one",),
        ("lab-two",),
    }
    predictions = pd.read_csv(tmp_path / "run" / "predictions.csv", index_col="row")
    assert predictions.index[[0, -1]].tolist() == ["lab-one/2", "lab-two/49"]
    assert predictions["mos"].between(0.5, 5.5).all()  # the labels of 0 to 100 were mapped
    card = (tmp_path / "run" / "bundle" / "card.md").read_text()
    assert "lab-one (48 pairs), lab-two (48 pairs)" in card
    assert "lab-two" in (tmp_path / "run" / "report.html").read_text("utf-8")


def test_a_column_of_collections_is_the_same_as_two_tables(
    two: list[str], cli: Cli, quick: Path, tmp_path: Path
) -> None:
    paths = [tmp_path / path for path in two]
    parts = [pd.read_csv(path).assign(lab=f"lab-{path.stem}") for path in paths]
    pd.concat(parts).to_csv(tmp_path / "both.csv", index=False)
    code, _, _ = cli("fit-table", "both.csv", *FIT, "--collection", "lab", "--config", str(quick))
    assert code == 0
    joined = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert joined["columns"]["collection"] == "lab"
    assert "--collection lab" in (tmp_path / "run" / "bundle" / "card.md").read_text()
    several = read_labelled(paths, Roles("MOS", "ref"))
    one = read_labelled([tmp_path / "both.csv"], Roles("MOS", "ref", collection="lab"))
    pd.testing.assert_frame_equal(
        several.features.reset_index(drop=True), one.features.reset_index(drop=True)
    )
    assert several.collections is not None
    assert one.collections is not None
    assert several.collections.tolist() == one.collections.tolist()
    code, scored, _ = cli("predict-table", two[1], "--bundle", "run", "--as", "lab-two")
    assert (code, len(scored.splitlines())) == (0, 49)
    code, _, err = cli("predict-table", two[1], "--bundle", "run", "--as", "lab-three")
    assert code == 3
    assert len(err.strip().splitlines()) == 1
    assert "lab-three" in err


def test_features_that_not_all_have_are_left_out_and_named(
    two: list[str], cli: Cli, quick: Path, tmp_path: Path
) -> None:
    rewrite(tmp_path / two[1], vif=np.random.default_rng(0).normal(size=48), note="x")
    code, _, err = cli("fit-table", *two, *FIT, "--drop", "note", "--config", str(quick))
    assert code == 0
    assert "features that not every table has are left out: vif" in err
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["columns"]["features"] == [
        "ssim",
        "gmsd",
    ]


def test_a_group_of_the_same_name_is_one_group(
    two: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rewrite(tmp_path / two[1], ref=pd.read_csv(tmp_path / two[0])["ref"])
    found = read_labelled([tmp_path / path for path in two], Roles("mos", "REF"))
    assert found.shared_groups == [f"a{k}" for k in range(6)]
    assert found.rows["REF"].nunique() == 6  # as the roles call it, whatever the header says
    _say_read(found)
    assert "6 groups have the same name in several collections (a0, a1, a2, …)" in (
        capsys.readouterr().err
    )


def test_file_order_goes_on_from_table_to_table(two: list[str], tmp_path: Path) -> None:
    for path in two:
        rewrite(tmp_path / path, position=np.arange(10, 58))
    found = read_labelled([tmp_path / path for path in two], Roles("MOS", "ref", "position"))
    assert found.rows["position"].tolist() == [float(k) for k in range(96)]


def test_labels_that_fall_are_named_and_turned_by_the_setting(
    two: list[str], cli: Cli, quick: Path, tmp_path: Path
) -> None:
    rewrite(tmp_path / two[1], MOS=100 - pd.read_csv(tmp_path / two[1])["MOS"])
    code, _, err = cli("fit-table", *two, *FIT, "--config", str(quick))
    assert code == 3
    assert len(err.strip().splitlines()) == 1
    assert "collection lab-two: 2 of 2 feature columns follow its labels in the opposite" in err
    assert "its scale runs the other way: turn its labels, by the setting dmos" in err
    settings = yaml.safe_load(quick.read_text()) | {"dmos": ["lab-two"]}
    quick.write_text(yaml.safe_dump(settings))
    code, out, _ = cli("fit-table", *two, *FIT, "--config", str(quick))
    assert code == 0
    assert "collection lab-two from lab-one: SROCC 0.9" in out
    quick.write_text(yaml.safe_dump(settings | {"dmos": ["lab-too"]}))
    code, _, err = cli("fit-table", *two, *FIT, "--config", str(quick))
    assert code == 2
    assert "setting dmos: there is no collection 'lab-too'; there are lab-one, lab-two" in err


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda rows: rows.head(16), "collection lab-two has 8 labelled rows of 1 scenes"),
        (lambda rows: rows.assign(ref="b0"), "collection lab-two has 0 labelled rows of 0 scenes"),
        (lambda rows: rows.head(9), "collection lab-two: there are 9 labelled rows"),
        (
            lambda rows: rows.rename(columns={"ssim": "vif", "gmsd": "vsi"}),
            "no feature column is in every table; lab/one.csv has ssim, gmsd, lab/two.csv has vif",
        ),
    ],
)
def test_a_table_that_cannot_join_is_one_line(
    two: list[str], cli: Cli, quick: Path, tmp_path: Path, change, said: str
) -> None:
    change(pd.read_csv(tmp_path / two[1])).to_csv(tmp_path / two[1], index=False)
    code, _, err = cli("fit-table", *two, *FIT, "--config", str(quick))
    assert code == 3
    assert len(err.strip().splitlines()) == 1
    assert said in err
    assert not (tmp_path / "run" / "metrics.json").exists()


def test_names_that_cannot_be_told_apart_and_rows_of_no_collection(
    two: list[str], tmp_path: Path
) -> None:
    one = tmp_path / two[0]
    with pytest.raises(DataError, match="two tables are called lab-one; rename one"):
        read_labelled([one, one], Roles("MOS", "ref"))
    with pytest.raises(DataError, match="lacks column colection"):
        read_labelled([one], Roles("MOS", "ref", collection="colection"))


def test_a_row_without_its_collection_is_named(
    two: list[str], cli: Cli, quick: Path, tmp_path: Path
) -> None:
    rewrite(tmp_path / two[0], lab=["x"] * 47 + [""])
    code, _, err = cli("fit-table", two[0], *FIT, "--collection", "lab", "--config", str(quick))
    assert code == 3
    assert "row 49 has no value in column 'lab': every row needs its collection" in err
