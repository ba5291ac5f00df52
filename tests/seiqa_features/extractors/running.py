"""Running an extractor on lists of pictures, and comparing what it says to the bit."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from seiqa_features.extractors.specs import Extract

Values = Mapping[str, torch.Tensor]


def run(
    work: Extract, refs: list[torch.Tensor], dists: list[torch.Tensor], index: list[int]
) -> Values:
    """Values of degraded pictures [3, H, W], each with the reference that `index` says."""
    with torch.inference_mode():
        return work(ref=torch.stack(refs), dist=torch.stack(dists), ref_index=torch.tensor(index))


def assert_same_bits(ours: Values, theirs: Values) -> None:
    assert ours.keys() == theirs.keys()
    for name in ours:
        assert torch.equal(ours[name], theirs[name]), name
