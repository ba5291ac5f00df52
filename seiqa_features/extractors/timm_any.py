"""`timm:<model>` or `timm:<model>.<tag>`: any supported network in timm's registry."""

from __future__ import annotations

from functools import cache

from seiqa_features.errors import UsageError
from seiqa_features.extractors.common.timm_models import configuration
from seiqa_features.extractors.convnet import timm_convnet
from seiqa_features.extractors.registry import resolver
from seiqa_features.extractors.specs import Extractor
from seiqa_features.extractors.vit import timm_vit


@resolver("timm")
@cache
def any_model(name: str) -> Extractor:
    """The extractor of that name; its spec's name includes the tag, by default timm's default tag.

    Raises
    ------
    UsageError
        timm has no such model or no weights for it, or it is neither a vision transformer with a
        square map of patch tokens nor a convolutional network with stages.
    """
    model = name.removeprefix("timm:")
    config = configuration(model)
    reasons = []
    try:
        facts = timm_vit.read_facts(model)
        return timm_vit.extractor(f"timm:{facts.model}", facts)
    except ValueError as error:
        reasons.append(f"no vision transformer with a square map of patch tokens ({error})")
    try:
        stages = timm_convnet.read_facts(model)
        return timm_convnet.extractor(f"timm:{stages.model}", stages)
    except Exception as error:  # unsupported model classes fail in various ways
        reason = f"{type(error).__name__}: {error}".splitlines()[0][:200]
        reasons.append(f"no convolutional network with stages ({reason})")
    named = f"{config.architecture}.{config.tag}"
    raise UsageError(f"timm model {named} cannot be used: it is {', and '.join(reasons)}")
