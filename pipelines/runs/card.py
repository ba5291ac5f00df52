"""The content of the model card of a run's bundle."""

from __future__ import annotations

from typing import Any

import pandas as pd

from pipelines.runs.metrics import Metrics
from pipelines.runs.model import known_kinds
from pipelines.scales import label_range_of
from pipelines.settings import Settings

LIMITS = (
    "The estimate holds for new references of the same kind of pictures and distortions.",
    "Kinds of distortion that are not in the training data are extrapolation.",
)


def model_card(
    settings: Settings, training: pd.DataFrame, meta: dict[str, Any], metrics: Metrics
) -> dict[str, Any]:
    """Content of the card, in the sections of `seiqa_models.card.render_card`.

    Parameters
    ----------
    training : pd.DataFrame
        The rows of the run's pair table used for training.
    meta : dict[str, Any]
        Content of features.json.
    metrics : Metrics
    """
    low, high = label_range_of(settings, training) or (metrics.label.min, metrics.label.max)
    return {
        "name": settings.run.name,
        "label_kind": training.attrs["label_kind"],
        "data": {
            "source": training.attrs["source"],
            "pairs trained on": metrics.n,
            "groups": metrics.groups,
            "kinds of distortion": _kinds(training),
            **_orders(metrics),
            **collection_facts(training, metrics),
            "scores lie in": f"{low:g} to {high:g}; {_ends(low, high, metrics)}",
        },
        "evaluation": metrics.for_card(),
        "anchors": [ladder.model_dump(mode="json") for ladder in metrics.anchors or []],
        "features": {
            "columns": meta["columns"],
            "unavailable": ", ".join(meta["unavailable"]) or "none",
            **{name: ", ".join(views) for name, views in meta["recipe"]["features"].items()},
            **{f"weights {name}": f"SHA-256 {sha256}" for name, sha256 in _weights(meta).items()},
        },
        "limits": [
            *LIMITS,
            _transfer_limit(metrics),
            *_laboratories(metrics),
            *_sense_limit(metrics),
        ],
        "reproduce": f"seiqa run {settings.shown_data} --config {settings.config}"
        f" --seed {settings.seed}",
    }


def _ends(low: float, high: float, metrics: Metrics) -> str:
    """What the highest score means, and the lowest if the stack knows what deserves it."""
    gone = f", one that shows nothing of its reference {low:g}" if metrics.orders else ""
    return f"an identical picture has {high:g}{gone}"


def _kinds(training: pd.DataFrame) -> str:
    """Kinds seen in training, by name, with their numbers of pairs."""
    kinds = known_kinds(training)
    if kinds is None:
        return "not known"
    counts = kinds.value_counts().sort_index()
    named = [f"{kind} ({count} pairs)" for kind, count in counts.items()]
    unknown = int(kinds.isna().sum())
    return ", ".join([*named, *([f"not known ({unknown} pairs)"] if unknown else [])])


def _transfer_limit(metrics: Metrics) -> str:
    transfer = metrics.transfer
    if transfer is None:
        why = metrics.transfer_left_out or "the data name no kinds"
        return f"For a kind of distortion never seen there is no estimate: {why}."
    return (
        f"On a kind of distortion never seen, final is {transfer.final:.4f}; on the same pairs"
        f" with their kind seen in training, {transfer.by_group.final:.4f}."
    )


def collection_facts(training: pd.DataFrame, metrics: Metrics) -> dict[str, str]:
    """The collections, and whose scale the scores are on."""
    told = metrics.scales
    if told is None:
        return {}
    said = {"scale of the scores": told["scale"]}
    if "best" in told:
        said["scale of the scores"] += (
            f" (5: {told['best']:g}, 0: {told['worst']:g} on the scale of {told['home']})"
        )
    if len(told["maps"]) > 1:
        sizes = training["collection"].value_counts()
        said["collections"] = ", ".join(f"{name} ({sizes[name]} pairs)" for name in told["maps"])
    return said


def _orders(metrics: Metrics) -> dict[str, str]:
    found = metrics.orders
    if found is None:
        return {}
    said = (
        f"{found.orders} orders between {found.pairs} edited versions of {found.references}"
        " training references that hold by construction; no labels, and nothing is measured on them"
    )
    return {"constructed orders": said}


def _laboratories(metrics: Metrics) -> list[str]:
    """How well the pairs of a laboratory are ranked by models that have seen nothing of it."""
    return [
        f"A model of {' and '.join(cell.trained_on)} alone ranks the pairs of {cell.judged_on} with"
        f" SROCC {cell.srocc:.4f} (within scenes {cell.within:.4f}; PLCC {cell.plcc:.4f} after a"
        f" monotone mapping; {cell.n} pairs of {cell.scenes} scenes)."
        for cell in metrics.laboratories or []
        if cell.left_out and cell.scored_as is None
    ]


def _sense_limit(metrics: Metrics) -> list[str]:
    found = metrics.sense
    if found is None:
        return []
    kept = ", ".join(f"{kind} {share:.3f}" for kind, share in found.shares.items())
    return [
        f"Of orders between edited photographs that hold by construction it keeps {found.mean:.3f}"
        f" on average ({found.photographs} photographs): {kept}."
    ]


def _weights(meta: dict[str, Any]) -> dict[str, str]:
    """Pretrained files used by the features, with their checksums."""
    blocks = meta["recipe"]["blocks"].values()
    return {name: sha256 for block in blocks for name, sha256 in block["weights"].items()}
