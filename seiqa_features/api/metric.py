"""Metrics on batches of tensors: in a training loop, as a loss, on any device."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from seiqa_features.api.gradients import ref_index, value_of
from seiqa_features.errors import DataError
from seiqa_features.extraction.runtime import shared_runtime
from seiqa_features.extractors.specs import Better, ExtractorSpec
from seiqa_features.pictures.colour import OVERSHOOT, SLACK, warn_clamped
from seiqa_features.table.quantities import Quantity, find_quantity
from seiqa_features.table.recipe import Recipe

if TYPE_CHECKING:
    import torch

Weights = Path | str | Mapping[str, Path] | None


def create_metric(name: str, *, weights: Weights = None) -> Metric:
    """A full-reference metric as a function of two batches of tensors.

    Parameters
    ----------
    name : str
        A metric by its published name ("mdsi", "MS-SSIM", "lpips"), or `<extractor>__<output>`.
    weights : Path | str | Mapping[str, Path] | None
        As for `seiqa_features.extract`.

    Raises
    ------
    UsageError
        There is no metric of that name, or the name refers to several numbers.
    WeightsError
        Pretrained weights are missing and cannot be downloaded.

    Examples
    --------
    >>> import torch
    >>> gmsd = create_metric("gmsd")
    >>> gmsd.better
    'lower'
    >>> ref = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    >>> dist = (0.9 * ref).requires_grad_()
    >>> loss = gmsd(dist, ref).sum()
    >>> loss.backward()
    >>> bool(dist.grad.isfinite().all())
    True
    """
    return Metric(find_quantity(name), weights)


class Metric:
    """Computes one number per pair from batches of pictures. Created by `create_metric`.

    Attributes
    ----------
    name : str
        Published name, or `<extractor>__<output>`.
    better : Better | None
        "higher" or "lower", None if the number has no direction.
    identity : float | None
        The value for identical pictures, None if there is no fixed one.
    differentiable : bool
        Whether gradients flow to `dist`. Rounding to 8 bits, part of the definition of many
        metrics, is ignored in the backward pass, and flat regions have zero gradient. If false,
        the value has no gradient.
    """

    def __init__(self, quantity: Quantity, weights: Weights = None) -> None:
        self.name = quantity.name
        self.better: Better | None = quantity.facts.better
        self.identity = quantity.facts.identity
        self.differentiable = quantity.facts.differentiable
        self._quantity, self._weights = quantity, weights
        spec = quantity.spec
        shared_runtime("cpu", weights).bind(Recipe.parse({spec.name: [spec.usual_view]}))

    def __call__(self, dist: torch.Tensor, ref: torch.Tensor) -> torch.Tensor:
        """The value of each pair.

        Parameters
        ----------
        dist : torch.Tensor
            Float [B, 3, H, W], RGB in 0..1; values up to 0.05 outside are clamped, with a warning,
            and have zero gradient. Nothing is resized.
        ref : torch.Tensor
            The same, or [1, 3, H, W] for one reference shared by all pairs; on the same device.

        Returns
        -------
        torch.Tensor
            float64 [B] on that device. It is computed there if that is a CPU, or a GPU on which
            the metric can run (`ExtractorSpec.runs_on_gpu`), else on the CPU. Kernels use the
            caller's number of threads, so the last digits may differ from those of `extract` (by
            1e-5 of the value).

        Raises
        ------
        DataError
            The tensors have the wrong shape, type or value range, or the metric cannot use
            pictures of that size.
        """
        import torch

        from seiqa_features.extractors.common.constants import computing_on
        from seiqa_features.extractors.common.gradients import UsableGradients

        spec = self._quantity.spec
        _require_pairs(dist, ref)
        _require_size(dist, spec)
        home = str(dist.device) if spec.runs_on_gpu and dist.device.type == "cuda" else "cpu"
        work = shared_runtime(home, self._weights).work(spec.name)
        index = ref_index(len(ref), len(dist), home)
        dist, ref = _clamped(dist), _clamped(ref)
        if not self.differentiable:
            dist, ref = dist.detach(), ref.detach()
        with computing_on(home), UsableGradients():
            values = work(
                ref=ref.to(home, torch.float32),
                dist=dist.to(home, torch.float32),
                ref_index=index,
            )
            return value_of(self._quantity.output, values).to(dist.device)

    def __repr__(self) -> str:
        return (
            f"Metric({self.name!r}, better={self.better!r}, source={self._quantity.spec.source!r})"
        )


def _require_pairs(dist: torch.Tensor, ref: torch.Tensor) -> None:
    """Raise DataError unless these are two matching batches of pictures."""
    import torch

    sides = {"dist": dist, "ref": ref}
    for name, batch in sides.items():
        found = f"a {type(batch).__name__}"
        if isinstance(batch, torch.Tensor):
            plain = batch.layout == torch.strided and batch.is_floating_point()
            if plain and batch.dim() == 4 and batch.shape[1] == 3 and batch.numel():
                continue
            found = f"{batch.dtype} {list(batch.shape)}"
        raise DataError([f"{name}: {found}; expected a float tensor [B, 3, H, W]"])
    if ref.device != dist.device:
        raise DataError([f"ref is on {ref.device}, dist on {dist.device}; expected one device"])
    if ref.shape[2:] != dist.shape[2:] or len(ref) not in (1, len(dist)):
        raise DataError(
            [f"ref: {list(ref.shape)} for dist {list(dist.shape)}; expected the same shape, or one"
             " reference for all"]
        )  # fmt: skip
    for name, batch in sides.items():
        low, high = batch.min(), batch.max()
        if not (low >= -OVERSHOOT and high <= 1 + OVERSHOOT):  # also true for NaN
            raise DataError(
                [f"{name}: values {low:g} to {high:g}; expected 0 to 1: divide by"
                 " 255, or clamp(0, 1) what an optimiser has moved"]
            )  # fmt: skip


def _clamped(batch: torch.Tensor) -> torch.Tensor:
    """The batch in 0..1, unchanged if it is; a warning if it was more than rounding."""
    low, high = batch.min(), batch.max()
    if low >= 0 and high <= 1:
        return batch
    if low < -SLACK or high > 1 + SLACK:
        warn_clamped()
    return batch.clamp(0, 1)


def _require_size(dist: torch.Tensor, spec: ExtractorSpec) -> None:
    """Raise DataError unless the extractor can use pictures of this size."""
    height, width = dist.shape[2:]
    found = f"dist: {width}×{height} pixels; {spec.name}"
    if min(height, width) < spec.min_side:
        raise DataError([f"{found} needs {spec.min_side} a side"])
    if spec.sides and not (height == width and height in spec.sides):
        expected = " or ".join(map(str, spec.sides))
        raise DataError([f"{found} sees squares, {expected} a side; resize them"])
    if spec.side_multiple > 1 and not (height == width and height % spec.side_multiple == 0):
        raise DataError(
            [f"{found} sees squares, a multiple of {spec.side_multiple} a side; resize them"]
        )
