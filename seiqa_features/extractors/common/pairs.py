"""Extractor functions that compare the pictures of a pair, for one pair or for a batch (torch).

On a CPU every picture and every pair is computed by itself, because the rounding of some kernels
depends on the batch size and the values of a pair must not depend on its neighbours. On a GPU the
whole batch is computed at once. Either way a reference is described once for all its degraded
versions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch

from seiqa_features.extractors.specs import Extract

Description = tuple[torch.Tensor, ...]
"""What is compared of n pictures: tensors [n, …]."""


def compared(
    describe: Callable[[torch.Tensor], Description],
    compare: Callable[[Description, Description], Mapping[str, torch.Tensor]],
    *,
    describe_ref: Callable[[torch.Tensor], Description] | None = None,
) -> Extract:
    """The extractor function of a comparison.

    Parameters
    ----------
    describe : Callable[[torch.Tensor], Description]
        Describes n pictures, float32 [n, 3, H, W] in 0..1.
    compare : Callable[[Description, Description], Mapping[str, torch.Tensor]]
        The outputs by name, [n] or [n, d], for descriptions of n references and n degraded
        pictures. Scalars become float64, dense outputs float32.
    describe_ref : Callable[[torch.Tensor], Description] | None
        Describes references, if more is needed of them [`describe`].
    """
    of_ref = describe_ref or describe

    def extract(
        *, ref: torch.Tensor, dist: torch.Tensor, ref_index: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        if dist.device.type == "cpu":
            refs = [of_ref(image[None]) for image in ref]
            rows = [
                compare(refs[r], describe(dist[i : i + 1]))
                for i, r in enumerate(ref_index.tolist())
            ]
            values = {name: torch.cat([row[name] for row in rows]) for name in rows[0]}
        else:
            picked = tuple(part[ref_index] for part in of_ref(ref))
            values = dict(compare(picked, describe(dist)))
        return {
            name: value.double() if value.ndim == 1 else value.float()
            for name, value in values.items()
        }

    return extract


def measured(metric: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]) -> Extract:
    """The extractor function of a metric (dist, ref) of [n, 3, H, W] that returns n numbers.

    Its only output, `value`, is float64 [B].
    """

    def extract(
        *, ref: torch.Tensor, dist: torch.Tensor, ref_index: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        if dist.device.type == "cpu":
            pairs = enumerate(ref_index.tolist())
            parts = [metric(dist[i : i + 1], ref[r : r + 1]).reshape(1) for i, r in pairs]
            return {"value": torch.cat(parts).double()}
        return {"value": metric(dist, ref[ref_index]).reshape(len(dist)).double()}

    return extract
