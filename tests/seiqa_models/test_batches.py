"""Scorer in an evaluation loop: batches, worker processes, and what it says of itself."""

from __future__ import annotations

import copy
import multiprocessing
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from seiqa_features.api.recent import COUNT
from seiqa_features.datasets.pairs import Found
from seiqa_features.errors import DataError, DeviceError, UsageError
from seiqa_models.scorer import Scorer


@pytest.fixture
def scorer(bundle: tuple[Path, Found]) -> Scorer:
    return Scorer.load(bundle[0], workers=1)


def tensors(found: Found) -> tuple[torch.Tensor, torch.Tensor]:
    """Degraded pictures and references [3, 3, H, W] of three pairs."""
    sides = ([pair.dist for pair in found.pairs[:3]], [pair.ref for pair in found.pairs[:3]])
    dist, ref = (
        torch.stack([torch.from_numpy(np.array(Image.open(p))).permute(2, 0, 1) for p in paths])
        for paths in sides
    )
    return dist.float() / 255, ref.float() / 255


def test_a_batch_scores_as_its_pairs(scorer: Scorer, bundle: tuple[Path, Found]) -> None:
    found = bundle[1]
    dist, ref = tensors(found)
    scores = scorer(dist, ref)
    expected = [scorer.score(pair.ref, pair.dist) for pair in found.pairs[:3]]
    assert scores.dtype == torch.float64
    assert scores.device == dist.device
    assert scores.tolist() == pytest.approx(expected, abs=5e-12)
    assert scorer(dist[1:2], ref[1:2]).tolist() == [scorer.score(ref[1], dist[1])]


def test_one_reference_serves_all(scorer: Scorer, bundle: tuple[Path, Found]) -> None:
    dist, ref = tensors(bundle[1])
    repeated = scorer(dist, ref[:1].expand(3, -1, -1, -1))
    assert torch.equal(scorer(dist, ref[:1]), repeated)
    assert scorer.score(ref[:1], dist[:1]) == scorer.score(ref[0], dist[0])


@pytest.mark.parametrize(
    ("dist", "ref", "expected"),
    [
        (torch.zeros(3, 32, 32), torch.zeros(1, 3, 32, 32), r"dist: tensor of shape \[3, 32, 32\]"),
        (torch.zeros(3, 3, 32, 32), torch.zeros(2, 3, 32, 32), "2 references but 3 degraded"),
        ([1], torch.zeros(1, 3, 32, 32), r"dist: a list; expected a tensor \[B, 3, H, W\]"),
        (torch.full((1, 3, 32, 32), -1.0), torch.zeros(1, 3, 32, 32), "expected 0 to 1"),
    ],
)
def test_what_is_no_batch_is_named(
    scorer: Scorer, dist: torch.Tensor, ref: torch.Tensor, expected: str
) -> None:
    with pytest.raises(DataError, match=expected):
        scorer(dist, ref)


def test_a_gradient_is_refused_in_one_line(scorer: Scorer, bundle: tuple[Path, Found]) -> None:
    dist, ref = tensors(bundle[1])
    with pytest.raises(UsageError, match=r"no gradient.*create_metric") as raised:
        scorer(dist.requires_grad_(), ref)
    assert "\n" not in str(raised.value)
    with torch.no_grad():
        assert scorer(dist, ref).shape == (3,)


def test_a_device_that_is_not_there_is_refused(
    bundle: tuple[Path, Found], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(DeviceError, match="device cuda: not available"):
        Scorer.load(bundle[0], device="cuda")
    with pytest.raises(DeviceError, match="'gpu' is unknown; expected auto, cpu, cuda"):
        Scorer.load(bundle[0], device="gpu")
    assert Scorer.load(bundle[0], device="cpu").runtime.device == "cpu"


def test_it_says_what_it_is(bundle: tuple[Path, Found]) -> None:
    scorer = Scorer.load(bundle[0], device="cpu")
    low, high = scorer.bundle.regressor.label_range_
    said = f"features gms, colour; device cpu; scale {low:g} to {high:g})"
    assert repr(scorer).startswith("Scorer(")
    assert repr(scorer).endswith(said)


def test_copies_and_worker_processes_score_the_same(
    scorer: Scorer, bundle: tuple[Path, Found]
) -> None:
    pair = bundle[1].pairs[4]
    expected = scorer.score(pair.ref, pair.dist)
    for again in (copy.copy(scorer), pickle.loads(pickle.dumps(scorer))):
        assert again.score(pair.ref, pair.dist) == expected
        assert again.workers == scorer.workers
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        there = pool.apply(scorer.score, (pair.ref, pair.dist))
    assert (there, there.low, there.high) == (expected, expected.low, expected.high)
    assert there.contributions == expected.contributions
    assert there.heat_map == expected.heat_map


def test_a_score_shows_where_it_lost(scorer: Scorer, bundle: tuple[Path, Found]) -> None:
    pair = bundle[1].pairs[4]
    score = scorer.score(pair.ref, pair.dist)
    assert score.heat_map is not None
    with Image.open(pair.ref) as ref:
        assert score.heat_map.size == ref.size
    assert "data:image/png;base64," in score._repr_html_()
    same = scorer.score(pair.ref, pair.ref)
    assert same.heat_map is None
    assert "<img" not in same._repr_html_()


def test_pictures_are_kept_for_the_last_scores_only(
    scorer: Scorer, bundle: tuple[Path, Found]
) -> None:
    pair = bundle[1].pairs[4]
    first, second = (scorer.score(pair.ref, pair.dist) for _ in range(2))
    drawn = second.heat_map
    for _ in range(COUNT):
        scorer.score(pair.ref, pair.dist)
    assert first.heat_map is None
    assert second.heat_map is drawn
