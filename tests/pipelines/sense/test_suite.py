"""The suite of relations, judged by made-up scorers whose answers are known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from pipelines.sense import suite
from pipelines.sense.edits import DAMAGING, GONE, HARMLESS, RECOGNISABLE
from pipelines.sense.lettering import OTHER_PRICE, PRICE, labelled
from pipelines.sense.scenes import Scene, scenes
from pipelines.sense.suite import CLASSES, held_relations, pictures_of, relations, shares_of
from tests.pipelines.conftest import Cli

Judge = Callable[[Image.Image, Image.Image], float]


class Scorer:
    """Scores every pair by a function of the two pictures."""

    def __init__(self, judge: Judge) -> None:
        self.judge = judge

    def score_many(
        self, pairs: Sequence[Image.Image], dist: Sequence[Image.Image], **_: object
    ) -> pd.DataFrame:
        return pd.DataFrame({"score": [self.judge(r, d) for r, d in zip(pairs, dist, strict=True)]})


def psnr(ref: Image.Image, dist: Image.Image) -> float:
    error = np.mean((np.asarray(ref, float) - np.asarray(dist, float)) ** 2)
    return float(-10 * np.log10(error + 1e-9))


@pytest.fixture
def one_scene(monkeypatch: pytest.MonkeyPatch) -> Scene:
    """The suite cut down to one photograph."""
    first = scenes()[0]
    monkeypatch.setattr(suite, "scenes", lambda: (first,))
    return first


def test_every_edit_keeps_the_size_and_changes_pixels() -> None:
    scene = scenes()[2]
    for name, (ref, dist) in pictures_of(scene).items():
        assert ref.size == dist.size, name
        assert (ref.tobytes() == dist.tobytes()) == (name == "identity"), name


def test_pictures_are_the_same_every_time() -> None:
    first, second = (pictures_of(scenes()[0]) for _ in range(2))
    assert all(first[name][1].tobytes() == second[name][1].tobytes() for name in first)


def test_relations_cover_the_classes_and_only_pairs_that_exist() -> None:
    for scene in scenes():
        names = pictures_of(scene).keys()
        found = list(relations(scene))
        assert {relation.kind for relation in found} == set(CLASSES)
        assert {r.above for r in found} | {r.below for r in found} <= names
        assert len(set(found)) == len(found)


def test_no_relation_contradicts_another() -> None:
    orders = {(r.above, r.below) for r in relations(scenes()[0])}
    assert not any((below, above) in orders for above, below in orders)


def test_a_judge_that_knows_the_classes_keeps_all(one_scene: Scene) -> None:
    order = ["identity", *HARMLESS, "text kept", *RECOGNISABLE, *DAMAGING, "text changed"]
    pairs = pictures_of(one_scene)
    doses = [name for name in pairs if name not in {*order, *GONE}]
    ranks = {pairs[name][1].tobytes(): -place for place, name in enumerate([*order, *doses, *GONE])}
    shares = shares_of(held_relations(Scorer(lambda _, dist: ranks[dist.tobytes()])))
    assert shares == dict.fromkeys([*CLASSES, "mean"], 1.0)


@pytest.mark.usefixtures("one_scene")
def test_a_judge_that_says_one_number_keeps_only_the_identity() -> None:
    shares = shares_of(held_relations(Scorer(lambda *_: 3.0)))
    assert shares.pop("identity on top") == 1
    assert shares.pop("mean") == pytest.approx(1 / len(CLASSES))
    assert set(shares.values()) == {0}


@pytest.mark.usefixtures("one_scene")
def test_psnr_has_little_sense() -> None:
    shares = shares_of(held_relations(Scorer(psnr)))
    assert shares["identity on top"] == shares["weaker above stronger"] == 1
    assert shares["harmless above damaging"] < 0.9


def test_a_label_is_drawn_in_one_place_whatever_it_says() -> None:
    picture = scenes()[0].picture
    one, other = (labelled(picture, text) for text in (PRICE, OTHER_PRICE))
    changed = np.asarray(one) != np.asarray(other)
    assert 0 < changed.any(axis=2).mean() < 0.05


def test_the_command_prints_every_class(
    cli: Cli, one_scene: Scene, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    few = {"identity", "shift 1", "object removed", "black", "blur 4", "text kept", "text changed"}
    whole = pictures_of(one_scene)
    few |= {name for name in whole if name.startswith("size ")}
    monkeypatch.setattr(suite, "pictures_of", lambda _: {n: whole[n] for n in sorted(few)})
    kept = [r for r in relations(one_scene) if {r.above, r.below} <= few]
    monkeypatch.setattr(suite, "relations", lambda _: iter(kept))
    code, out, err = cli("sense", "--out", str(tmp_path / "r.csv"))
    assert code == 0, err
    for name in (*CLASSES, "mean"):
        assert name in out
    table = pd.read_csv(tmp_path / "r.csv")
    assert len(table) == len(kept)
    level = (table["kind"] == "identity on top") & (table["high"] == table["low"])
    assert (table["held"] == ((table["high"] > table["low"]) | level)).all()
