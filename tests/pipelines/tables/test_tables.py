"""fit-table and predict-table from the command line to the files they leave."""

from __future__ import annotations

import io
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import typer
import yaml
from click.testing import Result
from typer.testing import CliRunner

from pipelines.commands.tables import fit_table, predict_table
from pipelines.report.render import render_report
from seiqa_features.errors import DataError, UsageError
from seiqa_models.core.errors import TableError
from seiqa_models.core.metrics import final_score
from tests.pipelines.conftest import write_quick

app = typer.Typer()
app.command("fit-table")(fit_table)
app.command("predict-table")(predict_table)

NAMED = ["--label", "MOS", "--group", "ref", "--drop", "picture", "--kind", "distortion"]


def write_table(folder: Path) -> Path:
    """8 references × 2 kinds × 4 levels; two columns see the label, one row has none."""
    rng = np.random.default_rng(0)
    mos = rng.uniform(1, 5, 64)
    rows = pd.DataFrame(
        {
            "picture": [f"i{k:02}.png" for k in range(64)],
            "ref": np.repeat([f"r{k}" for k in range(8)], 8),
            "distortion": np.tile(np.repeat(["blur", "jpeg"], 4), 8),
            "MOS": mos,
            "ssim": mos + 0.5 * rng.normal(size=64),
            "gmsd": np.exp(-mos) + 0.1 * rng.normal(size=64),
        }
    )
    rows.loc[10, "MOS"] = np.nan
    path = folder / "metrics.csv"
    rows.to_csv(path, index=False)
    return path


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """See `write_table`."""
    return write_table(tmp_path)


def seiqa(*arguments: str | Path) -> Result:
    """Run one command; an error that main() would turn into a line is raised."""
    return CliRunner().invoke(
        app, [str(argument) for argument in arguments], catch_exceptions=False
    )


