"""An extractor that examines each picture separately and compares what was found in a pair."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, TypeVar

from seiqa_features.extractors.specs import Extract

if TYPE_CHECKING:
    import torch

Content = TypeVar("Content")


def comparing(
    examine: Callable[[torch.Tensor], Content],
    compare: Callable[[Content, Content], Mapping[str, float]],
    outputs: Collection[str],
) -> Extract:
    """The extractor function: every picture is examined once, however many pairs it is in.

    Parameters
    ----------
    examine : callable
        Returns the content of one picture float [3, H, W].
    compare : callable
        Returns the scalar outputs by name for the content of a reference and a degraded picture.
    outputs : collection of str
        Names of the outputs.
    """
    import torch

    def extract(
        *, ref: torch.Tensor, dist: torch.Tensor, ref_index: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        refs, dists = ([examine(image) for image in images] for images in (ref, dist))
        rows = [compare(refs[r], dists[i]) for i, r in enumerate(ref_index.tolist())]
        return {
            name: torch.tensor([row[name] for row in rows], dtype=torch.float64) for name in outputs
        }

    return extract
