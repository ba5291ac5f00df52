"""Values of a pair, given a network: pyiqa's metrics as pyiqa defines them.

LPIPS, ST-LPIPS and DISTS compare feature maps. The maps are pyiqa's; the comparison is implemented
here so that it runs in float32 even if the network runs in half precision, and so that a reference
is encoded only once. Other full-reference metrics are called as a whole. No-reference metrics are
applied to both pictures.

On a CPU the pictures go through a network one at a time, on a GPU as a batch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from seiqa_features.extractors.deep.loading import Network, load_clip
from seiqa_features.extractors.specs import Extract, Resources

if TYPE_CHECKING:
    import torch

Maps = Sequence["torch.Tensor"]
"""Feature maps of n pictures, [n, C, H, W] for each network level."""

CLIPIQA_PROMPTS = [
    "Good image", "bad image",
    "Sharp image", "blurry image",
    "sharp edges", "blurry edges",
    "High resolution image", "low resolution image",
    "Noise-free image", "noisy image",
]  # fmt: skip


def lpips(network: Network, resources: Resources) -> Extract:
    """Squared differences of unit-length features, weighted, averaged over each map, summed.

    Zhang et al., CVPR 2018, eq. 1. `value` is float64 [B], 0 for equal pictures, rarely over 1.
    """
    import torch

    net = network.load(resources)
    weights = [lin.model[-1].weight for lin in net.lins]  # [1, C, 1, 1] for each level

    def encode(images: torch.Tensor) -> Maps:
        maps: Maps = net.net(net.scaling_layer(2 * images - 1))
        return maps

    def unit(features: torch.Tensor) -> torch.Tensor:
        features = features.float()  # 1e-10 underflows in half precision
        return features / (features.square().sum(dim=1, keepdim=True).sqrt() + 1e-10)

    def distance(ref: Maps, dist: Maps) -> torch.Tensor:
        levels = [
            (weight * (unit(r) - unit(d)).square()).sum(dim=1).mean(dim=(1, 2))
            for weight, r, d in zip(weights, ref, dist, strict=True)
        ]
        return torch.stack(levels).sum(dim=0)

    return _compare_maps(encode, distance)


def dists(network: Network, resources: Resources) -> Extract:
    """Weighted loss of similarity of channel means and structures, over all levels.

    Ding et al., TPAMI 2022; both similarities are those of SSIM, over whole maps. The authors' code
    computes a covariance as the difference of two large means; here it is computed around the
    means, which is more precise. `value` is float64 [B], 0 for equal pictures, about 1 at most.
    """
    import torch

    net = network.load(resources)
    total = net.alpha.sum() + net.beta.sum()
    alpha, beta = ((w.flatten() / total).split(net.chns) for w in (net.alpha, net.beta))

    def loss(product: torch.Tensor, squares: torch.Tensor) -> torch.Tensor:
        return 1 - (2 * product + 1e-6) / (squares + 1e-6)

    def level(ref: torch.Tensor, dist: torch.Tensor, k: int) -> torch.Tensor:
        r, d = ref.float().flatten(2), dist.float().flatten(2)
        r_mean, d_mean = r.mean(dim=2), d.mean(dim=2)
        r, d = r - r_mean[..., None], d - d_mean[..., None]
        variances = r.square().mean(dim=2) + d.square().mean(dim=2)
        means = loss(r_mean * d_mean, r_mean.square() + d_mean.square())
        structures = loss((r * d).mean(dim=2), variances)
        lost: torch.Tensor = alpha[k] * means + beta[k] * structures
        return lost.sum(dim=1)

    def distance(ref: Maps, dist: Maps) -> torch.Tensor:
        levels = [level(r, d, k) for k, (r, d) in enumerate(zip(ref, dist, strict=True))]
        return torch.stack(levels).sum(dim=0)

    return _compare_maps(net.forward_once, distance)


def called_whole(network: Network, resources: Resources) -> Extract:
    """A metric that pyiqa computes from two batches of pictures. `value` is float64 [B]."""
    import torch

    net = network.load(resources)

    def extract(
        *, ref: torch.Tensor, dist: torch.Tensor, ref_index: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        if dist.device.type == "cpu":
            pairs = enumerate(ref_index.tolist())
            values = torch.cat([net(dist[i : i + 1], ref[r : r + 1]).flatten() for i, r in pairs])
        else:
            values = net(_channels_last(dist), _channels_last(ref[ref_index])).flatten()
        return {"value": values.double()}

    return extract


def opinion(network: Network, resources: Resources) -> Extract:
    """A no-reference metric of both pictures; MUSIQ ranges from about 0 to 100 (best).

    `ref`, `dist` and `difference`, which is dist − ref, are float64 [B].
    """
    net = network.load(resources)
    return _judge_both(lambda images: net(images).flatten())


def clipiqa(network: Network, resources: Resources) -> Extract:
    """How much closer each picture is to a good than to a bad description, over five such pairs.

    `ref` and `dist` are float64 [B], 0 to 1 (best); `difference` is dist − ref. pyiqa's own class
    cannot be imported with a recent setuptools (its tokenizer needs pkg_resources), so its use of
    CLIP is reimplemented here, with the descriptions encoded once.
    """
    import torch
    from open_clip import tokenize
    from pyiqa.archs.constants import OPENAI_CLIP_MEAN, OPENAI_CLIP_STD
    from torch.nn import functional as F

    [weight] = network.weights
    clip = load_clip(weight, resources)
    mean, std = (
        torch.tensor(values, device=resources.device).view(1, 3, 1, 1)
        for values in (OPENAI_CLIP_MEAN, OPENAI_CLIP_STD)
    )
    with torch.no_grad():
        descriptions = clip.encode_text(tokenize(CLIPIQA_PROMPTS).to(resources.device))  # [10, d]
        scale: torch.Tensor = clip.logit_scale.exp()

    def quality(images: torch.Tensor) -> torch.Tensor:
        seen: torch.Tensor = clip.encode_image((images - mean) / std, pos_embedding=False).float()
        logits = scale * F.cosine_similarity(seen[:, None], descriptions, dim=2)
        return logits.view(-1, len(CLIPIQA_PROMPTS) // 2, 2).softmax(dim=2)[..., 0].mean(dim=1)

    return _judge_both(quality)


def _compare_maps(
    encode: Callable[[torch.Tensor], Maps], distance: Callable[[Maps, Maps], torch.Tensor]
) -> Extract:
    """`distance` is float32 [n], between the maps of n references and n degraded images."""
    import torch

    def extract(
        *, ref: torch.Tensor, dist: torch.Tensor, ref_index: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        if dist.device.type == "cpu":
            refs = [encode(image[None]) for image in ref]
            pairs = enumerate(ref_index.tolist())
            values = torch.cat([distance(refs[r], encode(dist[i : i + 1])) for i, r in pairs])
        else:
            maps, u = encode(_channels_last(torch.cat([ref, dist]))), len(ref)
            values = distance([m[:u][ref_index] for m in maps], [m[u:] for m in maps])
        return {"value": values.double()}

    return extract


def _judge_both(quality: Callable[[torch.Tensor], torch.Tensor]) -> Extract:
    """`quality` returns float [n] for n pictures."""
    from seiqa_features.extractors.common.networks import encode_both

    def encode(images: torch.Tensor) -> Mapping[str, torch.Tensor]:
        return {"quality": quality(images).double()}

    def extract(
        *, ref: torch.Tensor, dist: torch.Tensor, ref_index: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        refs, dists = encode_both(encode, ref=ref, dist=dist)
        before, after = refs["quality"][ref_index], dists["quality"]
        return {"ref": before, "dist": after, "difference": after - before}

    return extract


def _channels_last(images: torch.Tensor) -> torch.Tensor:
    import torch

    return images.contiguous(memory_format=torch.channels_last)
