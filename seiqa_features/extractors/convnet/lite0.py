"""EfficientNet-Lite0 (torch), with the weights contained in an installed package.

Tan and Le, EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks, ICML 2019,
table 1; Lite0 (2020) has no squeeze-and-excite, ReLU6 instead of swish, and unscaled stem and head.
timm has a bit-identical network, as a test checks. It is reimplemented here because timm imports
torchvision and all its models, which took as long as all other steps of scoring a pair.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import torch
from torch import nn
from torch.nn import functional as F

STAGES = (
    # blocks, kernel, stride, expansion, channels
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
"""Rows 2 to 8 of table 1."""

WIDEST = (0, 1, 2, 4, 6)
"""Stages that are the last of their resolution."""

STEM, HEAD, CLASSES = 32, 1280, 1000

EPSILON = 1e-3
"""For batch normalisation, as in training with TensorFlow."""


class Convolution(nn.Conv2d):
    """Without bias; TensorFlow SAME padding: output ⌈side / stride⌉, an odd pixel at the end."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, *, stride: int = 1, groups: int = 1
    ) -> None:
        padding = kernel // 2 if stride == 1 else 0
        super().__init__(inputs, outputs, kernel, stride, padding, groups=groups, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Maps [n, outputs, ⌈h / stride⌉, ⌈w / stride⌉]."""
        if self.stride[0] > 1:
            x = F.pad(x, [*self._border(x.shape[3]), *self._border(x.shape[2])])
        return super().forward(x)

    def _border(self, side: int) -> tuple[int, int]:
        kernel, stride = self.kernel_size[0], self.stride[0]
        missing = max((-(-side // stride) - 1) * stride + kernel - side, 0)
        return missing // 2, missing - missing // 2


class Block(nn.Module):
    """Inverted residual: 1×1 expansion, depthwise convolution, 1×1 projection; with ReLU6."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        width = inputs * expansion
        widening = [] if expansion == 1 else [Convolution(inputs, width, 1), *_normalised(width)]
        self.layers = nn.Sequential(
            *widening,
            Convolution(width, width, kernel, stride=stride, groups=width),
            *_normalised(width),
            Convolution(width, outputs, 1),
            nn.BatchNorm2d(outputs, eps=EPSILON),
        )
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Maps [n, outputs, ⌈h / stride⌉, ⌈w / stride⌉]."""
        out: torch.Tensor = self.layers(x)
        return out + x if self.residual else out


class Lite0(nn.Module):
    """The network, for pictures float32 [n, 3, h, w] normalised with mean and deviation .5.

    It has the timm methods and attributes that `seiqa_features.extractors.convnet.stages` uses.
    """

    num_classes = CLASSES
    pretrained_cfg: ClassVar = {"mean": (0.5,) * 3, "std": (0.5,) * 3}

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(Convolution(3, STEM, 3, stride=2), *_normalised(STEM))
        self.stages, channels = nn.ModuleList(), STEM
        for count, kernel, stride, expansion, outputs in STAGES:
            blocks = nn.Sequential(Block(channels, outputs, kernel, stride, expansion))
            for _ in range(count - 1):
                blocks.append(Block(outputs, outputs, kernel, 1, expansion))
            self.stages.append(blocks)
            channels = outputs
        self.head = nn.Sequential(Convolution(channels, HEAD, 1), *_normalised(HEAD))
        self.classifier = nn.Linear(HEAD, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The class logits [n, 1000]."""
        return self.forward_head(self.forward_intermediates(x)[0])

    def forward_intermediates(self, x: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """The final map [n, 1280, h/32, w/32], and one of each resolution from h/2 to h/32."""
        x, maps = self.stem(x), []
        for number, stage in enumerate(self.stages):
            x = stage(x)
            if number in WIDEST:
                maps.append(x)
        return self.head(x), maps

    def forward_head(self, x: torch.Tensor, pre_logits: bool = False) -> torch.Tensor:
        """The mean of the final map [n, 1280], or the class logits [n, 1000]."""
        pooled = F.adaptive_avg_pool2d(x, 1).flatten(1)
        scored: torch.Tensor = pooled if pre_logits else self.classifier(pooled)
        return scored


def load(file: Path) -> Lite0:
    """The network with the weights from the package.

    The package uses other tensor names, but stores the tensors in the order of use; every shape is
    checked.

    Raises
    ------
    ValueError
        The file contains tensors of other shapes.
    """
    theirs = torch.load(file, map_location="cpu", weights_only=True)
    numbers = [value for key, value in theirs.items() if not key.endswith("num_batches_tracked")]
    with torch.device("meta"):  # avoids random initialisation, since the file replaces it
        network = Lite0()
    state = network.state_dict()
    names = [key for key in state if not key.endswith("num_batches_tracked")]
    if [state[name].shape for name in names] != [value.shape for value in numbers]:
        raise ValueError("tensors of other shapes than those of EfficientNet-Lite0")
    # Cloned, since memory order and alignment in the file can change the last digit of a product.
    # Assigned, since copying into a module that was on the meta device makes PyTorch import sympy.
    counts = {key: torch.zeros(()).long() for key in state.keys() - set(names)}
    cloned = [value.clone(memory_format=torch.contiguous_format) for value in numbers]
    network.load_state_dict({**counts, **dict(zip(names, cloned, strict=True))}, assign=True)
    return network


def _normalised(channels: int) -> tuple[nn.Module, nn.Module]:
    return nn.BatchNorm2d(channels, eps=EPSILON), nn.ReLU6(inplace=True)
