"""Scores of many pairs: portion after portion, the same as all at once, and memory that is flat."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipelines.runs import scoring
from pipelines.runs.outputs import RowFile
from pipelines.runs.scoring import list_manifest, score_listed
from seiqa_features.errors import DataError
from seiqa_features.tabular.inert import inert_csv
from seiqa_models.scorer import Scorer
from tests.pipelines.conftest import degrade, scene
from tests.pipelines.runs.conftest import TwoRuns

ROWS = pd.DataFrame({
    "ref": ["=a", "b", "ä\n", "d", "e"],
    "score": [0.1, np.nan, 1 / 3, 2.0, 1e-17],
    "agree": pd.array([True, None, False, True, True], dtype="boolean"),
}).astype({"ref": "str"})  # fmt: skip


def written(out: Path) -> bytes:
    with RowFile(out) as file:
        for start in (0, 2, 4):
            file.add(ROWS.iloc[start : start + 2])
    return out.read_bytes()


def test_portions_are_written_as_the_whole_would_be(tmp_path: Path) -> None:
    assert written(tmp_path / "s.csv").decode() == inert_csv(ROWS)
    records = ROWS.astype(object).where(ROWS.notna(), None).to_dict("records")
    text = json.dumps(records, indent=1, ensure_ascii=False) + "\n"
    assert written(tmp_path / "s.json").decode() == text
    written(tmp_path / "s.parquet")
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "s.parquet"), ROWS)
    assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.parametrize("suffix", [".csv", ".json", ".parquet"])
def test_a_failure_between_portions_leaves_the_old_file(suffix: str, tmp_path: Path) -> None:
    out = tmp_path / f"s{suffix}"
    out.write_text("old")
    with pytest.raises(ZeroDivisionError), RowFile(out) as file:
        file.add(ROWS[: 1 // (len(ROWS) - len(ROWS))])
    assert out.read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1


def scorer_of(run: TwoRuns) -> Scorer:
    """With a model of two cheap metrics."""
    return Scorer.load(run.first.run / "bundle", workers=1)


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    """A manifest of 3 scenes at 4 levels; level 0 is an identical copy."""
    rows = []
    for number in range(3):
        scene(number).save(tmp_path / f"r{number}.png")
        for level in range(4):
            degrade(scene(number), level).save(tmp_path / f"d{number}{level}.png")
            rows.append(f"r{number}.png,d{number}{level}.png\n")
    (tmp_path / "pairs.csv").write_text("ref,dist\n" + "".join(rows))
    return tmp_path / "pairs.csv"


def test_portions_are_scored_as_the_whole_is(
    finished: TwoRuns, pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scorer, seen = scorer_of(finished), list[tuple[int, int]]()
    out, whole = tmp_path / "s.csv", tmp_path / "whole.csv"
    assert score_listed(scorer, list_manifest(pairs), whole, cache=tmp_path / "cache") == []
    monkeypatch.setattr(scoring, "SCORED_ROWS", 5)
    score_listed(
        scorer, list_manifest(pairs), out, cache=tmp_path / "other",
        on_pair=lambda done, total: seen.append((done, total)),
    )  # fmt: skip
    one, other = pd.read_csv(out), pd.read_csv(whole)
    assert one["dist"].tolist() == other["dist"].tolist()
    np.testing.assert_allclose(one["score"], other["score"], atol=1e-9)
    assert seen == sorted(seen)
    assert seen[-1] == (12, 12)
    again = list[tuple[int, int]]()
    score_listed(
        scorer, list_manifest(pairs), out, cache=tmp_path / "cache",
        on_pair=lambda done, total: again.append((done, total)),
    )  # fmt: skip
    assert again == [(5, 12), (10, 12), (12, 12)]  # the store had everything


def test_what_is_wrong_anywhere_is_said_before_anything_is_scored(
    finished: TwoRuns, pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scoring, "SCORED_ROWS", 5)
    (tmp_path / "d23.png").write_bytes(b"no picture")
    scorer, out = scorer_of(finished), tmp_path / "s.csv"
    monkeypatch.setattr(scorer, "score_pairs", pytest.fail)
    with pytest.raises(DataError, match=r"d23\.png: not an image"):
        score_listed(scorer, list_manifest(pairs), out, cache=tmp_path / "cache")
    assert not out.exists()


def test_a_portion_without_a_usable_pair(
    finished: TwoRuns, pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scoring, "SCORED_ROWS", 4)
    (tmp_path / "r1.png").write_bytes(b"no picture")
    scorer, out = scorer_of(finished), tmp_path / "s.csv"
    left_out = score_listed(
        scorer, list_manifest(pairs), out, cache=tmp_path / "cache", keep_going=True
    )
    assert len(left_out) == 1
    assert pd.read_csv(out)["score"].isna().tolist() == [n // 4 == 1 for n in range(12)]


def test_ids_that_come_twice_far_apart(pairs: Path) -> None:
    lines = pairs.read_text().splitlines()
    named = [f"{line},p{number % 11}" for number, line in enumerate(lines[1:])]
    pairs.write_text("\n".join(["ref,dist,pair_id", *named]) + "\n")
    with pytest.raises(DataError, match="pair_id 'p0' appears more than once"):
        list_manifest(pairs)


def test_memory_does_not_grow_with_the_pairs(
    finished: TwoRuns, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everything but the listed rows: scoring 10 times as many needs no more."""
    scene(0).save(tmp_path / "r.png")
    degrade(scene(0), 1).save(tmp_path / "d.png")
    monkeypatch.setattr(scoring, "SCORED_ROWS", 500)
    scorer = scorer_of(finished)

    def peak(rows: int) -> int:
        manifest, out = tmp_path / f"{rows}.csv", tmp_path / f"{rows}.out.csv"
        manifest.write_text("ref,dist\n" + "r.png,d.png\n" * rows)
        listed = list_manifest(manifest)
        tracemalloc.start()
        score_listed(scorer, listed, out, cache=tmp_path / "cache")
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert len(pd.read_csv(out)) == rows
        return found

    peak(500)
    assert peak(5000) < 1.3 * peak(500)
