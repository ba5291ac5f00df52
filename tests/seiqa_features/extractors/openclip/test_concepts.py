"""Concept drift and anchors from known numbers, and the texts they come from."""

from __future__ import annotations

import numpy as np
import open_clip
import pytest
import torch

from seiqa_features.extractors.common.drift import distribution_drift
from seiqa_features.extractors.openclip.concepts import anchor_values, text_values
from seiqa_features.extractors.openclip.prompts import ANCHORS, texts, vocabulary


def distributions(rows: int, columns: int, *, peak: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Two batches of random distributions over concepts, float64, the more peaked the harder."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, rows, columns, generator=generator, dtype=torch.float64)
    first, second = (peak * logits).softmax(dim=-1)
    return first, second


@pytest.mark.parametrize("peak", [0.01, 1.0, 30.0, 1000.0])
def test_divergence_is_a_symmetric_number_between_0_and_1(peak: float) -> None:
    ref, dist = distributions(50, 40, peak=peak)
    there, back = (
        distribution_drift("concept", ref=ref, dist=dist),
        distribution_drift("concept", ref=dist, dist=ref),
    )
    assert torch.equal(there["concept_jsd"], back["concept_jsd"])
    assert ((there["concept_jsd"] > 0) & (there["concept_jsd"] <= 1)).all()
    assert (distribution_drift("concept", ref=ref, dist=ref)["concept_jsd"] == 0).all()


def test_divergence_is_the_one_of_scipy() -> None:
    from scipy.spatial.distance import jensenshannon

    ref, dist = distributions(20, 40, peak=3.0)
    expected = jensenshannon(ref.numpy(), dist.numpy(), base=2, axis=1) ** 2
    found = distribution_drift("concept", ref=ref, dist=dist)["concept_jsd"].numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_the_order_of_the_vocabulary_is_irrelevant() -> None:
    ref, dist = distributions(20, 40, peak=3.0)
    order = torch.randperm(40, generator=torch.Generator().manual_seed(1))
    there = distribution_drift("concept", ref=ref, dist=dist)
    shuffled = distribution_drift("concept", ref=ref[:, order], dist=dist[:, order])
    for name in there:
        torch.testing.assert_close(shuffled[name], there[name], atol=1e-12, rtol=1e-12)


def test_two_concepts_changing_places_are_told_in_full() -> None:
    """Sixteen concepts: the first two swap probabilities of 1/2 and 1/4, the rest stays."""
    rest = torch.linspace(0.02, 0.015, 14, dtype=torch.float64)
    rest *= 0.25 / rest.sum()
    half, quarter = torch.tensor([0.5, 0.25], dtype=torch.float64).split(1)
    drift = distribution_drift(
        "concept",
        ref=torch.cat([half, quarter, rest])[None],
        dist=torch.cat([quarter, half, rest])[None],
    )
    # 1/2·(1/2·log 4/3 + 1/4·log 2/3) for each of the two, twice.
    expected = 0.5 * np.log2(4 / 3) + 0.25 * np.log2(2 / 3)
    assert drift["concept_jsd"].item() == pytest.approx(expected)
    assert drift["concept_top1"].item() == 0
    assert drift["concept_top5"].item() == 1
    assert drift["concept_top10"].item() == 1
    assert drift["concept_top_change"].item() == pytest.approx(-0.25)
    assert drift["concept_entropy_change"].item() == pytest.approx(0, abs=1e-12)


def test_a_certain_and_an_undecided_picture_differ_by_the_whole_entropy() -> None:
    certain, undecided = torch.zeros(1, 16).double(), torch.full((1, 16), 1 / 16).double()
    certain[0, 3] = 1
    drift = distribution_drift("concept", ref=certain, dist=undecided)
    assert drift["concept_entropy_change"].item() == pytest.approx(4)
    assert drift["concept_top_change"].item() == pytest.approx(-15 / 16)


def test_two_certain_pictures_of_different_things_share_nothing() -> None:
    certain = torch.eye(16, dtype=torch.float64)
    drift = distribution_drift("concept", ref=certain[:1], dist=certain[15:])
    assert drift["concept_jsd"].item() == 1
    assert drift["concept_top1"].item() == 0
    assert drift["concept_top_change"].item() == -1


@pytest.mark.parametrize("concepts", [13, 441])
def test_a_row_does_not_depend_on_the_others(concepts: int) -> None:
    generator = torch.Generator().manual_seed(0)
    shape = (2, 65, len(ANCHORS) + concepts)
    ref, dist = torch.rand(shape, generator=generator, dtype=torch.float64) * 0.6 - 0.3
    whole = text_values(ref=ref, dist=dist, scale=20.0)
    for i in range(65):
        alone = text_values(ref=ref[i, None], dist=dist[i, None], scale=20.0)
        for name in whole:
            assert torch.equal(alone[name], whole[name][i, None]), name


def test_quality_is_the_probability_of_good() -> None:
    ref, dist = (torch.tensor([row], dtype=torch.float64) for row in ([0.3, 0.2], [0.2, 0.25]))
    values = anchor_values(ref=ref, dist=dist, scale=10.0)
    assert values["good_drift"].item() == pytest.approx(-0.1)
    assert values["bad_drift"].item() == pytest.approx(0.05)
    assert values["quality_ref"].item() == pytest.approx(1 / (1 + np.exp(-1)))
    assert values["quality_dist"].item() == pytest.approx(1 / (1 + np.exp(0.5)))


def test_the_vocabulary_is_a_few_hundred_plain_words() -> None:
    words = vocabulary()
    assert 300 <= len(words) <= 500
    assert words == sorted(set(words))
    for word in words:
        assert word == word.lower().strip()
        assert word.replace(" ", "").replace("-", "").isalpha(), word
    assert {"dog", "beach", "kitchen", "page of text"} <= set(words)


def test_texts_fit_the_tokenizer() -> None:
    tokens = open_clip.get_tokenizer("ViT-B-16")(texts())
    assert tokens.shape == (len(vocabulary()) + len(ANCHORS), 77)
    assert (tokens[:, -1] == 0).all()  # none was cut off
    assert len(tokens.unique(dim=0)) == len(tokens)
