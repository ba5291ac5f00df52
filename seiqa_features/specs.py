"""What an extractor says of itself: enough to cache it, list it and test it without loading it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    import torch


class Extract(Protocol):
    """The work itself, on prepared views.

    Args (keyword-only):
        ref: float32 [U, 3, H, W] in 0..1, the batch's unique references.
        dist: float32 [B, 3, H, W] in 0..1.
        ref_index: int64 [B], which reference each degraded image belongs to.

    Returns:
        Output name → float tensor [B] (scalar) or [B, d] (block). NaN means undefined. A pair's
        values do not depend on what else is in the batch.
    """

    def __call__(
        self, *, ref: torch.Tensor, dist: torch.Tensor, ref_index: torch.Tensor
    ) -> Mapping[str, torch.Tensor]: ...


@dataclass(frozen=True)
class Output:
    """One output of an extractor.

    Attributes:
        dim: 0 for a scalar, else the block's width.
        identity: the value for a picture compared with itself, None where there is no fixed one.
        symmetric: whether swapping reference and degraded image leaves the value as it is.
        role: "value", or which picture an embedding describes; embeddings are stored as they are
            and paired (`seiqa_features.pairing`) when a table is assembled.
    """

    dim: int = 0
    identity: float | None = None
    symmetric: bool = False
    role: Literal["value", "ref", "dist"] = "value"


@dataclass(frozen=True)
class ExtractorSpec:
    """Everything about an extractor but its work.

    Attributes:
        name: lower case with underscores, no double underscore.
        version: raise it when the values change for a reason that no other field shows.
        outputs: name → `Output`.
        colour: how the extractor uses the RGB input, e.g. "grey, rounded to 8 bits".
        libraries: distributions whose version can change a value.
        licence: of the code that computes it.
        source: paper or code the definition comes from.
        cost: seconds for one 512×384 pair on one CPU core, as measured by us.
        min_side: below this many pixels in the view every output is NaN (undefined).
        default: whether configurations that do not choose take it.
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
    default: bool = True


@dataclass(frozen=True)
class Extractor:
    """A spec and the factory of its work. The factory imports what it needs when it is called."""

    spec: ExtractorSpec
    build: Callable[[], Extract] = field(repr=False)
