"""train and submit notice that their data is not what the features were made from."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pandas as pd
import pytest

from pipelines.runs.changes import describe
from tests.pipelines.conftest import Cli, degrade, scene

ROWS = 16


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """Four references with four degraded versions each; no pair_id, so that names are lines."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    rows = []
    for number in range(4):
        scene(number).save(folder / f"r{number}.png")
        for level in range(4):
            degrade(scene(number), level).save(folder / f"d{number}{level}.png")
            rows.append((f"r{number}.png", f"d{number}{level}.png", 5 - level))
    pd.DataFrame(rows, columns=["ref", "dist", "mos"]).to_csv(folder / "pairs.csv", index=False)
    return folder / "pairs.csv"


@pytest.fixture
def extracted(cli: Cli, manifest: Path, quick: Path) -> Path:
    code, _, err = cli("features", manifest, "--config", quick, "--run", "run")
    assert code == 0, err
    return Path("run")


def rewritten(manifest: Path, change: str, name: str = "pairs.csv") -> Path:
    rows = pd.read_csv(manifest)
    if change == "labels":
        rows["mos"] = rows["mos"].astype(object)
        rows.loc[[2, 5], "mos"] = [1.5, None]
    elif change == "rows in another order":
        rows = rows.iloc[::-1]
    elif change == "a row less":
        rows = rows.drop(index=0)
    elif change == "a row more":
        rows = pd.concat([rows, rows.iloc[:1].assign(ref="r1.png")])
    elif change == "groups":
        rows["group"] = [f"g{number % 3}" for number in range(ROWS)]
    rows.to_csv(manifest.with_name(name), index=False)
    return manifest.with_name(name)


def says(err: str) -> str:
    """The last line, which is one."""
    assert "Traceback" not in err
    return err.splitlines()[-1]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("labels", "the label of 2 differs (row-000004: 3 then, 1.5 now; row-000007: 4 then, none"
                   " now), the split of 1 differs (row-000007: train then, test now)"),
        ("rows in another order", "the name of 16 differs (row-000002: row-000002 then, row-000017"
                                  " now;"),
        ("a row less", "1 pair is gone (row-000002), the name of 15 differs"),
        ("a row more", "1 pair is new (row-000018)"),
        ("groups", "the group of 16 differs (row-000002: "),
    ],
)  # fmt: skip
def test_data_that_was_edited(
    change: str, expected: str, cli: Cli, extracted: Path, manifest: Path, quick: Path
) -> None:
    rewritten(manifest, change)
    for verb, *data in (("train", manifest), ("train",), ("submit", manifest)):
        code, _, err = cli(verb, *data, "--config", quick, "--run", extracted)
        assert code == 3
        line = says(err)
        where = manifest if data else manifest.resolve()
        assert line.startswith(
            f"seiqa: run: its features were not made from {where} as it is now: {expected}"
        )
        assert line.endswith("; run `seiqa features` again (what the store holds is not computed"
                             " again)")  # fmt: skip
    assert not (extracted / "metrics.json").exists()


def test_what_it_says_to_do_helps(cli: Cli, extracted: Path, manifest: Path, quick: Path) -> None:
    rewritten(manifest, "labels")
    code, out, err = cli("features", manifest, "--config", quick, "--run", extracted)
    assert code == 0, err
    assert "0 pairs computed, 16 already in the store" in out
    code, _, err = cli("train", manifest, "--config", quick, "--run", extracted)
    assert code == 0, err
    assert json.loads((extracted / "metrics.json").read_text())["n"] == ROWS - 1


def test_another_manifest(cli: Cli, extracted: Path, manifest: Path, quick: Path) -> None:
    """Its lines have the same names, so that names would not tell them apart."""
    other = rewritten(manifest, "rows in another order", "other.csv")
    code, _, err = cli("train", other, "--config", quick, "--run", extracted)
    assert code == 3
    assert "were not made from" in says(err)
    assert "other.csv" in says(err)


def test_pictures_that_were_edited(cli: Cli, extracted: Path, manifest: Path, quick: Path) -> None:
    scene(9).save(manifest.parent / "d11.png")
    code, _, err = cli("train", manifest, "--config", quick, "--run", extracted)
    assert code == 3
    assert "as it is now: 1 pair has other pixels (row-000007); run" in says(err)


