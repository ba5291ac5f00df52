"""Image quality metrics based on pretrained networks: the list and their files.

File sizes are published or computed as parameters times bytes. AHIQ is left out: pyiqa builds it on
whatever backbones timm currently provides under their untagged names (in pyiqa's own benchmark AHIQ
then has SROCC .71 on TID2013, TOPIQ .92).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

from seiqa_features.extractors.deep import afine
from seiqa_features.extractors.deep.loading import Network
from seiqa_features.extractors.deep.values import called_whole, clipiqa, dists, lpips, opinion
from seiqa_features.extractors.registry import register
from seiqa_features.extractors.specs import (
    DISTANCE,
    Extract,
    Extractor,
    ExtractorSpec,
    Output,
    Precision,
    Resources,
    Weight,
)

NONCOMMERCIAL = "PolyForm-Noncommercial-1.0.0"


def _torchvision(model: str, file: str, megabytes: int) -> Weight:
    url = f"https://download.pytorch.org/models/{file}"
    return Weight(f"torchvision/{model}", f"checkpoints|{url}", megabytes, "BSD-3-Clause")


def _pyiqa(stem: str, digits: str, megabytes: int, licence: str) -> Weight:
    url = "https://huggingface.co/chaofengc/IQA-PyTorch-Weights/resolve/main"
    return Weight(f"pyiqa/{stem}", f"pyiqa|{url}/{stem}{digits}.pth", megabytes, licence)


ALEXNET = _torchvision("alexnet", "alexnet-owt-7be5be79.pth", 244)
VGG16 = _torchvision("vgg16", "vgg16-397923af.pth", 553)
VGG19 = _torchvision("vgg19", "vgg19-dcbb9e9d.pth", 575)
LPIPS_ALEX = _pyiqa("LPIPS_v0.1_alex", "-df73285e", 1, "BSD-2-Clause")
LPIPS_VGG = _pyiqa("LPIPS_v0.1_vgg", "-a78928a0", 1, "BSD-2-Clause")
STLPIPS = _pyiqa("alex_shift_tolerant", "", 10, "BSD-2-Clause")
DISTS = _pyiqa("DISTS_weights", "-f5e65c96", 1, "MIT")
PIEAPP = _pyiqa("PieAPPv0.1", "-0937b014", 274, "none stated by the authors")
TOPIQ_KADID = _pyiqa("cfanet_fr_kadid_res50", "-2c4cc61d", 144, NONCOMMERCIAL)
TOPIQ_PIPAL = _pyiqa("cfanet_fr_pipal_res50", "-69bbe5ba", 144, NONCOMMERCIAL)
AFINE = _pyiqa("afine", "", 607, "none stated by the authors")
MUSIQ = _pyiqa("musiq_koniq_ckpt", "-e95806b9", 109, "Apache-2.0")
CLIP_RN50 = Weight(
    "clip/RN50",
    "clip|https://openaipublic.azureedge.net/clip/models/"
    "afeb0e10f9e5a86da6080e35cf09123aca3b358a0c3e3b6c78a7b63bc04b6762/RN50.pt",
    256,
    "MIT",
)


def _topiq(metric: str, checkpoint: Weight) -> Network:
    """TOPIQ network; its checkpoint also contains the backbone."""
    options = {"backbone_pretrain": False}
    return Network(metric, checkpoint=checkpoint, key="params", options=options)


LPIPS_BACKBONE = ("net.", "lins.", "scaling_layer.")  # an LPIPS file contains five vectors
DISTS_BACKBONE = ("stage", "mean", "std")

ERROR = Output(better="lower", differentiable=True)
QUALITY = Output(better="higher", differentiable=True)
OPINION = {"ref": Output(), "dist": QUALITY, "difference": replace(QUALITY, identity=0.0)}


def _register(
    name: str,
    factory: Callable[[Network, Resources], Extract],
    network: Network,
    outputs: Output | Mapping[str, Output],
    *,
    source: str,
    cost: float,
    min_side: int = 16,
    precision: Precision = "float32",
    libraries: tuple[str, ...] = (),
) -> None:
    """A single `Output` is the metric itself; among several, the metric is "value" or "dist"."""
    named = {"value": outputs} if isinstance(outputs, Output) else dict(outputs)
    published = "value" if "value" in named else "dist"
    named[published] = replace(named[published], metric=name)
    spec = ExtractorSpec(
        name=name,
        version=1,
        outputs=named,
        colour="RGB, 0..1",
        libraries=("torch", "pyiqa", *libraries),
        licence=NONCOMMERCIAL,
        source=source,
        cost=cost,
        min_side=min_side,
        weights=network.weights,
        precision=precision,
    )
    register(Extractor(spec, partial(factory, network)))


# Half precision is only for networks known to tolerate it. DISTS squares activations, which may
# overflow float16; TOPIQ overflows in it with random weights; DeepDC is wrong in either format.
_register(
    "lpips", lpips, Network("lpips", ALEXNET, LPIPS_ALEX, elsewhere=LPIPS_BACKBONE), DISTANCE,
    cost=0.07, min_side=31, precision="float16", libraries=("torchvision",),
    source="Zhang et al., LPIPS 0.1 on AlexNet, CVPR 2018",
)  # fmt: skip
_register(
    "lpips_vgg", lpips, Network("lpips-vgg", VGG16, LPIPS_VGG, elsewhere=LPIPS_BACKBONE), DISTANCE,
    cost=1.7, precision="float16", libraries=("torchvision",),
    source="Zhang et al., LPIPS 0.1 on VGG-16, CVPR 2018",
)  # fmt: skip
_register(
    "stlpips", lpips, Network("stlpips", checkpoint=STLPIPS, elsewhere=("lins.",)), DISTANCE,
    cost=0.65, min_side=21, precision="float16",
    source="Ghildyal and Liu, Shift-tolerant LPIPS on AlexNet, ECCV 2022",
)  # fmt: skip
_register(
    "dists", dists, Network("dists", VGG16, DISTS, elsewhere=DISTS_BACKBONE), DISTANCE,
    cost=1.6, precision="bfloat16", libraries=("torchvision",),
    source="Ding et al., DISTS, IEEE TPAMI 44(5), 2022",
)  # fmt: skip
_register(
    "deepdc", called_whole, Network("deepdc", VGG19), replace(DISTANCE, differentiable=False),
    cost=2.0, libraries=("torchvision",),
    source="Zhu et al., Deep Distance Correlation, arXiv 2211.04927",
)  # fmt: skip
_register(
    "pieapp", called_whole, Network("pieapp", checkpoint=PIEAPP), ERROR,
    cost=4.5, min_side=64, source="Prashnani et al., PieAPP 0.1 on a sparse grid, CVPR 2018",
)  # fmt: skip
_register(
    "topiq_fr", called_whole, _topiq("topiq_fr", TOPIQ_KADID), QUALITY,
    cost=0.8, libraries=("timm",),
    source="Chen et al., TOPIQ trained on KADID-10k, IEEE TIP 33, 2024",
)  # fmt: skip
_register(
    "topiq_fr_pipal", called_whole, _topiq("topiq_fr-pipal", TOPIQ_PIPAL), QUALITY,
    cost=0.8, libraries=("timm",),
    source="Chen et al., TOPIQ trained on PIPAL, IEEE TIP 33, 2024",
)  # fmt: skip
_register(
    "afine_fr", afine.afine, Network("afine_fr", checkpoint=AFINE), afine.OUTPUTS,
    cost=0.9, libraries=("torchvision",),
    source="Chen et al., A-FINE, its fidelity, naturalness and overall terms, CVPR 2025",
)  # fmt: skip
_register(
    "musiq", opinion, Network("musiq", checkpoint=MUSIQ), OPINION,
    cost=0.8, source="Ke et al., MUSIQ trained on KonIQ-10k, ICCV 2021",
)  # fmt: skip
_register(
    "clipiqa", clipiqa, Network("clipiqa", CLIP_RN50), OPINION,
    cost=0.8, min_side=31, precision="float16", libraries=("open_clip_torch",),
    source="Wang, Chan and Loy, CLIP-IQA on ResNet-50, AAAI 2023",
)  # fmt: skip
