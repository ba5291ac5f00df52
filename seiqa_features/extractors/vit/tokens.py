"""Outputs of a timm vision transformer for pictures: its tokens and its attention (torch)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isqrt
from typing import Any

import torch
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from seiqa_features.extractors.common.networks import Features, encode_both
from seiqa_features.extractors.common.tokens import MIDDLE_LAYERS, compare, cosine, unit


class LastAttention(TorchFunctionMode):
    """Records query and keys of the last fused attention run in its context, for any network.

    Query and keys are recorded as passed to `scaled_dot_product_attention`, so they include rotary
    position embeddings and query normalisation. The mode is local to one thread: other threads
    that run the same network concurrently are unaffected.
    """

    def __init__(self) -> None:
        super().__init__()
        self._logits: Callable[[], torch.Tensor] | None = None

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if func is F.scaled_dot_product_attention:
            self._note(*args, **kwargs)
        return func(*args, **kwargs)

    def _note(
        self,
        query: torch.Tensor,
        key: torch.Tensor,
        *_: object,
        attn_mask: torch.Tensor | None = None,
        scale: float | None = None,
        **__: object,
    ) -> None:
        first = query[:, :, :1]
        factor = query.shape[-1] ** -0.5 if scale is None else scale

        def logits() -> torch.Tensor:
            products = factor * (first.float() * key.float()).sum(dim=-1)
            return products if attn_mask is None else products + attn_mask[..., 0, :]

        self._logits = logits

    def of_first_token(self) -> torch.Tensor:
        """Attention of the first token, mean over heads: float32 [n, N], rows sum to 1.

        Raises
        ------
        RuntimeError
            No fused attention ran.
        """
        if self._logits is None:
            raise RuntimeError("no fused attention ran; expected scaled_dot_product_attention")
        return self._logits().softmax(dim=-1).mean(dim=1)


def encoder(network: Any, device: str) -> Callable[[torch.Tensor], dict[str, torch.Tensor]]:
    """The function that computes the inputs of `compare` and "embedding" [n, d] from [n, 3, H, W].

    Pictures are RGB 0..1. The embedding is the class token of the last layer or, if there is none,
    the input of the network's own head. The norm after the last layer is applied to the middle
    layers too.

    Parameters
    ----------
    network : Any
        A vision transformer of timm.
    """
    config = network.pretrained_cfg
    mean, std = (torch.tensor(config[key], device=device).view(3, 1, 1) for key in ("mean", "std"))
    depth, prefix = len(network.blocks), network.num_prefix_tokens  # class and register tokens
    layers = [depth * quarters // 4 - 1 for quarters in (1, 2, 3)]
    has_class_token = getattr(network, "cls_token", None) is not None

    def encode(images: torch.Tensor) -> dict[str, torch.Tensor]:
        with LastAttention() as attention:
            last, middle = network.forward_intermediates(
                (images - mean) / std, indices=layers, norm=True, output_fmt="NLC"
            )
        patches = last[:, prefix:].float()
        features = {name: unit(tokens) for name, tokens in zip(MIDDLE_LAYERS, middle, strict=True)}
        features |= {"last": unit(patches), "mean": unit(patches.mean(dim=1))}
        if has_class_token:
            embedding = last[:, 0]
            weights = attention.of_first_token()[:, prefix:]
            features["attention"] = weights / weights.sum(dim=1, keepdim=True)
        else:
            embedding = network.forward_head(last, pre_logits=True)
        return {**features, "cls": unit(embedding), "embedding": embedding.float()}

    return encode


@dataclass(frozen=True)
class TokenWork:
    """An extractor function based on an `encoder`, and the map that its values come from."""

    encode: Callable[[torch.Tensor], Features]

    def __call__(
        self, *, ref: torch.Tensor, dist: torch.Tensor, ref_index: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        """The outputs of `compare`, and the embeddings of both pictures."""
        refs, dists = encode_both(self.encode, ref=ref, dist=dist)
        values = compare(ref=refs, dist=dists, ref_index=ref_index)
        return {**values, "cls_ref": refs["embedding"][ref_index], "cls_dist": dists["embedding"]}

    def cosine_map(self, *, ref: torch.Tensor, dist: torch.Tensor) -> torch.Tensor:
        """Cosines of the last layer's patch tokens of one square pair: float64 [h, h]."""
        refs, dists = encode_both(self.encode, ref=ref, dist=dist)
        cosines = cosine(refs["last"], dists["last"])[0]
        return cosines.view(isqrt(len(cosines)), -1)
