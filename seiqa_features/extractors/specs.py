"""Description of an extractor: enough to cache, list and test it without loading it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

from seiqa_features.pictures.views import Resampling

if TYPE_CHECKING:
    import torch

Better: TypeAlias = Literal["higher", "lower"]
"""Which values mean less loss relative to the reference."""


class Extract(Protocol):
    """The extractor function, applied to prepared views."""

    def __call__(
        self, *, ref: torch.Tensor, dist: torch.Tensor, ref_index: torch.Tensor
    ) -> Mapping[str, torch.Tensor]:
        """Compute the outputs of a batch of pairs.

        All tensors are on the device that the extractor was built for. The call may run under
        autocast with the spec's precision: operations that need float32 must request it.

        Parameters
        ----------
        ref : torch.Tensor
            Float32 [U, 3, H, W] in 0..1, the batch's unique references.
        dist : torch.Tensor
            Float32 [B, 3, H, W] in 0..1.
        ref_index : torch.Tensor
            Int64 [B], index of the reference of each degraded picture.

        Returns
        -------
        Mapping[str, torch.Tensor]
            Output name → float tensor [B] (scalar) or [B, d] (block); NaN is undefined. A pair's
            values do not depend on what else is in the batch: on a CPU they are bit-identical if
            kernels use the same number of threads (`seiqa_features.threads`).
        """
        ...


@dataclass(frozen=True)
class Output:
    """One output of an extractor.

    Attributes
    ----------
    dim : int
        0 for a scalar, else the width of the block.
    identity : float | None
        The value for a picture compared with itself, None if there is no fixed one.
    symmetric : bool
        Whether the value is unchanged when reference and degraded image are swapped.
    role : Literal['value', 'ref', 'dist']
        "value", or the picture whose embedding it is; `seiqa_features.table.pairing` pairs both.
    better : Better | None
        The direction in which a value is better by its definition, never learned from labels;
        None if it has none, as for a shift of lightness.
    metric : str | None
        The published name of this number ("gmsd"), by which extractor and output can be found.
    differentiable : bool
        Whether the value has a gradient with respect to the degraded picture.
    """

    dim: int = 0
    identity: float | None = None
    symmetric: bool = False
    role: Literal["value", "ref", "dist"] = "value"
    better: Better | None = None
    metric: str | None = None
    differentiable: bool = False


SIMILARITY = Output(identity=1.0, symmetric=True, better="higher", differentiable=True)
"""1 for equal pictures, lower for others, whichever of the two is the reference."""

DISTANCE = Output(identity=0.0, symmetric=True, better="lower", differentiable=True)
"""0 for equal pictures, higher for others, whichever of the two is the reference."""


@dataclass(frozen=True)
class Extra:
    """An optional extra of seiqa: packages that not every installation has.

    Attributes
    ----------
    name : str
        As in `pip install 'seiqa[name]'`.
    packages : tuple[str, ...]
        Distributions that it installs.
    """

    name: str
    packages: tuple[str, ...]


@dataclass(frozen=True)
class Weight:
    """One file of pretrained weights.

    Attributes
    ----------
    name : str
        Unique, e.g. "timm/vit_small_patch14_dinov2.lvd142m"; users specify files by it.
    location : str
        "hf:<owner>/<name>/<file>" on the Hugging Face hub (<name> may be <name>@<commit>),
        "<folder>|<URL>" in that folder of torch.hub's cache, "package:<distribution>/<file>" in an
        installed package, or "file:<absolute path>" for a file of the user's.
    megabytes : int
        Size, rounded; for messages.
    licence : str
        Licence of the weights.
    sha256 : str | None
        SHA-256 of the published file if known in advance; any other file is then refused.
    extra : Extra | None
        The extra whose packages read the file, None if every installation can.
    """

    name: str
    location: str
    megabytes: int
    licence: str
    sha256: str | None = None
    extra: Extra | None = None

    @property
    def package(self) -> str | None:
        """The distribution that contains the file, None for any other file."""
        kind, _, rest = self.location.partition(":")
        return rest.partition("/")[0] if kind == "package" else None


@dataclass(frozen=True)
class Resources:
    """Resources for building an extractor.

    Attributes
    ----------
    device : str
        "cpu", "cuda" or "cuda:<number>".
    weights : Mapping[str, Path]
        Verified files by `Weight.name`.
    scratch : Path | None
        Folder for data worth keeping between runs (text embeddings), None for none.
    """

    device: str = "cpu"
    weights: Mapping[str, Path] = field(default_factory=dict)
    scratch: Path | None = None


Precision = Literal["float32", "bfloat16", "float16"]

NETWORK_SIDE = 224  # default side of the view in pixels for networks that accept several


@dataclass(frozen=True)
class ExtractorSpec:
    """Everything about an extractor except its function.

    Attributes
    ----------
    name : str
        Lower case with underscores, no double underscore.
    version : int
        Increase when the values change for a reason that no other field reflects.
    outputs : Mapping[str, Output]
        Name → `Output`.
    colour : str
        How the extractor uses the RGB input, e.g. "grey, rounded to 8 bits".
    libraries : tuple[str, ...]
        Distributions whose version can change a value.
    licence : str
        Licence of the code that computes it.
    source : str
        Paper or code that defines it.
    cost : float
        Measured seconds for one 512×384 pair on one CPU core.
    min_side : int
        If a side of the view has fewer pixels, every output is NaN (undefined).
    weights : tuple[Weight, ...]
        Pretrained files it needs. Extractors with weights run on a GPU if there is one.
    resampling : Resampling
        Filter for resizing pictures to the view, from the configuration of the weights.
    sides : tuple[int, ...]
        Sides in pixels of the square views it can use; () for any view.
    side_multiple : int
        If 2 or more, it uses square views whose side is a multiple of this.
    precision : Precision
        Precision in which the network can run if float32 is not required.
    only_view : str | None
        The one view that it can use, None if there are several.
    gpu : Literal['float32', 'float64', 'no'] | None
        Arithmetic of an extractor without weights on a GPU, float64 only if float32 misses the
        published tolerance; "no": it stays on the CPU. None: on a GPU if it has weights.
    gpu_note : str
        Why float64, why on the CPU, or why it waits; "" if none of these.
    waits : bool
        Whether the host has to wait for the GPU before a batch is done, for a reason in `gpu_note`.
    """

    name: str
    version: int
    outputs: Mapping[str, Output] = field(hash=False)
    colour: str
    libraries: tuple[str, ...]
    licence: str
    source: str
    cost: float
    min_side: int = 16
    weights: tuple[Weight, ...] = ()
    resampling: Resampling = "bicubic"
    sides: tuple[int, ...] = ()
    side_multiple: int = 1
    precision: Precision = "bfloat16"
    only_view: str | None = None
    gpu: Literal["float32", "float64", "no"] | None = None
    gpu_note: str = ""
    waits: bool = False

    @property
    def runs_on_gpu(self) -> bool:
        """Whether it runs on a GPU if there is one."""
        return self.gpu != "no" and bool(self.weights or self.gpu)

    @property
    def usual_view(self) -> str:
        """The default view: whole pictures, at their original size if possible."""
        if self.only_view is not None:
            return self.only_view
        if self.sides:
            return f"s{self.sides[0]}"
        if self.side_multiple > 1:
            return f"s{NETWORK_SIDE // self.side_multiple * self.side_multiple}"
        return "full"


@dataclass(frozen=True)
class Extractor:
    """A spec and the factory of its function. The factory imports its libraries when called."""

    spec: ExtractorSpec
    build: Callable[[Resources], Extract] = field(repr=False)
