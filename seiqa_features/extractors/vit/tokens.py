"""Patch tokens of two pictures, place by place: cosine maps and what they say (torch).

A vision transformer describes a picture by one token per patch. The map of cosines between two
pictures' tokens shows where content changed; the class token's attention says which places matter.

Sums of products instead of matrix products throughout: autocast would round those to 8 bits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from seiqa_features.extractors.common.matching import match
from seiqa_features.extractors.common.networks import encode_both
from seiqa_features.extractors.common.tensors import GRID
from seiqa_features.extractors.vit.maps import map_statistics, worst_regions

Features = Mapping[str, torch.Tensor]

MIDDLE_LAYERS = ("mid1", "mid2", "mid3")  # after a quarter, half and three quarters of the depth


class LastAttention(TorchFunctionMode):
    """Records query and keys of the last fused attention that runs inside it, for any network.

    Query and keys are taken where `scaled_dot_product_attention` gets them, so rotary position
    embeddings and normalised queries are in them. A mode belongs to one thread: others that run
    the same network at the same time see nothing of it.
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
        """Where the first token looks, mean over heads: float32 [n, N], rows sum to 1.

        Raises
        ------
        RuntimeError
            No fused attention ran.
        """
        if self._logits is None:
            raise RuntimeError("no fused attention ran; expected scaled_dot_product_attention")
        return self._logits().softmax(dim=-1).mean(dim=1)


def encoder(network: Any, device: str) -> Callable[[torch.Tensor], dict[str, torch.Tensor]]:
    """What `compare` reads of pictures RGB 0..1 [n, 3, H, W], and "embedding" [n, d].

    The embedding is the class token of the last layer, or where there is none what the network's
    own head would see. The norm that follows the last layer is applied to the middle ones too.

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
    """An extractor's work with an `encoder`, and the map that its numbers are taken from."""

    encode: Callable[[torch.Tensor], Features]

    def __call__(
        self, *, ref: torch.Tensor, dist: torch.Tensor, ref_index: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        """What `compare` says, and the embeddings of both pictures."""
        refs, dists = encode_both(self.encode, ref=ref, dist=dist)
        values = compare(ref=refs, dist=dists, ref_index=ref_index)
        return {**values, "cls_ref": refs["embedding"][ref_index], "cls_dist": dists["embedding"]}

    def cosine_map(self, *, ref: torch.Tensor, dist: torch.Tensor) -> torch.Tensor:
        """Cosines of the last layer's patch tokens of one pair [1, 3, H, W]: float64 [P]."""
        refs, dists = encode_both(self.encode, ref=ref, dist=dist)
        return cosine(refs["last"], dists["last"])[0]


def unit(vectors: torch.Tensor) -> torch.Tensor:
    """Vectors along the last dimension at length 1, float32."""
    return F.normalize(vectors.float(), dim=-1)


def cosine(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """Cosine of unit vectors [..., d] as 1 − ½|a − b|², float64 [...].

    Equal vectors give 1 to the bit, and nearly equal ones keep their small difference, which
    rounding would swallow in the sum of products.
    """
    return 1 - (one - other).square().sum(dim=-1).double() / 2


def compare(*, ref: Features, dist: Features, ref_index: torch.Tensor) -> dict[str, torch.Tensor]:
    """Everything the tokens of n pairs say.

    Parameters
    ----------
    ref : Features
        "cls" [U, d], "mean" [U, d] (mean patch token), "last" and `MIDDLE_LAYERS` [U, P, d]
        (patch tokens in reading order, P a square number), all `unit`; and, if the network has
        a class token, "attention" [U, P], rows that sum to 1.
    dist : Features
        The same of the degraded images, [n, …].
    ref_index : torch.Tensor
        Int64 [n], the reference of each.

    Returns
    -------
    dict[str, torch.Tensor]
        float64 [n] by name, and "grid" float32 [n, 64], the last layer's map as an 8×8 thumbnail.
        patch_* and the region are of the last layer, last_* matches its tokens with each other;
        patch_gap is the class tokens' cosine less the patches' mean. attention_cosine weighs the
        patches with the mean of both pictures' attention, ref_attention_cosine with the
        reference's; attention_shift is the share of the attention that moved (total variation,
        0..1).
    """
    if ref_index.device.type != "cpu":
        return _compare(_rows(ref, ref_index), dist)
    # One pair at a time, so that no sum depends on how many there are.
    pairs = [_compare(_rows(ref, [r]), _rows(dist, [i])) for i, r in enumerate(ref_index.tolist())]
    return {name: torch.cat([pair[name] for pair in pairs]) for name in pairs[0]}


def _rows(features: Features, index: torch.Tensor | list[int]) -> dict[str, torch.Tensor]:
    return {name: values[index] for name, values in features.items()}


def _compare(ref: Features, dist: Features) -> dict[str, torch.Tensor]:
    """`compare` for references that are repeated as the pairs need them."""
    field = cosine(ref["last"], dist["last"])
    side = round(field.shape[1] ** 0.5)
    values = {f"patch_{name}": value for name, value in map_statistics(field).items()}
    values |= {
        "patch_gap": cosine(ref["cls"], dist["cls"]) - values["patch_mean"],
        "mean_token_cosine": cosine(ref["mean"], dist["mean"]),
        **worst_regions(field.view(-1, side, side)),
        "grid": F.adaptive_avg_pool2d(field.view(-1, 1, side, side), GRID).flatten(1).float(),
    }
    for layer in MIDDLE_LAYERS:
        middle = map_statistics(cosine(ref[layer], dist[layer]))
        values |= {f"{layer}_{name}": middle[name] for name in ("mean", "std", "q05")}
    values |= match(_as_map(ref["last"], side), _as_map(dist["last"], side), prefix="last_")
    if "attention" in ref:
        r, d = ref["attention"].double(), dist["attention"].double()
        values["attention_cosine"] = ((r + d) / 2 * field).sum(dim=1)
        values["ref_attention_cosine"] = (r * field).sum(dim=1)
        values["attention_shift"] = (r - d).abs().sum(dim=1) / 2
    return values


def _as_map(tokens: torch.Tensor, side: int) -> torch.Tensor:
    """Tokens [n, P, d] as a map [n, d, side, side]."""
    count, _, width = tokens.shape
    return tokens.transpose(1, 2).reshape(count, width, side, side)
