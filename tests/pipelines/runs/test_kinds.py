"""Kinds of distortion: from the manifest to the transfer estimate, the console and the card."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import ImageEnhance

from tests.pipelines.conftest import SCENES, Cli, degrade, scene

LEVELS = (1, 2, 3)


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """5 scenes, each blurred and faded at three levels; the last row's kind is at the very end."""
    rows = ["ref,dist,mos,distortion"]
    for number in range(SCENES):
        scene(number).save(tmp_path / f"r{number}.png")
        for level in LEVELS:
            degrade(scene(number), level).save(tmp_path / f"b{number}{level}.png")
            faded = ImageEnhance.Contrast(scene(number)).enhance(1 - 0.25 * level)
            faded.save(tmp_path / f"f{number}{level}.png")
            rows.append(f"r{number}.png,b{number}{level}.png,{5 - level},blur")
            rows.append(f"r{number}.png,f{number}{level}.png,{4.5 - level},fading")
    path = tmp_path / "pairs.csv"
    path.write_text("\n".join(rows))
    return path


def trained(cli: Cli, manifest: Path, quick: Path) -> tuple[dict, str, str, str]:  # type: ignore[type-arg]
    """Metrics, what was said on either stream, and the card."""
    for verb in ("features", "train"):
        code, out, err = cli(verb, manifest, "--config", quick, "--run", "run")
        assert code == 0, err
    metrics = json.loads(Path("run/metrics.json").read_text())
    return metrics, out, err, Path("run/bundle/card.md").read_text()


def test_known_kinds_make_a_transfer_estimate(cli: Cli, manifest: Path, quick: Path) -> None:
    metrics, out, _, card = trained(cli, manifest, quick)
    transfer = metrics["transfer"]
    assert metrics["transfer_left_out"] is None
    assert {name: kind["n"] for name, kind in transfer["kinds"].items()} == {
        "blur": SCENES * len(LEVELS),
        "fading": SCENES * len(LEVELS),
    }
    assert transfer["by_group"] == metrics["honest"]  # every pair was held out both ways
    low, high = transfer["interval"]
    assert (
        f"a kind of distortion never seen: final {transfer['final']:.4f} ({low:.3f} to {high:.3f})"
        f" on 30 rows; once seen {metrics['honest']['final']:.4f}, best single feature"
        f" {transfer['best_single']['final']:.4f}"
    ) in out
    assert "- kinds of distortion: blur (15 pairs), fading (15 pairs)\n" in card
    assert f"never seen, final is {transfer['final']:.4f}; on the same pairs" in card
    assert f"| this stack | {transfer['srocc']:.4f} |" in card
    assert f"| best single feature | {transfer['best_single']['srocc']:.4f} |" in card
    assert f"fading: {transfer['kinds']['fading']['srocc']:.4f} (15 pairs)." in card


def test_a_learner_that_uses_kinds_is_compared_with_itself_without_kinds(
    cli: Cli, manifest: Path, quick: Path
) -> None:
    quick.write_text(quick.read_text().replace("svr", "gp"))
    metrics, out, _, _ = trained(cli, manifest, quick)
    without_kinds = metrics["without_kinds"]["gp"]
    assert without_kinds["final"] != metrics["learners"]["gp"]["final"]
    low, high = without_kinds["gain"]["interval"]
    assert (
        f"without kinds of distortion, gp alone: final {without_kinds['final']:.4f};"
        f" the stack minus that {metrics['honest']['final'] - without_kinds['final']:+.4f}"
        f" ({low:+.4f} to {high:+.4f})"
    ) in out


@pytest.mark.parametrize(
    ("case", "reason"),
    [("one unknown", "1 rows have no kind"), ("too many", "there are 2 kinds, expected 2 to 1")],
)
def test_kinds_that_cannot_be_used_do_not_stop_the_run(
    case: str,
    reason: str,
    cli: Cli,
    manifest: Path,
    quick: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if case == "too many":
        monkeypatch.setattr("seiqa_models.core.transfer.MAX_KINDS", 1)
    else:
        manifest.write_text(manifest.read_text().removesuffix("fading"))
    metrics, out, err, card = trained(cli, manifest, quick)
    assert metrics["transfer"] is None
    assert metrics["transfer_left_out"].startswith(reason)
    assert metrics["n"] == 30
    assert f"seiqa: no estimate for kinds of distortion never seen: {reason}" in err
    assert "never seen" not in out
    assert f"never seen there is no estimate: {reason}" in card
    assert ("not known (1 pairs)" in card) == (case == "one unknown")


def test_without_kinds_nothing_is_said_of_them(cli: Cli, manifest: Path, quick: Path) -> None:
    lines = manifest.read_text().splitlines()
    manifest.write_text("\n".join(line.rpartition(",")[0] for line in lines))
    metrics, out, err, card = trained(cli, manifest, quick)
    assert metrics["transfer"] is None
    assert metrics["transfer_left_out"] is None
    assert "never seen" not in out + err
    assert "- kinds of distortion: not known\n" in card
    assert "there is no estimate: the data name no kinds." in card
