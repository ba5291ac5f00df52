"""A feature recipe: which extractors are applied to which views, and fingerprints of the blocks."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from importlib.metadata import version as read_version
from typing import Any

import PIL

from seiqa_features.errors import UsageError
from seiqa_features.extractors.registry import get_extractor
from seiqa_features.extractors.specs import Better, ExtractorSpec, Output, Precision, Weight
from seiqa_features.pictures.views import View
from seiqa_features.table.pairing import paired_outputs
from seiqa_features.table.pooling import pooled_outputs

version = cache(read_version)  # parsing the distribution's metadata takes a millisecond


@dataclass(frozen=True)
class Block:
    """One extractor on one view: the unit that is cached.

    Attributes
    ----------
    checksums : tuple[tuple[str, str], ...]
        (weight name, SHA-256) of every pretrained file; empty until the recipe is bound.
    dtype : Precision
        Precision of the computation.
    """

    spec: ExtractorSpec
    view: View
    checksums: tuple[tuple[str, str], ...] = ()
    dtype: Precision = "float32"

    @property
    def name(self) -> str:
        """`<extractor>__<view>`, the prefix of its feature names."""
        return f"{self.spec.name}__{self.view.name}"

    @cached_property
    def outputs(self) -> Mapping[str, Output]:
        """The contents of a row: the extractor's outputs, pooled if there are crops."""
        return pooled_outputs(self.spec.outputs) if self.view.cropped else self.spec.outputs

    @cached_property
    def ingredients(self) -> dict[str, Any]:
        """Everything that can change a value, in JSON-compatible form."""
        return {
            "extractor": self.spec.name,
            "version": self.spec.version,
            "view": self.view.described,
            "resampling": f"{self.view.resampling or self.spec.resampling}, antialiased (Pillow)",
            "dtype": self.dtype,
            "weights": dict(self.checksums),
            "outputs": {name: output.dim for name, output in self.outputs.items()},
            "libraries": {
                **{name: version(name) for name in self.spec.libraries},
                "pillow": PIL.__version__,
            },
        }

    @cached_property
    def fingerprint(self) -> str:
        """Of its `ingredients`; see `fingerprint_of`."""
        return fingerprint_of(self.ingredients)


def fingerprint_of(ingredients: Mapping[str, Any]) -> str:
    """Hash of a block's ingredients, 16 hex digits: the store keeps its rows under this name."""
    text = json.dumps(ingredients, sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


@dataclass(frozen=True)
class Recipe:
    """An ordered set of blocks; `{"psnr": ["max512", "s256"], …}` in a configuration file."""

    blocks: tuple[Block, ...]

    @classmethod
    def parse(cls, features: Mapping[str, Sequence[str]]) -> Recipe:
        """The recipe for a configuration's mapping of extractor names to view names.

        Raises
        ------
        UsageError
            An extractor or a view does not exist, or an extractor cannot use a view.
        """
        blocks = []
        for name, views in features.items():
            spec = get_extractor(name).spec
            for view in map(View.parse, dict.fromkeys(views)):
                _require_usable(spec, view)
                blocks.append(Block(spec, view))
        return cls(tuple(blocks))

    @classmethod
    def from_dict(cls, saved: Mapping[str, Any]) -> Recipe:
        """The recipe saved by `to_dict`, as this installation would compute it with those weights.

        Raises
        ------
        UsageError
            An extractor or a view no longer exists.
        """
        blocks = []
        for block in cls.parse(saved["features"]).blocks:
            then = saved["blocks"].get(block.name, {})
            checksums = tuple(sorted(then.get("weights", {}).items()))
            blocks.append(replace(block, checksums=checksums, dtype=then.get("dtype", "float32")))
        return cls(tuple(blocks))

    @property
    def directions(self) -> dict[str, Better]:
        """The better direction of every scalar column that has one, by feature name."""
        return {
            f"{block.name}__{name}": output.better
            for block in self.blocks
            for name, output in paired_outputs(block.outputs).items()
            if output.better and not output.dim
        }

    @property
    def weights(self) -> dict[Weight, list[str]]:
        """Every pretrained file needed, and the names of the extractors that need it."""
        needed: dict[Weight, list[str]] = {}
        for spec in dict.fromkeys(block.spec for block in self.blocks):
            for weight in spec.weights:
                needed.setdefault(weight, []).append(spec.name)
        return needed

    def bind(
        self, checksums: Mapping[str, str], dtype: Callable[[ExtractorSpec], Precision]
    ) -> Recipe:
        """The recipe with the SHA-256 of its weights (by weight name) and precision filled in."""
        return Recipe(
            tuple(
                replace(
                    block,
                    checksums=tuple(
                        sorted((w.name, checksums[w.name]) for w in block.spec.weights)
                    ),
                    dtype=dtype(block.spec),
                )
                for block in self.blocks
            )
        )

    def without(self, extractors: Iterable[str]) -> Recipe:
        """The recipe without the blocks of these extractors."""
        gone = set(extractors)
        return Recipe(tuple(block for block in self.blocks if block.spec.name not in gone))

    def to_dict(self) -> dict[str, Any]:
        """JSON form with the ingredients of every block, as saved in a bundle."""
        views: dict[str, list[str]] = {}
        for block in self.blocks:
            views.setdefault(block.spec.name, []).append(block.view.name)
        return {
            "features": views,
            "blocks": {block.name: block.ingredients for block in self.blocks},
        }


def _require_usable(spec: ExtractorSpec, view: View) -> None:
    if spec.only_view not in (None, view.name):
        raise UsageError(
            f"extractor {spec.name} cannot use view {view.name}; it sees only {spec.only_view}"
        )
    if spec.sides and not (view.square and view.size in spec.sides):
        sides = " or ".join(f"c{side}" for side in spec.sides)
        raise UsageError(f"extractor {spec.name} cannot use view {view.name}; it sees {sides}")
    if spec.side_multiple > 1 and not (view.square and view.size % spec.side_multiple == 0):
        near = spec.side_multiple * max(1, round(view.size / spec.side_multiple))
        raise UsageError(
            f"extractor {spec.name} cannot use view {view.name}: it needs a square whose side is a"
            f" multiple of {spec.side_multiple}, such as s{near}"
        )
