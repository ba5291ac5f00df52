"""Extractor name → extractor. One decorator; one module per family in `extractors/`.

A name with a colon is made on demand: `timm:vit_tiny_patch16_224.augreg_in21k_ft_in1k` is any
model of timm's registry, `openclip:ViT-H-14:laion2b_s32b_b79k` any of open_clip's.
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Callable, Mapping

from seiqa_features.errors import UsageError
from seiqa_features.extractors.specs import Extract, Extractor, ExtractorSpec

FAMILIES = (
    "classical.fidelity", "classical.local", "classical.saliency", "classical.wavelet",
    "classical.colour", "classical.fourier", "classical.alignment", "openclip.embeddings",
    "vit.timm_vit", "convnet.timm_convnet", "timm_any", "deep.metrics",
)  # fmt: skip

Resolve = Callable[[str], Extractor]

_EXTRACTORS: dict[str, Extractor] = {}
_RESOLVERS: dict[str, Resolve] = {}


def extractor(spec: ExtractorSpec) -> Callable[[Callable[[], Extract]], Callable[[], Extract]]:
    """Register the decorated factory, which needs no weights and runs on a CPU, as `spec.name`.

    Raises
    ------
    ValueError
        The name is taken or holds a double underscore.
    """

    def register_factory(build: Callable[[], Extract]) -> Callable[[], Extract]:
        register(Extractor(spec, lambda _: build()))
        return build

    return register_factory


def register(entry: Extractor) -> None:
    """Register an extractor under its spec's name.

    Raises
    ------
    ValueError
        The name is taken or holds a double underscore.
    """
    name = entry.spec.name
    if name in _EXTRACTORS or "__" in name:
        raise ValueError(f"extractor name {name!r} is taken or holds a double underscore")
    _EXTRACTORS[name] = entry


def resolver(prefix: str) -> Callable[[Resolve], Resolve]:
    """Register the decorated function as the maker of extractors named `<prefix>:<rest>`.

    It gets the whole name and raises UsageError if its library knows no such model.
    """

    def register_resolver(resolve: Resolve) -> Resolve:
        _RESOLVERS[prefix] = resolve
        return resolve

    return register_resolver


def all_extractors() -> Mapping[str, Extractor]:
    """Every registered extractor by name; importing the families costs no torch import."""
    for family in FAMILIES:
        importlib.import_module(f"seiqa_features.extractors.{family}")
    return _EXTRACTORS


def get_extractor(name: str) -> Extractor:
    """The extractor of that name.

    Raises
    ------
    UsageError
        There is none; the nearest name is suggested.
    """
    known = all_extractors()
    if name in known:
        return known[name]
    resolve = _RESOLVERS.get(name.split(":")[0])
    if ":" in name and resolve is not None:
        return resolve(name)
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"; did you mean {near[0]}?" if near else f"; there are {', '.join(sorted(known))}"
    raise UsageError(f"extractor {name!r} does not exist{hint}")
