"""Extractor name → extractor. One decorator; one module per family in `extractors/`.

An extractor whose name has a colon is created on demand:
`timm:vit_tiny_patch16_224.augreg_in21k_ft_in1k` for any model in timm's registry,
`openclip:ViT-H-14:laion2b_s32b_b79k` for any in open_clip's. Other distributions add extractors by
entry points of the group `seiqa.extractors`: each is a module that, when imported, registers an
extractor or a prefix with the name of the entry point.
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase

from seiqa_features.errors import UsageError
from seiqa_features.extractors.specs import Extract, Extractor, ExtractorSpec, Resources
from seiqa_features.plugins import load_plugins

FAMILIES = (
    "classical.fidelity",
    "classical.local",
    "classical.saliency",
    "classical.wavelet",
    "classical.colour",
    "classical.fourier",
    "classical.alignment",
    "content.text",
    "content.objects",
    "convnet.timm_convnet",
    "deep.metrics",
    "deep.dreamsim",
    "openclip.embeddings",
    "vit.timm_vit",
    "timm_any",
    "challenge.dss_sqa",
    "multimodal.frozen",
    "multimodal.finetuned",
)
"""Modules below `seiqa_features.extractors` that register extractors when they are imported."""

PLUGINS = "seiqa.extractors"

Resolve = Callable[[str], Extractor]

_EXTRACTORS: dict[str, Extractor] = {}
_METRICS: dict[str, tuple[ExtractorSpec, str]] = {}
"""Normalised published name → extractor and output."""

_RESOLVERS: dict[str, Resolve] = {}


def extractor(spec: ExtractorSpec) -> Callable[[Callable[[], Extract]], Callable[[], Extract]]:
    """Register the decorated factory, which needs no weights, as `spec.name`.

    Tensors that the factory creates are on the device that the extractor is built for.

    Raises
    ------
    ValueError
        The name is taken or contains a double underscore.
    """

    def register_factory(build: Callable[[], Extract]) -> Callable[[], Extract]:
        def build_there(resources: Resources) -> Extract:
            import torch

            with torch.device(resources.device):
                return build()

        register(Extractor(spec, build_there))
        return build

    return register_factory


def register(entry: Extractor) -> None:
    """Register an extractor under its spec's name, and its metrics under theirs.

    Raises
    ------
    ValueError
        The name is taken or contains a double underscore, or the name of a metric is taken.
    """
    name = entry.spec.name
    if name in _EXTRACTORS or "__" in name:
        raise ValueError(f"extractor name {name!r} is taken or holds a double underscore")
    metrics = {
        _plain(facts.metric): (entry.spec, output)
        for output, facts in entry.spec.outputs.items()
        if facts.metric
    }
    if taken := metrics.keys() & (_METRICS.keys() | {_plain(other) for other in _EXTRACTORS}):
        raise ValueError(f"metric name {min(taken)!r} of extractor {name!r} is taken")
    _EXTRACTORS[name] = entry
    _METRICS.update(metrics)


def resolver(prefix: str) -> Callable[[Resolve], Resolve]:
    """Register the decorated function, which creates the extractors named `<prefix>:<rest>`.

    It gets the whole name and raises UsageError if its library has no such model.
    """

    def register_resolver(resolve: Resolve) -> Resolve:
        _RESOLVERS[prefix] = resolve
        return resolve

    return register_resolver


def all_extractors() -> Mapping[str, Extractor]:
    """Every registered extractor by name; importing the families does not import torch."""
    for family in FAMILIES:
        importlib.import_module(f"seiqa_features.extractors.{family}")
    load_plugins(PLUGINS, _accept)
    return _EXTRACTORS


def _accept(name: str, _: object) -> None:
    """Check that an imported plug-in has registered its name."""
    if name not in _EXTRACTORS and name not in _RESOLVERS:
        raise LookupError(f"it registers no extractor {name!r}")


def get_extractor(name: str) -> Extractor:
    """The extractor of that name.

    Raises
    ------
    UsageError
        There is none (the closest name is suggested), or it is from a plug-in that cannot be used.
    """
    known = all_extractors()
    if name in known:
        return known[name]
    prefix, colon, _ = name.partition(":")
    if colon and prefix in _RESOLVERS:
        return _RESOLVERS[prefix](name)
    if reason := load_plugins(PLUGINS, _accept).get(prefix):
        raise UsageError(f"extractor {name!r}: {reason}")
    if home := find_metric(name):
        raise UsageError(
            f"extractor {name!r} does not exist: the extractor is {home[0].name}, with the metric"
            f" as its output {home[1]}"
        )
    near = difflib.get_close_matches(name, [*list_extractors(), *known], n=1)
    hint = f"; did you mean {near[0]}?" if near else f"; there are {', '.join(sorted(known))}"
    raise UsageError(f"extractor {name!r} does not exist{hint}")


def find_metric(name: str) -> tuple[ExtractorSpec, str] | None:
    """The extractor and output for the published name of a metric, None if there is none.

    Case, hyphens and underscores are ignored: "MS-SSIM", "ms_ssim" and "msssim" are the same name.
    """
    all_extractors()
    return _METRICS.get(_plain(name))


def list_extractors(pattern: str = "*", *, pretrained: bool | None = None) -> list[str]:
    """Names that `extract` takes: extractors, and metrics by their published names.

    Models of timm and open_clip by name (`timm:<model>`) are not listed.

    Parameters
    ----------
    pattern : str
        May contain shell wildcards, e.g. "*ssim*"; case is ignored.
    pretrained : bool | None
        Only those that need pretrained weights (True), or only those that do not (False) [both].

    Returns
    -------
    list[str]
        Sorted by name.

    Raises
    ------
    UsageError
        The pattern is not text.

    Examples
    --------
    >>> list_extractors("*ssim*")
    ['cw_ssim', 'iw_ssim', 'ms_ssim', 'ssim']
    >>> list_extractors("gm*", pretrained=False)
    ['gms', 'gmsd', 'gmsm']
    """
    if not isinstance(pattern, str):
        raise UsageError(f'pattern is {pattern!r}; expected text such as "*ssim*"')
    named = {name: entry.spec for name, entry in all_extractors().items()}
    named |= {str(spec.outputs[output].metric): spec for spec, output in _METRICS.values()}
    return sorted(
        name
        for name, spec in named.items()
        if fnmatchcase(name, pattern.lower()) and pretrained in (None, bool(spec.weights))
    )


def _plain(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "")
