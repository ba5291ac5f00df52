"""What an extractor says about itself: enough to cache, list and test it without loading it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

from seiqa_features.pictures.views import Resampling

if TYPE_CHECKING:
    import torch

Better: TypeAlias = Literal["higher", "lower"]
"""Which values mean that less of the reference was lost."""


class Extract(Protocol):
    """The work itself, on prepared views."""

    def __call__(
        self, *, ref: torch.Tensor, dist: torch.Tensor, ref_index: torch.Tensor
    ) -> Mapping[str, torch.Tensor]:
        """Compute the outputs of a batch of pairs.

        All three tensors are on the device that the extractor was built for. The call may run
        under autocast of the spec's precision, so what needs float32 says so.

        Parameters
        ----------
        ref : torch.Tensor
            Float32 [U, 3, H, W] in 0..1, the batch's unique references.
        dist : torch.Tensor
            Float32 [B, 3, H, W] in 0..1.
        ref_index : torch.Tensor
            Int64 [B], which reference each degraded picture belongs to.

        Returns
        -------
        Mapping[str, torch.Tensor]
            Output name → float tensor [B] (scalar) or [B, d] (block). NaN means undefined. A
            pair's values do not depend on what else is in the batch: on a CPU to the bit, where
            kernels use the same number of threads (`seiqa_features.threads`).
        """
        ...


@dataclass(frozen=True)
class Output:
    """One output of an extractor.

    Attributes
    ----------
    dim : int
        0 for a scalar, else the block's width.
    identity : float | None
        The value for a picture compared with itself, None where there is no fixed one.
    symmetric : bool
        Whether swapping reference and degraded image leaves the value as it is.
    role : Literal['value', 'ref', 'dist']
        "value", or which picture an embedding describes; embeddings are stored as they are
        and paired (`seiqa_features.table.pairing`) when a table is assembled.
    better : Better | None
        The direction in which a value is better, where its definition settles that: never learned
        from labels. None for what has no such direction, such as a shift of lightness.
    metric : str | None
        The name under which the field publishes this number ("gmsd"); the pair is found by it.
    differentiable : bool
        Whether the value has a gradient with respect to the degraded picture
        (`seiqa_features.api.metric`).
    """

    dim: int = 0
    identity: float | None = None
    symmetric: bool = False
    role: Literal["value", "ref", "dist"] = "value"
    better: Better | None = None
    metric: str | None = None
    differentiable: bool = False


SIMILARITY = Output(identity=1.0, symmetric=True, better="higher", differentiable=True)
"""1 for equal pictures, less for others, whichever of the two is the reference."""

DISTANCE = Output(identity=0.0, symmetric=True, better="lower", differentiable=True)
"""0 for equal pictures, more for others, whichever of the two is the reference."""


@dataclass(frozen=True)
class Extra:
    """An optional extra of seiqa: packages that not every installation has.

    Attributes
    ----------
    name : str
        As in `pip install 'seiqa[name]'`.
    packages : tuple[str, ...]
        Distributions that it brings.
    """

    name: str
    packages: tuple[str, ...]


@dataclass(frozen=True)
class Weight:
    """One file of pretrained weights.

    Attributes
    ----------
    name : str
        Unique, e.g. "timm/vit_small_patch14_dinov2.lvd142m"; what a user names a file for.
    location : str
        Where its library gets it: "hf:<repository>/<file>" on the Hugging Face hub, or
        "<folder>|<URL>" for a file that torch.hub keeps in that folder of its cache, or
        "package:<distribution>/<file>" for one that an installed package holds.
    megabytes : int
        Size, rounded; for messages.
    licence : str
        Of the weights.
    sha256 : str | None
        Of the published file where it is known beforehand; any other file is then refused.
    extra : Extra | None
        Whose packages read the file, None where every installation can.
    """

    name: str
    location: str
    megabytes: int
    licence: str
    sha256: str | None = None
    extra: Extra | None = None

    @property
    def package(self) -> str | None:
        """The distribution that holds the file, None for a hub's."""
        kind, _, rest = self.location.partition(":")
        return rest.partition("/")[0] if kind == "package" else None


@dataclass(frozen=True)
class Resources:
    """What an extractor is built with.

    Attributes
    ----------
    device : str
        "cpu", "cuda" or "cuda:<number>".
    weights : Mapping[str, Path]
        Verified files by `Weight.name`.
    scratch : Path | None
        Folder for what is worth keeping between runs (text embeddings), None for none.
    """

    device: str = "cpu"
    weights: Mapping[str, Path] = field(default_factory=dict)
    scratch: Path | None = None


Precision = Literal["float32", "bfloat16", "float16"]

NETWORK_SIDE = 224
"""Pixels a side that networks for views of several sizes get where nobody names a view."""


@dataclass(frozen=True)
class ExtractorSpec:
    """Everything about an extractor but its work.

    Attributes
    ----------
    name : str
        Lower case with underscores, no double underscore.
    version : int
        Raise it when the values change for a reason that no other field shows.
    outputs : Mapping[str, Output]
        Name → `Output`.
    colour : str
        How the extractor uses the RGB input, e.g. "grey, rounded to 8 bits".
    libraries : tuple[str, ...]
        Distributions whose version can change a value.
    licence : str
        Of the code that computes it.
    source : str
        Paper or code the definition comes from.
    cost : float
        Seconds for one 512×384 pair on one CPU core, as measured by us.
    min_side : int
        Below this many pixels in the view every output is NaN (undefined).
    weights : tuple[Weight, ...]
        Pretrained files it needs. One with weights runs on a GPU where there is one; one
        without runs on the CPU.
    resampling : Resampling
        Filter that brings a picture to the view's size, from the weights' own
        configuration: "bicubic", "bilinear" or "lanczos".
    sides : tuple[int, ...]
        Sides in pixels of the square views it can use; () for any view.
    side_multiple : int
        With 2 or more it uses square views whose side is a multiple of it.
    precision : Precision
        Of the network's arithmetic where it need not be float32.
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

    @property
    def usual_view(self) -> str:
        """The view it gets where nobody names one: whole pictures, at their own size if it can."""
        if self.sides:
            return f"s{self.sides[0]}"
        if self.side_multiple > 1:
            return f"s{NETWORK_SIDE // self.side_multiple * self.side_multiple}"
        return "full"


@dataclass(frozen=True)
class Extractor:
    """A spec and the factory of its work. The factory imports what it needs when it is called."""

    spec: ExtractorSpec
    build: Callable[[Resources], Extract] = field(repr=False)
