"""Paired embeddings against values worked out by hand."""

from __future__ import annotations

import numpy as np

from seiqa_features.extractors.specs import Output
from seiqa_features.table.pairing import pair_embeddings, paired_outputs


def test_by_hand() -> None:
    ref = np.array([[3, 4, 0], [1, 1, 1]], np.float32)
    dist = np.array([[0, 4, 3], [-1, -1, -1]], np.float32)
    paired = pair_embeddings(ref=ref, dist=dist)
    assert paired["absdiff"].tolist() == [[3, 0, 3], [2, 2, 2]]
    assert paired["product"].tolist() == [[0, 16, 0], [-1, -1, -1]]
    assert np.allclose(paired["cosine"], [16 / 25, -1], rtol=1e-15)
    assert np.allclose(paired["l1"], [6, 6], rtol=1e-15)
    assert np.allclose(paired["l2"], [np.sqrt(18), np.sqrt(12)], rtol=1e-15)
    assert {name: values.dtype for name, values in paired.items()} == {
        "absdiff": np.float32, "product": np.float32,
        "cosine": np.float64, "l1": np.float64, "l2": np.float64,
    }  # fmt: skip


def test_an_embedding_with_itself() -> None:
    vectors = np.random.default_rng(0).normal(size=(4, 8)).astype(np.float32)
    paired = pair_embeddings(ref=vectors, dist=vectors)
    assert np.allclose(paired["cosine"], 1, rtol=1e-15)
    assert not paired["absdiff"].any()
    assert not paired["l1"].any()
    assert not paired["l2"].any()


def test_cosine_of_a_zero_vector_is_undefined() -> None:
    zero, one = np.zeros((1, 3), np.float32), np.ones((1, 3), np.float32)
    assert np.isnan(pair_embeddings(ref=zero, dist=one)["cosine"]).all()
    assert np.isnan(pair_embeddings(ref=one, dist=zero)["cosine"]).all()
    assert np.isnan(pair_embeddings(ref=zero, dist=zero)["cosine"]).all()
    assert pair_embeddings(ref=zero, dist=one)["l1"].tolist() == [3]


def test_rows_with_undefined_embeddings_stay_undefined() -> None:
    nan, one = np.full((1, 3), np.nan, np.float32), np.ones((1, 3), np.float32)
    assert all(np.isnan(v).all() for v in pair_embeddings(ref=one, dist=nan).values())


def test_outputs_say_what_the_pairs_are() -> None:
    outputs = {
        "shift": Output(better="lower"),
        "cls_ref": Output(8, role="ref"),
        "cls_dist": Output(8, role="dist", differentiable=True),
    }
    paired = paired_outputs(outputs)
    vectors = np.ones((2, 8), np.float32)
    derived = pair_embeddings(ref=vectors, dist=vectors)
    assert list(paired) == ["shift", *(f"cls_{kind}" for kind in derived)]
    assert paired["shift"] is outputs["shift"]
    for kind, values in derived.items():
        facts = paired[f"cls_{kind}"]
        assert facts.dim == (8 if values.ndim == 2 else 0)
        assert facts.differentiable
        if facts.identity is not None:
            np.testing.assert_allclose(values, facts.identity, rtol=1e-12)
    assert [paired[f"cls_{kind}"].better for kind in ("cosine", "l2", "l1", "absdiff")] == [
        "higher", "lower", "lower", None,
    ]  # fmt: skip
