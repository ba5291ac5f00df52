"""The report: everything on one page, nothing from outside, and no word more than is true."""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image

from pipelines.report import render_report

SECTIONS = ["result", "learners", "folds", "examples", "data", "features", "made"]


def summary(final: float, **more: Any) -> dict[str, Any]:
    figures = {"srocc": final + 0.01, "plcc": final - 0.015, "krocc": final - 0.2, "rmse": 0.6}
    return {"final": final, "interval": [final - 0.05, final + 0.04], **figures, **more}


def metrics() -> dict[str, Any]:
    return {
        "honest": summary(0.812),
        "naive": summary(0.868),
        "gap": 0.056,
        "best_single": summary(0.744, names=["gmsd__full__value", None, "gmsd__full__value"]),
        "learners": {"ridge": summary(0.701), "catboost": summary(0.803)},
        "index_only": summary(0.123),
        "weights": {"final": {"ridge": 0.35, "catboost": 0.65}},
        "n": 12,
        "groups": 4,
        "splitter": "3 folds by group",
        "seconds": {"evaluate": 213.4},
        "seconds_per_row": 0.0021,
    }


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., Path]:
    """Builds a run of 12 labelled and 2 test pairs whose pictures are 8×6 pixels."""

    def build(label_kind: str = "MOS", hostile: str = "") -> Path:
        run = tmp_path / "runs" / "first"
        run.mkdir(parents=True)
        rng = np.random.default_rng(0)
        rows = []
        for number in range(14):
            paths = [str(tmp_path / f"{hostile}{side}{number}.png") for side in ("ref", "dist")]
            for path in paths:
                pixels = rng.integers(0, 255, (6, 8, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(path)
            label, split = (float(number % 6), "train") if number < 12 else (np.nan, "test")
            rows.append(
                [f"{hostile}pair{number}", *paths, label, f"scene{number % 4}", split, number]
            )
        columns = ["pair_id", "ref_path", "dist_path", "mos", "group_id", "split", "order"]
        pairs = pd.DataFrame(rows, columns=columns)
        pairs.attrs = {"label_kind": label_kind, "label_range": [0, 5], "source": "my pictures"}
        pairs.to_parquet(run / "pairs.parquet")

        held_out = pairs[:12][["pair_id", "group_id", "mos"]].assign(fold=np.arange(12) % 4 % 3)
        held_out["score"] = held_out["mos"] + np.linspace(-1.2, 0.9, 12)
        held_out.to_csv(run / "predictions.csv", index=False)
        pairs[12:][["pair_id", "split"]].assign(score=[1.5, 4.25]).to_csv(
            run / "scores.csv", index=False
        )
        features = {
            "recipe": {"features": {"gms": ["max512"], "psnr": ["max512", "max256"]}, "blocks": {}},
            "columns": 214,
            "unavailable": {"clip_l14__s224__cosine": "weights are not in the hub cache"},
            "seconds_per_pair": 0.3412,
            "device": "cpu",
            "versions": {"torch": "2.15.0"},
        }
        (run / "features.json").write_text(json.dumps(features))
        (run / "settings.yaml").write_text(
            yaml.safe_dump({"seed": 7, "learners": ["ridge", "svr"]})
        )
        (run / "metrics.json").write_text(json.dumps(metrics()))
        return run

    return build


class Page(HTMLParser):
    """Tags with their attributes, and the visible text, of a page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {key: value or "" for key, value in attrs}))

    def handle_data(self, data: str) -> None:
        self.text += data

    def attributes(self, tag: str, attribute: str) -> list[str]:
        return [found[attribute] for name, found in self.tags if name == tag and attribute in found]


def test_page_needs_no_other_file(make_run: Callable[..., Path]) -> None:
    page = Page(render_report(make_run()))
    links = [
        value
        for _, attributes in page.tags
        for key, value in attributes.items()
        if key in {"src", "href", "srcset", "data", "poster", "action"}
    ]
    assert len(links) == 2 + 8 * 2  # two figures, eight pairs of pictures
    assert all(link.startswith("data:image/") for link in links)
    assert not {"script", "link", "iframe"} & {tag for tag, _ in page.tags}
    assert "url(" not in page.text
    assert "@import" not in page.text


def test_all_sections_are_there(make_run: Callable[..., Path]) -> None:
    page = Page(render_report(make_run()))
    assert page.attributes("h2", "id") == SECTIONS
    assert all(page.attributes("img", "alt"))
    assert len(page.attributes("img", "alt")) == len(page.attributes("img", "src"))


def test_the_runs_facts_are_on_the_page(make_run: Callable[..., Path]) -> None:
    text = Page(render_report(make_run())).text
    facts = [
        "0.812", "0.762 to 0.852", "0.868", "+0.056", "+0.068",  # honest, interval, naive, gaps
        "catboost", "0.65", "gmsd__full__value (2×)", "0.123", "3 folds by group",
        "clip_l14__s224__cosine", "weights are not in the hub cache", "214 columns", "341 ms",
        "ridge, svr", "2.15.0", "3 min 33 s", "my pictures", "from 1.50 to 4.25",
    ]  # fmt: skip
    assert [fact for fact in facts if fact not in text] == []


def test_learners_are_listed_from_the_best_down(make_run: Callable[..., Path]) -> None:
    text = render_report(make_run()).read_text("utf-8")
    table = text[text.index('id="learners"') : text.index('id="folds"')]
    assert re.findall(r'<th scope="row">(.*?)</th>', table) == [
        "stack", "catboost", "ridge",
        "best single feature", "file order only", "stack, naive claim",
    ]  # fmt: skip


def test_worst_and_best_pairs_are_shown_with_their_numbers(make_run: Callable[..., Path]) -> None:
    text = render_report(make_run()).read_text("utf-8")
    worst, best = text.index("Furthest from their MOS"), text.index("Closest to their MOS")
    assert worst < text.index("<code>pair0</code>") < best < text.index("<code>pair6</code>")
    assert "MOS <b>0.00</b> · predicted <b>−1.20</b> · error <b>−1.20</b>" in text


def test_fold_table_holds_the_folds_own_figures(make_run: Callable[..., Path]) -> None:
    run = make_run()
    text = render_report(run).read_text("utf-8")
    part = pd.read_csv(run / "predictions.csv").query("fold == 1")
    srocc, plcc = part.mos.corr(part.score, method="spearman"), part.mos.corr(part.score)
    assert f"<td>1</td><td>3</td><td>{srocc:.3f}</td><td>{plcc:.3f}</td>" in text


def test_pseudo_labels_are_never_sold_as_opinion(make_run: Callable[..., Path]) -> None:
    text = Page(render_report(make_run("pseudo-label"))).text
    assert "The labels of this run are pseudo-labels." in text
    assert "Furthest from their pseudo-label" in text
    assert not re.search(r"human|\bMOS\b|observer|rater", text, re.IGNORECASE)


def test_pseudo_labels_are_named_in_figures_and_alt_texts(make_run: Callable[..., Path]) -> None:
    page = Page(render_report(make_run("pseudo-label")))
    assert "against pseudo-label" in page.attributes("img", "alt")[0]
    svg = base64.b64decode(page.attributes("img", "src")[0].split(",")[1]).decode()
    assert "<!-- pseudo-label -->" in svg  # matplotlib notes each text that it draws as a path


def test_mos_runs_have_no_banner(make_run: Callable[..., Path]) -> None:
    assert "pseudo" not in Page(render_report(make_run())).text


def test_hostile_names_are_escaped(make_run: Callable[..., Path]) -> None:
    name = "<script>alert('&quot;$x')<\\script>\"'"
    page = Page(render_report(make_run(hostile=name)))
    assert "script" not in {tag for tag, _ in page.tags}
    assert f"{name}pair0" in page.text
    assert f"reference picture of pair {name}pair0" in page.attributes("img", "alt")


def test_missing_and_broken_pictures_are_named_not_fatal(make_run: Callable[..., Path]) -> None:
    run = make_run()
    gone, broken = run.parents[1] / "ref0.png", run.parents[1] / "dist0.png"
    gone.unlink()
    broken.write_text("no picture")
    page = Page(render_report(run))
    assert f"picture not found: {gone}" in page.text
    assert f"picture cannot be read: {broken}" in page.text
    assert len(page.attributes("img", "src")) == 2 + 8 * 2 - 2


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "CMYK", "I;16", "1"])
def test_pictures_of_any_mode_are_shown_small(make_run: Callable[..., Path], mode: str) -> None:
    run = make_run()
    pixels = np.tile(np.linspace(0, 65535, 400, dtype=np.uint16), (300, 1))
    grey = Image.fromarray(pixels)
    eight_bit = Image.fromarray((pixels // 257).astype(np.uint8))
    picture = grey if mode == "I;16" else eight_bit.convert(mode)
    path = run.parents[1] / "ref0.png"
    picture.save(path, "TIFF")
    page = Page(render_report(run))
    shown = dict(zip(page.attributes("img", "alt"), page.attributes("img", "src"), strict=True))
    data = base64.b64decode(shown["reference picture of pair pair0"].split(",")[1])
    with Image.open(io.BytesIO(data)) as thumbnail:
        assert thumbnail.format == "JPEG"
        assert thumbnail.size == (320, 240)
        left, right = thumbnail.getpixel((10, 120)), thumbnail.getpixel((310, 120))
    assert max(left) < 60
    assert min(right) > 195


def test_exif_rotation_is_applied(make_run: Callable[..., Path]) -> None:
    run = make_run()
    exif = Image.Exif()
    exif[0x0112] = 6  # rotate by 90 degrees to see it upright
    Image.new("RGB", (40, 20)).save(run.parents[1] / "ref0.png", "JPEG", exif=exif)
    page = Page(render_report(run))
    shown = dict(zip(page.attributes("img", "alt"), page.attributes("img", "src"), strict=True))
    data = base64.b64decode(shown["reference picture of pair pair0"].split(",")[1])
    assert Image.open(io.BytesIO(data)).size == (20, 40)


@pytest.mark.parametrize(
    ("name", "gone"),
    [
        ("features.json", {"features"}),
        ("predictions.csv", {"folds", "examples"}),
        ("settings.yaml", set()),
        ("scores.csv", set()),
    ],
)
def test_optional_files_only_take_their_section_away(
    make_run: Callable[..., Path], name: str, gone: set[str]
) -> None:
    run = make_run()
    (run / name).unlink()
    page = Page(render_report(run))
    assert page.attributes("h2", "id") == [name for name in SECTIONS if name not in gone]


def test_optional_figures_may_be_missing(make_run: Callable[..., Path]) -> None:
    run = make_run()
    figures = {"index_only": None, "heldout": {"val": summary(0.777)}, "weights": {"ridge": 1.0}}
    sparse = {key: value for key, value in metrics().items() if not key.startswith("seconds")}
    (run / "metrics.json").write_text(json.dumps(sparse | figures))
    page = Page(render_report(run))
    assert "file order only" not in page.text
    assert "0.777" in page.text
    assert page.attributes("h2", "id") == [*SECTIONS[:2], "heldout", *SECTIONS[2:]]


def test_says_so_when_the_stack_loses(make_run: Callable[..., Path]) -> None:
    run = make_run()
    assert "does not beat" not in Page(render_report(run)).text
    figures = metrics() | {"best_single": summary(0.9, names=[])}
    (run / "metrics.json").write_text(json.dumps(figures))
    assert "The stack does not beat its best single feature here." in Page(render_report(run)).text


def test_rerun_is_byte_identical(make_run: Callable[..., Path]) -> None:
    run = make_run()
    first = render_report(run).read_bytes()
    assert render_report(run).read_bytes() == first
    assert not list(run.glob(".*"))


@pytest.mark.parametrize("name", ["metrics.json", "pairs.parquet", ""])
def test_untrained_run_is_one_clear_line(make_run: Callable[..., Path], name: str) -> None:
    run = make_run()
    if name:
        (run / name).unlink()
    else:
        run = run / "elsewhere"
    with pytest.raises(ValueError, match="is missing; run `seiqa train` first") as caught:
        render_report(run)
    assert str(run / name) in str(caught.value)
    assert "\n" not in str(caught.value)
