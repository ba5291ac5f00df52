"""What the model card of a run's bundle says."""

from __future__ import annotations

from typing import Any

import pandas as pd

from pipelines.settings import Settings

LIMITS = (
    "The estimate holds for new references of the same kind of pictures and distortions.",
    "Kinds of distortion that are not in the training data are extrapolation.",
)


def model_card(
    settings: Settings, pairs: pd.DataFrame, meta: dict[str, Any], metrics: dict[str, Any]
) -> dict[str, Any]:
    """Content of the card, in the sections of `seiqa_models.card.render_card`.

    Args:
        pairs: the run's pair table, for what its labels are.
        meta: content of features.json.
        metrics: content of metrics.json.
    """
    low, high = pairs.attrs["label_range"] or (metrics["label"]["min"], metrics["label"]["max"])
    return {
        "name": settings.run.name,
        "label_kind": pairs.attrs["label_kind"],
        "data": {
            "source": pairs.attrs["source"],
            "pairs trained on": metrics["n"],
            "groups": metrics["groups"],
            "scores lie in": f"{low:g} to {high:g}",
        },
        "evaluation": metrics,
        "features": {
            "columns": meta["columns"],
            "unavailable": ", ".join(meta["unavailable"]) or "none",
            **{name: ", ".join(views) for name, views in meta["recipe"]["features"].items()},
            **{f"weights {name}": f"SHA-256 {sha256}" for name, sha256 in _weights(meta).items()},
        },
        "limits": LIMITS,
        "reproduce": f"seiqa run {settings.data} --config {settings.config} --seed {settings.seed}",
    }


def _weights(meta: dict[str, Any]) -> dict[str, str]:
    """Pretrained files behind the features and their checksums."""
    blocks = meta["recipe"]["blocks"].values()
    return {name: sha256 for block in blocks for name, sha256 in block["weights"].items()}
