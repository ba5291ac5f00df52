"""What would make a run fail at its end is said before the first picture is decoded."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from sklearn.neighbors import KNeighborsRegressor

from pipelines.runs import model
from seiqa_features.extraction import flow
from seiqa_features.pictures import decoding, index
from seiqa_models.learners.registry import LEARNERS
from tests.pipelines.conftest import Cli, degrade, scene


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Every picture that is decoded, in order."""
    paths: list[Path] = []
    real = index._inspect

    def inspect(path: Path) -> object:
        paths.append(path)
        return real(path)

    monkeypatch.setattr(index, "_inspect", inspect)
    return paths


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """`write(labels, groups)` writes a manifest of so many pairs of five scenes."""

    def make(labels: list[object], groups: list[str] | None = None, copies: int = 1) -> Path:
        rows = ["ref,dist,mos" + (",group" if groups else "")]
        for k, label in enumerate(labels):
            number = k % 5 // copies
            scene(number).save(tmp_path / f"r{k % 5}.png")
            degrade(scene(number), k // 5).save(tmp_path / f"d{k}.png")
            rows.append(f"r{k % 5}.png,d{k}.png,{label}" + (f",{groups[k]}" if groups else ""))
        (tmp_path / "m.csv").write_text("\n".join(rows))
        return tmp_path / "m.csv"

    return make


LABELS = [k % 7 / 2 for k in range(20)]


@pytest.mark.parametrize(
    ("labels", "groups", "said"),
    [
        ([""] * 20, None, "m.csv: no labelled training pair; add Train_scores.xlsx or a column"),
        ([3] * 20, None, "every label is 3: nothing can be learned from one value"),
        (LABELS[:9], None, "there are 9 labelled rows for training, at least 10 are needed"),
        ([*LABELS[:19], 1e9], None, "label 1e+09 of row-000021 is far from the other 19"),
        (LABELS, ["a"] * 20, "all rows are in one group"),
        (LABELS, [*["a"] * 17, "b", "c", "d"],
         "17 of 20 rows are in one group (that of row-000002): 4 groups are too uneven for 3 "),
    ],
)  # fmt: skip
def test_a_run_that_cannot_end_well_does_not_begin(
    labels: list[object],
    groups: list[str] | None,
    said: str,
    cli: Cli,
    write: Callable[..., Path],
    quick: Path,
    decoded: list[Path],
    tmp_path: Path,
) -> None:
    code, out, err = cli("run", write(labels, groups), "--config", quick, "--run", "run")
    assert code == 3
    assert said in err
    assert "Traceback" not in err
    assert out == ""
    assert decoded == []
    assert not (tmp_path / "run").exists()
    assert cli("features", "m.csv", "--config", quick, "--run", "run")[0] == 0  # no labels needed


def test_groups_that_only_pixels_tell_are_judged_before_extraction(
    cli: Cli,
    write: Callable[..., Path],
    quick: Path,
    decoded: list[Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(flow, "compute", None)  # so that extracting anything would fail
    code, _, err = cli("run", write(LABELS, copies=5), "--config", quick, "--run", "run")
    assert code == 3
    assert "all rows are in one group (one reference image each)" in err
    assert len(decoded) == 25


@pytest.mark.parametrize("verb", ["features", "run"])
def test_an_output_in_the_way_is_named_first(
    verb: str,
    cli: Cli,
    write: Callable[..., Path],
    quick: Path,
    decoded: list[Path],
    tmp_path: Path,
) -> None:
    for name in ("report.html", "run.json", "bundle/model.skops", ".lock"):
        (tmp_path / "run" / name).mkdir(parents=True)
        code, _, err = cli(verb, write(LABELS), "--config", quick, "--run", "run")
        assert (code, decoded) == (2, [])
        assert f"{name}: is a folder; remove it or name another place" in err
        shutil.rmtree(tmp_path / "run")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "bundle").write_text("")
    code, _, err = cli(verb, "m.csv", "--config", quick, "--run", "run")
    assert (code, decoded) == (2, [])
    assert err.endswith("seiqa: run/bundle: is not a folder; remove it or name another place\n")
    (tmp_path / "file").write_text("")
    for run in ("file", "file/run"):
        code, _, err = cli(verb, "m.csv", "--config", quick, "--run", run)
        assert (code, decoded) == (2, [])
        assert err.endswith("seiqa: file: is not a folder; name another place for the results\n")
    code, _, err = cli(verb, "m.csv", "--config", quick, "--run", "/proc/run")
    assert (code, decoded) == (1, [])
    assert "seiqa: /proc/run: cannot be written (" in err


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"label_range": [0, 2]}, "labels go from 0 to 3, outside the label_range 0 to 2"),
        ({"scale": "0..5"}, "with 8 rows held out, collection "),
    ],
)
def test_settings_that_the_labels_do_not_allow_are_refused_before_decoding(
    more: dict[str, object],
    said: str,
    cli: Cli,
    write: Callable[..., Path],
    quick: Path,
    decoded: list[Path],
) -> None:
    quick.write_text(yaml.safe_dump({**yaml.safe_load(quick.read_text()), **more}))
    code, _, err = cli("run", write(LABELS), "--config", quick, "--run", "run")
    assert (code, decoded) == (3, [])
    assert said in err


def test_a_learner_that_needs_more_rows_is_tried_before_extraction(
    cli: Cli, write: Callable[..., Path], quick: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def neighbours(random_state: int, n_jobs: int) -> KNeighborsRegressor:  # noqa: ARG001
        return KNeighborsRegressor(n_neighbors=12)

    monkeypatch.setitem(LEARNERS, "neighbours", neighbours)
    monkeypatch.setattr(flow, "compute", None)
    config = yaml.safe_load(quick.read_text())
    quick.write_text(yaml.safe_dump({**config, "learners": ["ridge", "neighbours"]}))
    code, _, err = cli("run", write(LABELS), "--config", quick, "--run", "run")
    assert code == 2
    assert "learner neighbours fails on 8 rows of " in err
    assert "columns, the least that the folds leave to learn from (" in err
    assert "n_neighbors = 12" in err


def test_a_run_audits_once_and_reads_nothing_back(
    cli: Cli, seiqa_data: Path, quick: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    audits: list[int] = []
    real = model.audit_pairs

    def audit(*arguments: object, **options: object) -> object:
        audits.append(1)
        return real(*arguments, **options)  # type: ignore[arg-type]

    def read(*_: object) -> None:
        raise AssertionError("the run folder is read by the run that wrote it")

    monkeypatch.setattr(model, "audit_pairs", audit)
    monkeypatch.setattr("pipelines.report.render.audit_pairs", audit)
    monkeypatch.setattr("pipelines.steps.extracting.read_run", read)
    code, _, err = cli("run", seiqa_data, "--config", quick, "--run", "run")
    assert code == 0, err
    assert audits == [1]
    monkeypatch.setattr(decoding, "load_rgb", read)
    assert "verdict" in Path("run/metrics.json").read_text()