@pytest.fixture(scope="module")
def finished_fit(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder in which the quick configuration was fitted to the table, and what was said."""
    home = tmp_path_factory.mktemp("fit")
    given = write_table(home), *NAMED, "--out", home / "run", "--config", write_quick(home)
    done = seiqa("fit-table", *given)
    assert done.exit_code == 0, done.output
    return home, done.stdout


@pytest.fixture
def fitted(finished_fit: tuple[Path, str], tmp_path: Path) -> tuple[Path, str]:
    """A copy of `finished_fit`'s run folder, and what was said."""
    home, said = finished_fit
    shutil.copytree(home, tmp_path, dirs_exist_ok=True)
    return tmp_path / "run", said.replace(str(home), str(tmp_path))


def test_metrics_say_everything_that_was_asked_for(fitted: tuple[Path, str]) -> None:
    out, said = fitted
    metrics = json.loads((out / "metrics.json").read_text())
    assert {
        *("honest", "naive", "gap", "best_single", "learners", "weights", "seconds", "n"),
        *("groups", "splitter", "transfer", "gain"),
    } <= set(metrics)
    assert set(metrics["honest"]) == {"srocc", "plcc", "krocc", "rmse", "final", "interval"}
    assert (metrics["n"], metrics["groups"], metrics["unlabelled"]) == (63, 8, 1)
    assert metrics["best_single"]["name"] in {"ssim", "gmsd"}
    assert metrics["label_kind"] == "MOS"
    assert metrics["columns"]["features"] == ["ssim", "gmsd"]
    assert set(metrics["transfer"]["kinds"]) == {"blur", "jpeg"}
    assert f"final {metrics['honest']['final']:.4f}" in said
    assert f"never seen: final {metrics['transfer']['final']:.4f}" in said
    assert "caution: only 8 scenes" in said
    assert "it is slightly too low on average" in said
    noted = pd.read_csv(out.parent / "runs.csv")
    assert noted["transfer"].tolist() == [metrics["transfer"]["final"]]
    card = (out / "bundle" / "card.md").read_text()
    assert "Held out: one kind of distortion and the references of one fold at a time" in card


def test_the_report_is_that_of_a_run_without_pictures(fitted: tuple[Path, str]) -> None:
    out, said = fitted
    assert f"report in {out / 'report.html'}" in said
    page = (out / "report.html").read_text("utf-8")
    sections = re.findall('<h2 id="([a-z]+)"', page)
    expected = ["result", "learners", "gain", "folds", "kinds", "calibration", "intervals"]
    assert sections == [*expected, "data", "made"]
    metrics = json.loads((out / "metrics.json").read_text())
    assert f"<dd>{metrics['honest']['final']:.3f}</dd>" in page
    assert page.count("<circle") == 63
    assert "row 2\nMOS" in page
    assert "distortion: jpeg" in page
    assert render_report(out).read_text("utf-8") == page


def test_predictions_can_be_found_again_in_the_table(fitted: tuple[Path, str], table: Path) -> None:
    out, _ = fitted
    predictions = pd.read_csv(out / "predictions.csv")
    assert list(predictions.columns) == [
        *("row", "picture", "distortion", "mos", "group_id", "fold", "score"),
        *("low", "high", "unfamiliar", "agree", "edited", "ridge", "svr"),
    ]
    rows = pd.read_csv(table).iloc[predictions["row"] - 2]
    assert rows["picture"].tolist() == predictions["picture"].tolist()
    metrics = json.loads((out / "metrics.json").read_text())
    final = final_score(predictions["mos"], predictions["score"])
    assert final == pytest.approx(metrics["honest"]["final"], abs=1e-12)


def test_scores_of_a_new_table(fitted: tuple[Path, str], table: Path, tmp_path: Path) -> None:
    out, _ = fitted
    fresh = pd.read_csv(table).drop(columns=["MOS", "ref"]).iloc[::-1]
    fresh.to_parquet(tmp_path / "fresh.parquet")
    scores = tmp_path / "scores.csv"
    done = seiqa("predict-table", tmp_path / "fresh.parquet", "--bundle", out, "--out", scores)
    assert done.exit_code == 0
    written = pd.read_csv(scores)
    assert list(written.columns) == ["picture", "distortion", "score"]
    assert written["picture"].tolist() == fresh["picture"].tolist()
    assert written["score"].corr(fresh["ssim"].reset_index(drop=True)) > 0.8
    printed = seiqa("predict-table", tmp_path / "fresh.parquet", "--bundle", out / "bundle")
    assert printed.stdout == scores.read_text()


def test_a_table_that_lacks_features_is_refused_by_name(
    fitted: tuple[Path, str], table: Path, tmp_path: Path
) -> None:
    rows = pd.read_csv(table)
    rows.drop(columns=["ssim", "gmsd"]).to_csv(tmp_path / "bare.csv", index=False)
    with pytest.raises(DataError, match="lacks 2 columns: gmsd, ssim"):
        seiqa("predict-table", tmp_path / "bare.csv", "--bundle", fitted[0])
    rows.assign(ssim="high").to_csv(tmp_path / "words.csv", index=False)
    with pytest.raises(
        DataError, match=r"words.csv row 2: 'high' in column 'ssim' is not a number"
    ):
        seiqa("predict-table", tmp_path / "words.csv", "--bundle", fitted[0])


def test_same_bytes_for_any_number_of_workers(
    fitted: tuple[Path, str], table: Path, quick: Path, tmp_path: Path
) -> None:
    """`fitted` has one."""
    out = tmp_path / "run2"
    seiqa("fit-table", table, *NAMED, "--out", out, "--config", quick, "--workers", "2")
    predictions = [run / "predictions.csv" for run in (fitted[0], out)]
    assert predictions[0].read_bytes() == predictions[1].read_bytes()


def test_columns_of_the_experiment_stop_it_before_anything_is_written(
    table: Path, quick: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    with pytest.raises(TableError, match="add --drop picture --drop distortion"):
        seiqa(
            *("fit-table", table, "--label", "MOS", "--group", "ref"),
            *("--out", out, "--config", quick),
        )
    assert not out.exists()


def test_blocks_of_file_order_and_pseudo_labels(table: Path, quick: Path, tmp_path: Path) -> None:
    rows = pd.read_csv(table).rename(columns={"MOS": "pseudo_label"})
    rows.assign(position=range(64), fold=1).to_csv(table, index=False)
    out = tmp_path / "run"
    done = seiqa(
        *("fit-table", table, "--label", "pseudo_label", "--group", "ref", "--order", "position"),
        *("--drop", "picture", "--drop", "distortion", "--drop", "fold"),
        *("--out", out, "--config", quick),
    )
    assert done.exit_code == 0
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["splitter"] == "3 contiguous blocks of file order, groups kept together"
    assert metrics["transfer"] is None
    assert set(metrics["index_only"]) == set(metrics["honest"])
    assert metrics["label_kind"] == "pseudo-label"
    assert "pseudo-labels" in (out / "bundle" / "card.md").read_text()


# --- tables of the world ---------------------------------------------------------------------


def rewrite(table: Path, change: Callable[[pd.DataFrame], pd.DataFrame], name: str) -> Path:
    """The table's text cells, changed, in another file beside it."""
    path = table.parent / name
    cells = change(pd.read_csv(table, dtype=str, keep_default_na=False))
    if path.suffix == ".xlsx":
        cells.to_excel(path, index=False)
    else:
        cells.to_csv(path, index=False, sep=";" if "semicolon" in name else ",")
    return path


def fit(table: Path, config: Path, *more: str) -> dict[str, Any]:
    """metrics.json of a fit without kinds."""
    out = table.parent / f"fit-{table.stem}"
    named = ["--label", "mos", "--group", " REF ", "--drop", "Picture", "--drop", "distortion"]
    done = seiqa("fit-table", table, *named, "--out", out, "--config", config, *more)
    assert done.exit_code == 0, done.output
    return json.loads((out / "metrics.json").read_text())


def test_columns_are_named_by_the_rule_and_dialects_do_not_matter(table: Path, quick: Path) -> None:
    """The same table with semicolons and decimal commas, and as a workbook of text."""

    def german(cells: pd.DataFrame) -> pd.DataFrame:
        numbers = ["MOS", "ssim", "gmsd"]
        cells[numbers] = cells[numbers].apply(lambda column: column.str.replace(".", ","))
        return cells.rename(columns={"MOS": " Mos ", "ssim": "\ufeffSSIM"})

    plain = fit(table, quick)
    for name in ("semicolon.csv", "commas.xlsx"):
        found = fit(rewrite(table, german, name), quick)
        assert found["honest"]["final"] == pytest.approx(plain["honest"]["final"], abs=1e-9)
        assert found["columns"]["label"] == "Mos"
        assert found["columns"]["features"] == ["SSIM", "gmsd"]


def test_groups_and_names_are_text(table: Path, quick: Path) -> None:
    names = dict(
        zip(
            [f"r{k}" for k in range(8)],
            ["1", "01", "1.0", "001", "NA", "nan", "1E5", "100000"],
            strict=True,
        )
    )
    found = fit(rewrite(table, lambda c: c.assign(ref=c["ref"].map(names)), "groups.csv"), quick)
    assert found["groups"] == 8
    predictions = pd.read_csv(table.parent / "fit-groups" / "predictions.csv", dtype=str,
                              keep_default_na=False)  # fmt: skip
    assert set(predictions["group_id"]) == set(names.values())


def test_predictions_stand_beside_the_cells_as_they_were(
    fitted: tuple[Path, str], table: Path
) -> None:
    cells = pd.read_csv(table, dtype=str, keep_default_na=False).head(6)
    cells["picture"] = ["000123", "1E5", "NA", " 7 ", "=1+1", "-1.5"]
    cells.rename(columns={"ssim": " SSIM"}).assign(Score="old").to_csv(table, index=False)
    done = seiqa("predict-table", table, "--bundle", fitted[0])
    written = pd.read_csv(io.StringIO(done.stdout), dtype=str, keep_default_na=False)
    assert written["picture"].tolist() == ["000123", "1E5", "NA", " 7 ", "'=1+1", "-1.5"]
    assert written["MOS"].tolist() == cells["MOS"].tolist()
    assert list(written.columns) == ["picture", "ref", "distortion", "MOS", "score"]


@pytest.mark.parametrize(
    ("column", "cell", "said"),
    [
        ("MOS", "good", r"odd.csv row 7: 'good' in column 'MOS' is not a number"),
        ("MOS", "3,5", r"odd.csv row 7: '3,5' in column 'MOS' is not a number"),
        ("MOS", "inf", "label inf of row 7 is not finite: correct it or leave the row out"),
        ("ssim", "#DIV/0!", r"ssim: no number but text such as '#DIV/0!'\): add --drop ssim"),
        ("ref", "", "1 rows have no group"),
    ],
)
def test_one_odd_cell_is_one_clear_line(
    table: Path, quick: Path, column: str, cell: str, said: str
) -> None:
    def spoil(cells: pd.DataFrame) -> pd.DataFrame:
        cells.loc[5, column] = cell
        return cells

    with pytest.raises((DataError, TableError), match=said) as refused:
        fit(rewrite(table, spoil, "odd.csv"), quick)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"learners": ["rigde"]}, "unknown learner 'rigde': did you mean 'ridge'?"),
        ({"learners": ["ridge@dens"]}, "unknown representation 'dens': did you mean 'dense'?"),
        ({"fusion": {"name": "baged"}}, "did you mean 'bagged'?"),
    ],
)
def test_names_that_do_not_exist_are_wrong_usage(
    table: Path, quick: Path, tmp_path: Path, change: dict[str, Any], said: str
) -> None:
    config = {**yaml.safe_load(quick.read_text()), **change}
    (tmp_path / "bad.yaml").write_text(yaml.safe_dump(config))
    with pytest.raises(UsageError, match=re.escape(said)):
        fit(table, tmp_path / "bad.yaml")


