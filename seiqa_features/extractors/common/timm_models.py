"""timm models by name: registry entries of their weights, and how they are loaded."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any

from seiqa_features.errors import UsageError
from seiqa_features.extractors.specs import Weight


def configuration(model: str) -> Any:
    """timm's configuration of the model's pretrained weights.

    Raises
    ------
    UsageError
        timm has no such model, or no weights for it; the closest name is suggested.
    """
    import timm

    try:
        config = timm.models.get_pretrained_cfg(model)
    except RuntimeError:  # the model exists, the tag does not
        config = None
    if config is None or not config.hf_hub_id:
        known = timm.list_pretrained()
        models = {name.partition(".")[0] for name in known}
        near = difflib.get_close_matches(model, [*known, *sorted(models)], n=1)
        hint = f"; did you mean timm:{near[0]}?" if near else ""
        raise UsageError(f"timm has no pretrained model {model!r}{hint}")
    return config


def weight_of(config: Any, megabytes: int) -> Weight:
    """The weights file described by a `configuration`."""
    return Weight(
        f"timm/{config.architecture}.{config.tag}",
        f"hf:{config.hf_hub_id}/model.safetensors",
        megabytes,
        config.license or "unknown",
    )


def create(model: str, **options: Any) -> Any:
    """The network, for views of any size if its class allows that."""
    import timm

    try:
        return timm.create_model(model, dynamic_img_size=True, **options)
    except TypeError:
        return timm.create_model(model, **options)


def load(model: str, file: Path) -> Any:
    """The network with the weights from the file; missing or mismatched tensors are an error.

    timm loads strictly only if network and file have classifiers with the same number of classes:
    that of the original weights, or none.
    """
    source = {"file": str(file), "custom_load": False}
    try:
        return create(model, pretrained=True, pretrained_cfg_overlay=source)
    except RuntimeError:
        bare = {**source, "num_classes": 0}
        return create(model, pretrained=True, pretrained_cfg_overlay=bare, num_classes=0)
