"""Features of two batches of tensors, with gradients: what a table holds, for use in a loss.

The value of a feature is that of a table, up to the rounding of its kernels: pictures are rounded
to 8 bits and resized by Pillow, as for a table. In the backward pass the rounding is ignored, and
the resizing is PyTorch's with the same filter.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from seiqa_features.extraction.runtime import Runtime
from seiqa_features.extractors.specs import Output
from seiqa_features.pictures.inputs import as_rgb
from seiqa_features.pictures.views import View
from seiqa_features.table.pairing import paired_outputs
from seiqa_features.table.recipe import Block, Recipe

if TYPE_CHECKING:
    import torch
    from PIL import Image


def without_gradient(recipe: Recipe, columns: Collection[str]) -> list[str]:
    """What in these columns of a table has no gradient, as phrases for a message.

    Parameters
    ----------
    recipe : Recipe
        Of the table.
    columns : Collection[str]
        Names of the table's columns that are read.
    """
    found = []
    for block in recipe.blocks:
        read = _outputs(block, columns)
        rough = [name for name, facts in read.items() if not facts.differentiable]
        if rough:
            rest = f" and {len(rough) - 2} more" if len(rough) > 2 else ""
            found.append(f"{block.spec.name} ({', '.join(rough[:2])}{rest})")
        view = block.view
        if read and (view.cropped or view.aligned or _filter(block) == "lanczos"):
            found.append(f"view {view.name}")
    return list(dict.fromkeys(found))


def features_of(
    dist: torch.Tensor,
    ref: torch.Tensor,
    *,
    recipe: Recipe,
    columns: Collection[str],
    runtime: Runtime,
) -> dict[str, torch.Tensor]:
    """The features of each pair by column name, on the CPU: scalars [B] and blocks [B, d].

    Parameters
    ----------
    dist : torch.Tensor
        Float [B, 3, H, W]; values as for `seiqa_features.pictures.inputs`. Those outside 0..1 have
        zero gradient.
    ref : torch.Tensor
        The same, or [1, 3, H, W] for one reference of all pairs; without a gradient. Its size is
        that of the views.
    recipe : Recipe
        Bound to `runtime`.
    columns : Collection[str]
        Only these are returned; they must have a gradient (`without_gradient`).

    Raises
    ------
    DataError
        A picture is unusable.
    """
    from seiqa_features.extractors.common.constants import computing_on
    from seiqa_features.extractors.common.gradients import UsableGradients
    from seiqa_features.extractors.common.precision import computing_in

    refs = [as_rgb(picture, name="ref") for picture in ref]
    dists = [as_rgb(picture, name="dist") for picture in dist.detach()]
    index = ref_index(len(refs), len(dists), "cpu")
    features: dict[str, torch.Tensor] = {}
    for block in recipe.blocks:
        wanted = _outputs(block, columns)
        if not wanted:
            continue
        size = refs[0].size
        seen_ref, seen_dist = (_prepared(block, pictures, size) for pictures in (refs, dists))
        smooth = _resized(dist.clamp(0, 1), block, size).to(seen_dist)
        seen_dist = smooth + (seen_dist - smooth).detach()
        if min(seen_dist.shape[2:]) < block.spec.min_side:
            values = _undefined(wanted, len(dists))
        else:
            home = runtime.device if runtime.on_gpu(block.spec) else "cpu"
            with computing_in(block.dtype, home), computing_on(home), UsableGradients():
                found = runtime.work(block.spec.name)(
                    ref=seen_ref.to(home), dist=seen_dist.to(home), ref_index=index.to(home)
                )
                values = {name: value_of(name, found) for name in wanted}
        features |= {f"{block.name}__{name}": value.cpu() for name, value in values.items()}
    return features


def ref_index(refs: int, dists: int, device: str) -> torch.Tensor:
    """Position of each degraded picture's reference, int64 [dists]; a single one is of all."""
    import torch

    rows = torch.arange(dists, device=device)
    return torch.zeros_like(rows) if refs == 1 else rows


def value_of(output: str, values: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """An output of an extractor, or what pairing makes of its embeddings, float64 [B] or [B, d].

    This is `seiqa_features.table.pairing.pair_embeddings` in PyTorch. ``values`` has the outputs of
    the extractor for a batch, by name.
    """
    import torch
    from torch.nn import functional as F

    if output in values:
        return values[output].double()
    stem, _, kind = output.rpartition("_")
    ref, dist = (values[f"{stem}_{role}"].double() for role in ("ref", "dist"))
    if kind == "absdiff":
        return (dist - ref).abs()
    if kind == "product":
        return dist * ref
    if kind == "cosine":
        return F.cosine_similarity(ref, dist, dim=1)
    distance: torch.Tensor = torch.linalg.vector_norm(dist - ref, 2 if kind == "l2" else 1, dim=1)
    return distance


def _outputs(block: Block, columns: Collection[str]) -> dict[str, Output]:
    """The outputs of a block that are among the columns."""
    paired = paired_outputs(block.outputs)
    return {name: facts for name, facts in paired.items() if f"{block.name}__{name}" in columns}


def _filter(block: Block) -> str:
    return block.view.resampling or block.spec.resampling


def _prepared(
    block: Block, pictures: Sequence[Image.Image], ref_size: tuple[int, int]
) -> torch.Tensor:
    """The pictures in a block's view, as for a table: float32 [n, 3, H, W]."""
    import torch

    views = [block.view.prepare(each, ref_size, block.spec.resampling) for each in pictures]
    return torch.from_numpy(np.concatenate(views)).float() / 255


def _resized(batch: torch.Tensor, block: Block, ref_size: tuple[int, int]) -> torch.Tensor:
    """The batch in a block's view without rounding, for the backward pass."""
    from torch.nn import functional as F

    view: View = block.view
    width, height = view.resized(ref_size)
    if batch.shape[2:] != (height, width):
        batch = F.interpolate(batch, (height, width), mode=_filter(block), antialias=True)
    if view.kind == "pad":
        left, top = (view.size - width) // 2, (view.size - height) // 2
        edges = (left, view.size - width - left, top, view.size - height - top)
        return F.pad(batch, edges)
    if view.kind == "c":
        [top], [left] = view.offsets(height), view.offsets(width)
        return batch[:, :, top : top + view.size, left : left + view.size]
    return batch


def _undefined(wanted: Mapping[str, Output], count: int) -> dict[str, torch.Tensor]:
    import torch

    return {
        name: torch.full((count, facts.dim) if facts.dim else (count,), torch.nan)
        for name, facts in wanted.items()
    }
