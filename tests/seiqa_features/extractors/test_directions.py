"""Which way is better is what specs say: damage in growing doses moves every value that way."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pandas as pd
import pytest

from seiqa_features import extract
from seiqa_features.extractors.registry import all_extractors
from seiqa_features.extractors.specs import Output
from seiqa_features.table.quantities import find_quantities
from tests.seiqa_features.photographs import LADDERS, SOURCES, ladder, photograph
from tests.seiqa_features.random_networks import resources_for

CLASSICAL = sorted(n for n, e in all_extractors().items() if not e.spec.weights and n != "mad")
TRAINED = "timm:vit_tiny_patch16_224"
DISTANCES = ("lpips", "stlpips", "dists")
"""Of feature maps: with random weights too they grow with the damage."""


@cache
def facts(names: tuple[str, ...]) -> dict[str, Output]:
    """Of every scalar of the extractors, by name."""
    found = (quantity for name in names for quantity in find_quantities(name, details=True))
    return {quantity.name: quantity.facts for quantity in found}


def wrong_steps(values: pd.DataFrame, declared: dict[str, Output]) -> dict[str, list[float]]:
    """Quantities with a direction whose values, dose by dose, are not each worse than the last."""
    assert values.notna().all(axis=None)
    wrong = {}
    for name in values:
        better = declared[name].better
        steps = values[name].diff().dropna() * (1 if better == "lower" else -1)
        if better and not (steps > 0).all():
            wrong[str(name)] = values[name].tolist()
    return wrong


@pytest.mark.parametrize("kind", LADDERS)
@pytest.mark.parametrize("name", SOURCES)
def test_more_damage_is_worse(name: str, kind: str) -> None:
    steps = ladder(photograph(name), kind)
    values = extract(CLASSICAL, [steps[0]] * len(steps), steps, details=True)
    assert wrong_steps(values, facts(tuple(CLASSICAL))) == {}


@pytest.mark.parametrize("kind", LADDERS)
def test_more_damage_is_worse_by_mad(kind: str) -> None:
    steps = ladder(photograph("chelsea"), kind)
    values = extract("mad", [steps[0]] * len(steps), steps, view="max96")["mad"]
    assert values.is_monotonic_increasing  # what nobody would notice is 0
    assert values.iloc[0] == 0 < values.iloc[-1]


@pytest.mark.parametrize("kind", LADDERS)
@pytest.mark.parametrize("name", DISTANCES)
def test_more_damage_is_farther_by_features(name: str, kind: str, tmp_path: Path) -> None:
    weights = resources_for(name, tmp_path).weights
    steps = ladder(photograph("chelsea"), kind)
    values = extract(name, [steps[0]] * len(steps), steps, weights=weights, view="max128")
    assert wrong_steps(values, facts((name,))) == {}


@pytest.mark.parametrize("kind", LADDERS)
def test_more_damage_is_worse_by_trained_tokens(kind: str, shared: Path) -> None:
    file = shared / "weights" / "vit_tiny_patch16_224.fp16.safetensors"
    weights = {find_quantities(TRAINED)[0].spec.weights[0].name: file}
    steps = ladder(photograph("coffee"), kind)
    values = extract(TRAINED, [steps[0]] * len(steps), steps, weights=weights, details=True)
    assert wrong_steps(values, facts((TRAINED,))) == {}


@pytest.mark.parametrize("name", [*CLASSICAL, "mad", *DISTANCES])
def test_every_metric_of_the_field_has_a_direction(name: str) -> None:
    published = [f for f in all_extractors()[name].spec.outputs.values() if f.metric]
    assert all(output.better for output in published)
    for output in published:
        assert output.better == ("lower" if output.identity == 0 else "higher")
