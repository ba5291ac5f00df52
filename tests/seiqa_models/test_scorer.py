"""Scorer: a bundle and its feature recipe, applied to image files."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from threadpoolctl import threadpool_info, threadpool_limits

from seiqa_features.datasets.pairs import Found, Pair
from seiqa_features.errors import DataError, DeviceError, UsageError
from seiqa_models import scorer as scorers
from seiqa_models.core.errors import TableError
from seiqa_models.scorer import Scorer
from seiqa_models.stack.regressor import SeiqaRegressor
from tests.busy_process import process_uses, unrest

CLOSE = 5e-12  # 1e-12 of a scale up to 5: matrix products round by their number of rows


def test_scores_are_the_regressors_own(bundle: tuple[Path, Found], tmp_path: Path) -> None:
    folder, found = bundle
    scorer = Scorer.load(folder)
    scores, left_out = scorer.score_pairs(found, cache=tmp_path / "cache")
    assert not left_out
    assert scores.index.tolist() == [pair.pair_id for pair in found.pairs]
    assert scores.columns.tolist() == ["score", "low", "high", "unfamiliar", "agree", "edited"]
    labels = np.array([pair.mos for pair in found.pairs])
    assert np.corrcoef(scores["score"], labels)[0, 1] > 0.9
    one = scorer.score(ref=found.pairs[5].ref, dist=str(found.pairs[5].dist))
    assert [one, one.low, one.high] == pytest.approx(scores.iloc[5, :3].tolist(), abs=CLOSE)
    assert one.unfamiliar == scores["unfamiliar"].iloc[5]


def test_a_score_is_a_number_and_knows_its_doubts(bundle: tuple[Path, Found]) -> None:
    folder, found = bundle
    scorer = Scorer.load(folder)
    score = scorer.score(found.pairs[1].ref, found.pairs[1].dist)
    assert isinstance(score, float)
    assert score.low < score < score.high
    assert not score.unfamiliar
    assert score.contributions.keys() == {"gms", "colour", "baseline"}
    assert sum(score.contributions.values()) == pytest.approx(score)  # well within the scale
    noise = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    doubtful = scorer.score(noise, 255 - noise)
    assert doubtful.unfamiliar
    assert repr(doubtful).endswith("90 %, unfamiliar)")


FORMS: dict[str, Callable[[Path], Any]] = {
    "text": str,
    "Pillow": Image.open,
    "array": lambda path: np.asarray(Image.open(path)),
    "float array": lambda path: np.asarray(Image.open(path)) / np.float32(255),
    "tensor": lambda path: torch.from_numpy(np.array(Image.open(path))).permute(2, 0, 1),
    "float tensor": lambda path: (
        torch.from_numpy(np.array(Image.open(path))).permute(2, 0, 1).float() / 255
    ),
}


def test_the_same_picture_scores_the_same_in_every_form(bundle: tuple[Path, Found]) -> None:
    folder, found = bundle
    scorer = Scorer.load(folder)
    pair = found.pairs[4]
    expected = scorer.score(pair.ref, pair.dist)
    for name, form in FORMS.items():
        with closing_all(form(pair.ref), form(pair.dist)) as (ref, dist):
            score = scorer.score(ref, dist)
            assert (score, score.low, score.high) == (expected, expected.low, expected.high), name


@contextmanager
def closing_all(*pictures: Any) -> Iterator[tuple[Any, ...]]:
    yield pictures
    for picture in pictures:
        if isinstance(picture, Image.Image):
            picture.close()


def test_pictures_of_other_sizes_are_treated_as_files_are(
    bundle: tuple[Path, Found], tmp_path: Path
) -> None:
    folder, found = bundle
    scorer = Scorer.load(folder)
    ref, dist = (np.array(Image.open(path)) for path in (found.pairs[0].ref, found.pairs[1].dist))
    smaller = dist[:50, :70]
    Image.fromarray(smaller).save(tmp_path / "smaller.png")
    pair = Pair("one", found.pairs[0].ref, tmp_path / "smaller.png", "test")
    scores, _ = scorer.score_pairs(Found(tmp_path, pairs=[pair]), cache=tmp_path / "cache")
    assert scorer.score(ref, smaller) == scores["score"]["one"]
    assert scorer.score(ref, smaller) != scorer.score(ref, dist)


def test_both_pictures_faults_are_told_together(bundle: tuple[Path, Found]) -> None:
    scorer = Scorer.load(bundle[0])
    with pytest.raises(DataError) as raised:
        scorer.score("gone.png", np.full((32, 32, 3), np.nan))
    assert [line.split(":")[0] for line in raised.value.problems] == ["ref", "dist"]
    assert "gone.png: no such file" in raised.value.problems[0]
    assert "NaN" in raised.value.problems[1]


def test_many_pairs_of_any_kind_score_as_one_by_one(bundle: tuple[Path, Found]) -> None:
    folder, found = bundle
    scorer = Scorer.load(folder, workers=2)
    refs: list[Any] = [pair.ref for pair in found.pairs]
    dists: list[Any] = [pair.dist for pair in found.pairs]
    refs[1] = np.asarray(Image.open(refs[1]))
    dists[2] = torch.from_numpy(np.array(Image.open(dists[2]))).permute(2, 0, 1)
    table = pd.DataFrame({"ref": refs, "dist": dists}, index=[f"row {n}" for n in range(12)])
    told: list[int] = []
    many = scorer.score_many(table, on_pair=lambda done, total: told.append(total - done))
    assert told[-1] == 0
    assert many.index.equals(table.index)
    assert many.dtypes.astype(str).tolist() == ["float64"] * 3 + ["boolean"] * 3
    one_by_one = [scorer.score(pair.ref, pair.dist) for pair in found.pairs]
    assert many["score"].tolist() == pytest.approx(one_by_one, abs=CLOSE)
    assert many["low"].tolist() == pytest.approx([one.low for one in one_by_one], abs=CLOSE)
    pd.testing.assert_frame_equal(scorer.score_many(refs, dists), many.reset_index(drop=True))


def test_bad_pairs_stop_a_batch_or_are_left_empty(
    bundle: tuple[Path, Found], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder, found = bundle
    scorer = Scorer.load(folder)
    (tmp_path / "text.png").write_text("no picture")
    dists = [found.pairs[0].dist, tmp_path / "text.png", None, found.pairs[1].dist]
    refs = [found.pairs[0].ref] * 4
    with pytest.raises(DataError, match=r"^pair 2: dist: a NoneType"):
        scorer.score_many(refs, dists)  # type: ignore[arg-type]
    with pytest.raises(DataError, match=r"^pair 1: dist: .*text\.png: not an image"):
        scorer.score_many(refs[:2], dists[:2])  # type: ignore[arg-type]
    many = scorer.score_many(refs, dists, keep_going=True)  # type: ignore[arg-type]
    assert many["score"].isna().tolist() == [False, True, True, False]
    assert many["unfamiliar"].isna().tolist() == [False, True, True, False]
    assert "pair 1: dist:" in caplog.text
    assert "pair 2: dist:" in caplog.text
    with pytest.raises(DataError, match="no usable pair is left"):
        scorer.score_many(refs[1:2], dists[1:2], keep_going=True)  # type: ignore[arg-type]


def test_scoring_in_memory_leaves_nothing_behind(
    bundle: tuple[Path, Found], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, found = bundle
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    scorer = Scorer.load(folder)
    scorer.score(found.pairs[0].ref, found.pairs[1].dist)
    scorer.score_many([found.pairs[0].ref], [found.pairs[1].dist])
    assert list(tmp_path.iterdir()) == []


def test_threads_that_share_a_scorer_wait_for_each_other(
    bundle: tuple[Path, Found], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, found = bundle
    inside: list[int] = []
    most: list[int] = []
    real = scorers.compute_table

    def watched(*arguments: Any, **options: Any) -> Any:
        inside.append(1)
        time.sleep(0.005)
        most.append(len(inside))
        result = real(*arguments, **options)
        inside.pop()
        return result

    monkeypatch.setattr(scorers, "compute_table", watched)
    threads = torch.get_num_threads()
    scorer = Scorer.load(folder, workers=2)
    with ThreadPoolExecutor(4) as pool:
        scores = list(pool.map(lambda pair: scorer.score(pair.ref, pair.dist), found.pairs[:6]))
    assert set(most) == {1}
    assert scores == [scorer.score(pair.ref, pair.dist) for pair in found.pairs[:6]]
    assert torch.get_num_threads() == threads


def test_the_processs_threads_and_other_scorers_change_no_bit(bundle: tuple[Path, Found]) -> None:
    folder, found = bundle
    pairs = [(pair.ref, pair.dist) for pair in found.pairs[:6]]

    def scores(scorer: Scorer) -> list[tuple[float, float, float]]:
        return [(s, s.low, s.high) for s in (scorer.score(*pair) for pair in pairs)]

    with process_uses(1), threadpool_limits(limits=1):
        expected = scores(Scorer.load(folder, workers=1))
    with process_uses(2), threadpool_limits(limits=2):
        assert scores(Scorer.load(folder)) == expected
        with ThreadPoolExecutor(3) as callers, unrest():
            side_by_side = list(callers.map(scores, [Scorer.load(folder) for _ in range(3)]))
        assert side_by_side == [expected] * 3
        blas = [library for library in threadpool_info() if library["user_api"] == "blas"]
        assert {library["num_threads"] for library in blas} == {2}


@pytest.mark.parametrize("workers", [-1, 1.5, "2"])
def test_workers_are_a_number_of_threads(bundle: tuple[Path, Found], workers: Any) -> None:
    with pytest.raises(UsageError, match="expected a number of threads, or None"):
        Scorer.load(bundle[0], workers=workers)


def test_a_device_may_be_pytorchs(bundle: tuple[Path, Found]) -> None:
    device: Any = torch.device("cpu")
    nothing: Any = None
    assert Scorer.load(bundle[0], device=device).runtime.device == "cpu"
    with pytest.raises(DeviceError, match="device 'None' is unknown; expected auto"):
        Scorer.load(bundle[0], device=nothing)


def test_the_bundle_in_the_box_is_the_default(
    bundle: tuple[Path, Found], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder, found = bundle
    monkeypatch.setattr("seiqa_models.bundle.BOXED", folder)
    pair = found.pairs[3]
    assert Scorer.load().score(pair.ref, pair.dist) == Scorer.load(folder).score(
        pair.ref, pair.dist
    )
    monkeypatch.setattr("seiqa_models.bundle.BOXED", tmp_path / "boxed")
    with pytest.raises(TableError, match=r"boxed: the built-in model is missing"):
        Scorer.load()


# --- equal pixels ----------------------------------------------------------------------------


def _never(*_: object, **__: object) -> None:
    raise AssertionError("a model or an extractor was asked")


def _odd_picture() -> Image.Image:
    """Unlike all that the bundle was trained on."""
    return Image.fromarray(np.random.default_rng(9).integers(0, 256, (60, 80, 3), dtype=np.uint8))


def _never_but_on_nothing(pairs: dict[str, Any], *_: object, **__: object) -> Any:
    assert not pairs
    return pd.DataFrame(), {}


def test_equal_pixels_are_a_fact_through_every_door(
    bundle: tuple[Path, Found], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In whatever files: the top of the scale, no interval, and no model is asked."""
    picture = _odd_picture()
    for name in ("a.png", "b.bmp"):
        picture.save(tmp_path / name)
    paths = tmp_path / "a.png", tmp_path / "b.bmp"
    scorer = Scorer.load(bundle[0])
    top = scorer.bundle.regressor.label_range_[1]
    monkeypatch.setattr(scorers, "compute_table", _never_but_on_nothing)
    monkeypatch.setattr(SeiqaRegressor, "predict_interval", _never)
    score = scorer.score(*paths)
    assert (score, score.low, score.high) == (top, top, top)
    assert (score.identical, score.unfamiliar) == (True, False)
    assert repr(score) == f"{top:.4f} ({top:.2f} to {top:.2f}, 90 %, identical)"
    assert sum(score.contributions.values()) == top
    assert copy.copy(score).identical

    found = Found(
        tmp_path, pairs=[Pair("same", *paths, "test"), Pair("self", paths[0], paths[0], "test")]
    )
    by_pairs, left_out = scorer.score_pairs(found, cache=tmp_path / "cache")
    by_many = scorer.score_many([paths[0], picture], [paths[1], np.asarray(picture)])
    assert left_out == []
    for scores in (by_pairs, by_many):
        assert scores[["score", "low", "high"]].to_numpy().tolist() == [[top] * 3] * 2
        assert scores["unfamiliar"].tolist() == [False, False]
        assert scores.dtypes.astype(str).tolist() == ["float64"] * 3 + ["boolean"] * 3
    assert by_pairs.index.tolist() == ["same", "self"]


