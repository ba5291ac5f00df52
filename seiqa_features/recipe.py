"""A feature recipe: which extractors look at which views, and each such block's fingerprint."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache, cached_property
from importlib.metadata import version as read_version

import PIL

from seiqa_features.registry import get_extractor
from seiqa_features.specs import ExtractorSpec
from seiqa_features.views import View

version = cache(read_version)  # it parses the distribution's metadata, a millisecond each time


@dataclass(frozen=True)
class Block:
    """One extractor on one view: the unit that is cached."""

    spec: ExtractorSpec
    view: View

    @property
    def name(self) -> str:
        """`<extractor>__<view>`, the prefix of its features' names."""
        return f"{self.spec.name}__{self.view.name}"

    @cached_property
    def ingredients(self) -> dict[str, object]:
        """Everything that can change a value, as JSON can hold it."""
        return {
            "extractor": self.spec.name,
            "version": self.spec.version,
            "view": asdict(self.view),
            "dtype": "float32",
            "outputs": {name: output.dim for name, output in self.spec.outputs.items()},
            "libraries": {
                **{name: version(name) for name in self.spec.libraries},
                "pillow": PIL.__version__,
            },
        }

    @cached_property
    def fingerprint(self) -> str:
        """16 hex digits over `ingredients`."""
        text = json.dumps(self.ingredients, sort_keys=True)
        return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


@dataclass(frozen=True)
class Recipe:
    """An ordered set of blocks; `{"psnr": ["max512", "s256"], …}` in a configuration file."""

    blocks: tuple[Block, ...]

    @classmethod
    def parse(cls, features: Mapping[str, Sequence[str]]) -> Recipe:
        """The recipe that a configuration's mapping of extractor name to view names stands for.

        Raises:
            UsageError: an extractor or a view does not exist.
        """
        blocks = [
            Block(get_extractor(name).spec, View.parse(view))
            for name, views in features.items()
            for view in dict.fromkeys(views)
        ]
        return cls(tuple(blocks))

    def to_dict(self) -> dict[str, object]:
        """JSON form with every block's ingredients: what a bundle remembers of its features."""
        views: dict[str, list[str]] = {}
        for block in self.blocks:
            views.setdefault(block.spec.name, []).append(block.view.name)
        return {
            "features": views,
            "blocks": {block.name: block.ingredients for block in self.blocks},
        }