def test_pictures_that_are_gone_are_named(
    cli: Cli, extracted: Path, manifest: Path, quick: Path
) -> None:
    (manifest.parent / "d11.png").unlink()
    code, _, err = cli("train", manifest, "--config", quick, "--run", extracted)
    assert code == 3
    assert "d11.png: no such file" in err.splitlines()[-2]
    assert "1 pair is gone (row-000007)" in says(err)


def test_data_that_was_copied_or_touched_is_the_same(
    cli: Cli, extracted: Path, manifest: Path, quick: Path
) -> None:
    moved = Path(shutil.copytree(manifest.parent, "elsewhere"))
    for data in (moved / "pairs.csv", manifest):
        for picture in data.parent.glob("*.png"):
            os.utime(picture)
        code, _, err = cli("train", data, "--config", quick, "--run", extracted)
        assert code == 0, err
        shutil.rmtree(extracted / "bundle")


def test_data_that_is_nowhere_any_more(
    cli: Cli, extracted: Path, manifest: Path, quick: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The features are enough to train on; data that is named has to be there."""
    manifest.parent.rename("moved")
    code, _, err = cli("train", "--config", quick, "--run", extracted)
    assert code == 0, err
    assert "is gone; the labels that were read with the features are used" in caplog.text
    code, _, err = cli("train", manifest, "--config", quick, "--run", extracted)
    assert code == 3
    assert "no such file or folder" in says(err)


def test_pairs_left_out_of_the_features_are_no_difference(
    cli: Cli, manifest: Path, quick: Path
) -> None:
    (manifest.parent / "d11.png").write_text("no picture")
    arguments = (manifest, "--config", quick, "--run", "run")
    code, _, err = cli("features", *arguments, "--keep-going")
    assert code == 0, err
    assert json.loads(Path("run/features.json").read_text())["failed"] == []
    code, _, err = cli("train", *arguments)
    assert code == 0, err
    degrade(scene(1), 1).save(manifest.parent / "d11.png")  # mended
    code, _, err = cli("train", *arguments)
    assert code == 3
    assert "1 pair is new (row-000007)" in says(err)


def table(**columns: list[object]) -> pd.DataFrame:
    pairs = pd.DataFrame(
        {
            "pair_id": ["a", "b", "c"],
            "ref_key": ["r", "r", "r"],
            "dist_key": ["1", "2", "2"],
            "dist_path": ["x/1.png", "x/2.png", "x/3.png"],
            "mos": [1.0, 2.0, float("nan")],
            "group_id": ["g", "g", "g"],
            "split": ["train", "train", "test"],
            "order": [0, 1, 2],
            "distortion": pd.Series([None, None, "blur"], dtype="str"),
        }
    ).assign(**columns)
    pairs.attrs = {"label_kind": "MOS", "label_range": [0, 5]}
    return pairs


def test_equal_tables_do_not_differ_even_with_equal_pixels_and_nothing_known() -> None:
    assert describe(table(), table(dist_path=["y/1.png", "y/2.png", "y/3.png"])) == []


def test_everything_that_differs_is_named() -> None:
    then, now = table(), table(mos=[1.0, 3.0, float("nan")], distortion=["blur", None, "blur"],
                               dist_path=["x/1.png", "x/2.png", "x/4.png"])  # fmt: skip
    now.attrs = {"label_kind": "pseudo-label", "label_range": None}
    assert describe(then, now) == [
        "the label of 1 differs (b: 2 then, 3 now)",
        "the kind of distortion of 1 differs (a: none then, blur now)",
        "the picture's name of 1 differs (c: 3.png then, 4.png now)",
        "kind of labels: MOS then, pseudo-label now",
        "label range: [0, 5] then, None now",
    ]


def test_many_differences_are_counted_and_three_are_named() -> None:
    then = pd.concat([table(dist_key=[f"{n}{k}" for k in "xyz"], pair_id=[f"{n}{k}" for k in "xyz"])
                      for n in range(5)], ignore_index=True)  # fmt: skip
    then.attrs = table().attrs
    assert describe(then, then.iloc[:1]) == ["14 pairs are gone (0y; 0z; 1x; …)"]