def test_equal_pairs_among_others_keep_their_place(
    bundle: tuple[Path, Found], tmp_path: Path
) -> None:
    folder, found = bundle
    scorer = Scorer.load(folder)
    top = scorer.bundle.regressor.label_range_[1]
    refs, dists = ([getattr(pair, side) for pair in found.pairs] for side in ("ref", "dist"))
    by_pairs, _ = scorer.score_pairs(found, cache=tmp_path / "cache")
    by_many = scorer.score_many(refs, dists)
    one_by_one = [scorer.score(ref, dist) for ref, dist in zip(refs, dists, strict=True)]
    equal = [number for number, score in enumerate(one_by_one) if score.identical]
    assert equal == [0, 3, 6, 9]  # a blur of nothing
    for scores in (by_pairs, by_many):
        assert scores["score"].to_numpy() == pytest.approx(np.array(one_by_one), abs=CLOSE)
        assert (scores["low"].iloc[equal] == top).all()
        assert (scores["high"].iloc[1] - scores["low"].iloc[1]) > 0


def test_one_changed_pixel_is_no_identity(bundle: tuple[Path, Found]) -> None:
    before = np.asarray(_odd_picture()).copy()
    after = before.copy()
    after[3, 4, 1] ^= 1
    score = Scorer.load(bundle[0]).score(before, after)
    assert not score.identical
    assert score.high > score.low
