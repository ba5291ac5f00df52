"""Facts about open_clip models for their specs: literals for presets, else from its registry."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache

from seiqa_features.errors import UsageError
from seiqa_features.extractors.specs import Weight
from seiqa_features.pictures.views import Resampling

SECONDS_PER_GIGAFLOP = 0.0104  # on one core, float32, measured with the presets


@dataclass(frozen=True)
class Facts:
    """An open_clip model and its tag.

    Attributes
    ----------
    dim : int
        Width of the image embedding.
    side : int
        Side of its square input pictures, in pixels.
    megabytes : int
        Size of its weights in float32.
    file : str
        Its weights on the Hugging Face hub, "<owner>/<repository>/<file>".
    licence : str
        Of the weights.
    cost : float
        Seconds for one pair on one CPU core.
    resampling : Resampling
        Filter of its own preprocessing.
    reads : bool
        Whether its tokenizer comes with open_clip. If it is a separate download, the extractor
        has no outputs from texts.
    stages : tuple[str, ...]
        Names of the maps of a convolutional image tower, () for a vision transformer, which has
        patch tokens.
    libraries : tuple[str, ...]
        Libraries whose version can change a value.
    source : str
        Paper.
    """

    model: str
    tag: str
    dim: int
    side: int
    megabytes: int
    file: str
    licence: str
    cost: float
    resampling: Resampling = "bicubic"
    reads: bool = True
    stages: tuple[str, ...] = ()
    libraries: tuple[str, ...] = ("torch", "open_clip_torch")
    source: str = "Radford et al., CLIP, ICML 2021"

    @property
    def weight(self) -> Weight:
        """Its single weights file."""
        name = f"open_clip/{self.model}/{self.tag}"
        return Weight(name, f"hf:{self.file}", self.megabytes, self.licence)


WITH_TIMM = ("torch", "open_clip_torch", "timm")
PERCEPTION_ENCODER = "Bolya et al., Perception Encoder, NeurIPS 2025"

# Literals, so that listing extractors does not import open_clip; a test compares them with it.
PRESETS = {
    "clip_b16": Facts(
        "ViT-B-16", "openai", dim=512, side=224, megabytes=598, cost=0.7,
        file="timm/vit_base_patch16_clip_224.openai/open_clip_model.safetensors",
        licence="MIT (OpenAI CLIP)",
    ),
    "clip_l14": Facts(
        "ViT-L-14", "openai", dim=768, side=224, megabytes=1710, cost=3.5,
        file="timm/vit_large_patch14_clip_224.openai/open_clip_model.safetensors",
        licence="MIT (OpenAI CLIP)",
    ),
    "clip_l14_336": Facts(
        "ViT-L-14-336", "openai", dim=768, side=336, megabytes=1712, cost=7.8,
        file="timm/vit_large_patch14_clip_336.openai/open_clip_model.safetensors",
        licence="MIT (OpenAI CLIP)",
    ),
    "pe_core_b16": Facts(
        "PE-Core-B-16", "meta", dim=1024, side=224, megabytes=1791, cost=0.7,
        file="timm/PE-Core-B-16/open_clip_model.safetensors", licence="apache-2.0",
        resampling="bilinear", libraries=WITH_TIMM, source=PERCEPTION_ENCODER,
    ),
    "pe_core_l14": Facts(
        "PE-Core-L-14-336", "meta", dim=1024, side=336, megabytes=2685, cost=8.0,
        file="timm/PE-Core-L-14-336/open_clip_model.safetensors", licence="apache-2.0",
        resampling="bilinear", libraries=WITH_TIMM, source=PERCEPTION_ENCODER,
    ),
}  # fmt: skip


@cache
def facts_of(model: str, tag: str) -> Facts:
    """Facts about a listed model and tag from open_clip's registry.

    Size and cost are derived from the architecture.

    Raises
    ------
    UsageError
        The text tower's architecture is a separate download.
    """
    import open_clip

    config, own = open_clip.get_model_config(model), open_clip.get_pretrained_cfg(model, tag)
    vision, text = config["vision_cfg"], config["text_cfg"]
    if "hf_model_name" in text:
        raise UsageError(
            f"open_clip model {model} cannot be used: the architecture of its text tower,"
            f" {text['hf_model_name']}, is a download of its own"
        )
    side, file = vision.get("image_size", 224), hub_file(model, tag)
    megabytes, gigaflops, stages = _size_and_work(model, side)
    return Facts(
        model,
        tag,
        dim=config["embed_dim"],
        side=side,
        megabytes=megabytes,
        file=file,
        licence=f"see https://huggingface.co/{file.rsplit('/', 1)[0]}",
        cost=round(2 * gigaflops * SECONDS_PER_GIGAFLOP, 1),
        resampling=own["interpolation"],
        reads="hf_tokenizer_name" not in text,
        stages=stages,
        libraries=WITH_TIMM if "timm_model_name" in vision else WITH_TIMM[:2],
    )


def hub_file(model: str, tag: str) -> str:
    """The weights file on the hub, "<owner>/<repository>/<file>".

    The registry may leave out the file name; open_clip then tries safetensors first and the older
    format second. All of timm's repositories have safetensors; the others predate that format and
    have the older one.
    """
    import open_clip

    entry = str(open_clip.get_pretrained_cfg(model, tag)["hf_hub"])
    if not entry.endswith("/"):
        return entry
    safe = entry.startswith("timm/")
    return entry + ("open_clip_model.safetensors" if safe else "open_clip_pytorch_model.bin")


def _size_and_work(model: str, side: int) -> tuple[int, float, tuple[str, ...]]:
    """Megabytes in float32, 10⁹ operations per picture, and names of a convolutional tower's maps.

    Computed from shapes only.
    """
    import open_clip
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from seiqa_features.extractors.openclip.patches import has_patches
    from seiqa_features.extractors.openclip.stages import names_of

    with _unlogged(), torch.device("meta"):
        network = open_clip.create_model(model, device="meta")
        images = torch.empty(1, 3, side, side)
        with FlopCounterMode(display=False) as counter:
            network.encode_image(images)
        stages = () if has_patches(network) else names_of(network, images)
    size = sum(4 * tensor.numel() for tensor in network.state_dict().values())
    return round(size / 1e6), counter.get_total_flops() / 1e9, stages


@contextmanager
def _unlogged() -> Iterator[None]:
    """Suppress open_clip's root-logger warning that a network without weights is random."""

    def drop(record: logging.LogRecord) -> bool:
        return record.levelno > logging.WARNING

    root = logging.getLogger()
    root.addFilter(drop)
    try:
        yield
    finally:
        root.removeFilter(drop)