def test_missing_columns_and_rows_are_named(table: Path, quick: Path) -> None:
    with pytest.raises(DataError, match=r"lacks column MOSS; did you mean 'MOS'\?"):
        seiqa("fit-table", table, "--label", "MOSS", "--group", "ref", "--out", table.parent / "o")
    with pytest.raises(DataError, match="no rows in it, expected a header and one row per pair"):
        fit(rewrite(table, lambda cells: cells.head(0), "none.csv"), quick)


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        (
            ["6e299", "-1e300"],
            r"column 'ssim' holds 6e\+299 in row 4: no feature is beyond ±1e\+30",
        ),
        (["inf", "-inf"], None),
        (["NA", ""], None),
        (["1e29", "-1e29"], None),
    ],
)
def test_extreme_features_are_learned_from_or_refused_by_name(
    table: Path, quick: Path, cells: list[str], said: str | None
) -> None:
    def spoil(rows: pd.DataFrame) -> pd.DataFrame:
        rows.loc[[2, 40], "ssim"] = cells
        return rows

    path = rewrite(table, spoil, "extreme.csv")
    if said:
        with pytest.raises(TableError, match=said):
            fit(path, quick)
        return
    assert fit(path, quick)["n"] == 63
    wild = rewrite(table, lambda rows: rows.assign(ssim=["1e300", "-1e308"] * 32), "wild.csv")
    done = seiqa("predict-table", wild, "--bundle", table.parent / "fit-extreme")
    scores = pd.read_csv(io.StringIO(done.stdout))["score"]
    assert scores.between(1, 5).all()  # bounded by what was seen in training


def test_uneven_groups_and_labels_far_off_are_said_of_the_file(table: Path, quick: Path) -> None:
    groups = ["a"] * 61 + ["b", "c", "d"]
    uneven = rewrite(table, lambda rows: rows.assign(ref=groups), "uneven.csv")
    said = r"60 of 63 rows are in one group \(that of row 2\): 4 groups are too uneven for 3 folds"
    with pytest.raises(TableError, match=said):
        fit(uneven, quick)

    def slip(rows: pd.DataFrame) -> pd.DataFrame:
        rows.loc[7, "MOS"] = "1e9"
        return rows

    with pytest.raises(TableError, match=r"label 1e\+09 of row 9 is far from the other 62, which"):
        fit(rewrite(table, slip, "slip.csv"), quick)
