"""The suite as part of a training: how much of it, what is noted, and what does not stop it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image

from pipelines.sense import anchors, judging, suite
from pipelines.sense.judging import SECONDS, affordable, judge
from pipelines.sense.scenes import scenes
from pipelines.sense.suite import CLASSES, PAIRS_PER_SCENE, pictures_of, relations
from tests.pipelines.conftest import Cli


class Strict:
    """Scores by the mean difference of pixels."""

    def score_many(
        self, pairs: Sequence[Image.Image], dist: Sequence[Image.Image], **_: object
    ) -> pd.DataFrame:
        scores = [
            -float(np.abs(np.asarray(r, float) - np.asarray(d, float)).mean())
            for r, d in zip(pairs, dist, strict=True)
        ]
        return pd.DataFrame({"score": scores})


def test_the_suite_is_cut_to_what_a_minute_pays_for() -> None:
    assert affordable(None) == affordable(0.0) == affordable(1e-6) == len(scenes())
    assert affordable(SECONDS / PAIRS_PER_SCENE / 2.5) == 2
    assert affordable(1.01 * SECONDS / PAIRS_PER_SCENE) == 0


def test_as_many_pairs_as_are_said() -> None:
    assert len(pictures_of(scenes()[0])) == PAIRS_PER_SCENE


def test_shares_and_numbers_are_those_of_the_photographs() -> None:
    seen: list[tuple[int, int]] = []
    found = judge(Strict(), 1, on_pair=lambda done, total: seen.append((done, total)))
    assert list(found.shares) == list(CLASSES)
    assert found.photographs == 1
    assert sum(found.relations.values()) == len(list(relations(scenes()[0])))
    assert found.shares["identity on top"] == 1
    assert found.mean == pytest.approx(np.mean(list(found.shares.values())))
    assert found.least[1] == min(found.shares.values())


@pytest.fixture
def few_edits(monkeypatch: pytest.MonkeyPatch) -> None:
    """The suite cut down to one photograph with a pair or two of each class."""
    scene = scenes()[0]
    whole = pictures_of(scene)
    few = {"identity", "shift 1", "object removed", "black", "blur 4", "text kept", "text changed"}
    few |= {name for name in whole if name.startswith("size ")}
    kept = [r for r in relations(scene) if {r.above, r.below} <= few]
    monkeypatch.setattr(suite, "scenes", lambda: (scene,))
    monkeypatch.setattr(suite, "pictures_of", lambda _: {name: whole[name] for name in sorted(few)})
    monkeypatch.setattr(suite, "relations", lambda _: iter(kept))


@pytest.mark.usefixtures("few_edits")
def test_a_training_is_judged_and_says_so(
    cli: Cli, seiqa_data: Path, quick: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEIQA_SENSE", "true")
    monkeypatch.setattr(judging, "affordable", lambda _: 1)
    code, out, err = cli("run", seiqa_data, "--config", quick, "--run", "judged")
    assert code == 0, err
    assert "common sense: keeps" in out
    found = json.loads(Path("judged/metrics.json").read_text())["sense"]
    assert list(found["shares"]) == list(CLASSES)
    assert found["shares"]["identity on top"] == 1  # equal pixels are settled as a fact
    assert "Common sense" in Path("judged/report.html").read_text()
    assert "hold by construction it keeps" in Path("judged/bundle/card.md").read_text()
    metrics = json.loads(Path("judged/metrics.json").read_text())
    jpeg, blur = metrics["anchors"]
    assert (jpeg["name"], blur["name"], blur["references"]) == ("JPEG quality", "blur of σ", 5)
    assert blur["scores"][0] > blur["scores"][-1]  # it learned from blur
    card = Path("judged/bundle/card.md").read_text()
    assert "## What scores mean" in card
    assert f"| blur of σ 8 px | {blur['scores'][-1]:.2f} |" in card
    assert "blur of σ 8 px" in Path("judged/report.html").read_text()
    pair = [seiqa_data / f"Test/{part}/000003.png" for part in ("Ref", "Dist")]
    code, out, _ = cli("score", *pair, "--bundle", "judged/bundle")
    assert code == 0
    assert "blur of σ" in out.splitlines()[1]
    assert out.splitlines()[1].endswith("(by this model's own scores)")
    code, out, _ = cli("compare", "judged", "judged")
    assert code == 0
    assert "relations kept" in out


def test_what_is_too_dear_or_switched_off_is_left_out_with_a_reason(
    cli: Cli,
    seiqa_data: Path,
    quick: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    code, _, err = cli("run", seiqa_data, "--config", quick, "--run", "off")
    assert code == 0
    assert "common sense was not measured: the setting sense is off" in err
    settings = {**yaml.safe_load(quick.read_text()), "learners": ["ridge"]}
    quick.write_text(yaml.safe_dump(settings))
    monkeypatch.setenv("SEIQA_SENSE", "true")
    monkeypatch.setattr(judging, "affordable", lambda _: 0)
    monkeypatch.setattr(anchors, "SECONDS", -1.0)
    code, _, err = cli("train", seiqa_data, "--config", quick, "--run", "off")
    assert code == 0
    assert "common sense was not measured: one photograph would take" in err
    assert "scores are not put into words: 78 pairs would take" in caplog.text
    metrics = json.loads(Path("off/metrics.json").read_text())
    assert metrics["sense"] is metrics["anchors"] is None
    assert "seiqa sense --bundle" in metrics["sense_left_out"]
