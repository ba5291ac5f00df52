"""The report: everything on one page, nothing from outside, and no word more than is true."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
from collections.abc import Callable
from functools import partial
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.patches import Rectangle
from PIL import Image

from pipelines.commands.console import say_laboratories
from pipelines.report import plots
from pipelines.report.pictures import triple
from pipelines.report.render import TITLES, render_report
from pipelines.report.tables import kinds, reliability
from pipelines.runs.metrics import Metrics
from pipelines.runs.reading import read
from seiqa_features.errors import DataError
from seiqa_models.judged import Judged
from tests.pipelines.report.made_run import judged, kinds_metrics, metrics, summary, write_run

FIRST = ["result", "learners", "gain"]
LATER = ["calibration", "intervals", "examples", "data", "audit", "features", "made"]
PLAIN = [*FIRST, "folds", *LATER]
FIGURES, PICTURES = 5, 8 * 3 + 1  # of a plain run; the 1 is the key to the colours
MORE = 9 + 8 * 3  # of a run with everything: figures, and pairs that two metrics disagree on

MakeRun = Callable[..., Path]


@pytest.fixture
def make_run(tmp_path: Path) -> MakeRun:
    """Writes a run, see `write_run`."""
    return partial(write_run, tmp_path)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Page:
    """The report of a run whose data name no kinds, as it is."""
    return rendered(write_run(tmp_path_factory.mktemp("plain")))


@pytest.fixture(scope="module")
def full_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with everything, to be left as it is; its report is `full`."""
    return write_run(tmp_path_factory.mktemp("full"), kinds=True)


@pytest.fixture(scope="module")
def full(full_run: Path) -> Page:
    return rendered(full_run)


@pytest.fixture(scope="module")
def pseudo(tmp_path_factory: pytest.TempPathFactory) -> Page:
    """The report of a run with everything whose labels a program made up."""
    return rendered(
        write_run(tmp_path_factory.mktemp("pseudo"), label_kind="pseudo-label", kinds=True)
    )


class Page(HTMLParser):
    """Tags with their attributes, and the visible text, of a page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.source = path.read_text("utf-8")
        self.feed(self.source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {key: value or "" for key, value in attrs}))

    def handle_data(self, data: str) -> None:
        self.text += data

    def attributes(self, tag: str, attribute: str) -> list[str]:
        return [found[attribute] for name, found in self.tags if name == tag and attribute in found]

    def section(self, name: str) -> str:
        """The source of one section."""
        start = self.source.index(f'<h2 id="{name}"')
        found = self.source[start : self.source.index("</section>\n\n", start)]
        return found.replace("\N{NO-BREAK SPACE}", " ")

    def rows(self, name: str) -> list[list[str]]:
        """Cells of the rows in a section's tables, but for the heads."""
        bodies = re.findall(r"<tbody>(.*?)</tbody>", self.section(name), re.DOTALL)
        rows = [row for body in bodies for row in re.findall(r"<tr.*?</tr>", body, re.DOTALL)]
        return [
            [
                " ".join(re.sub(r"<.*?>", " ", cell).split())
                for cell in re.findall(r"<t[hd].*?</t[hd]>", row, re.DOTALL)
            ]
            for row in rows
        ]


def rendered(run: Path) -> Page:
    return Page(render_report(run))


def decoded(address: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(address.split(",")[1])))


# --- the page --------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "more"), [("plain", 0), ("full", MORE)])
def test_page_needs_no_other_file(name: str, more: int, request: pytest.FixtureRequest) -> None:
    page = request.getfixturevalue(name)
    links = [
        value
        for _, attributes in page.tags
        for key, value in attributes.items()
        if key in {"src", "href", "srcset", "data", "poster", "action"}
    ]
    inside = [link for link in links if link.startswith("#")]
    assert len(links) - len(inside) == FIGURES + PICTURES + more
    assert all(link.startswith("data:image/") for link in links if link not in inside)
    assert [link[1:] for link in inside] == page.attributes("h2", "id")
    assert not {"link", "iframe"} & {tag for tag, _ in page.tags}
    assert "url(" not in page.source
    assert "@import" not in page.source
    (script,) = re.findall("<script>(.*?)</script>", page.source, re.DOTALL)
    allowed = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = page.attributes("meta", "content")[0]
    assert policy.startswith("default-src 'none'")
    assert policy.endswith(f"script-src 'sha256-{allowed}'")


def test_a_plain_run_has_the_sections_that_it_has_data_for(plain: Page) -> None:
    assert plain.attributes("h2", "id") == PLAIN


def test_a_run_with_everything_has_every_section(full: Page) -> None:
    expected = [name for name in TITLES if name not in ("heldout", "challenge")]
    assert full.attributes("h2", "id") == expected


def test_scores_are_put_into_words(full: Page, plain: Page) -> None:
    said = "after a program has degraded them: medians over 4 of them. They are the model's own"
    assert said in full.text
    assert "JPEG quality 403.52" in full.text.replace("\n", "")
    assert "What scores mean" not in plain.text


def test_whoever_cannot_see_gets_texts_heads_and_a_language(full: Page) -> None:
    assert full.attributes("html", "lang") == ["en"]
    assert all(full.attributes("img", "alt"))
    assert len(full.attributes("img", "alt")) == len(full.attributes("img", "src"))
    cells = [attributes for tag, attributes in full.tags if tag == "th"]
    assert len(cells) > 80
    assert all(cell.get("scope") in {"col", "row"} for cell in cells)
    labels = [
        label for tag in ("section", "nav") for label in full.attributes(tag, "aria-labelledby")
    ]
    assert set(labels) <= {attributes.get("id") for _, attributes in full.tags}


def test_rerun_is_byte_identical(full_run: Path, full: Page) -> None:
    assert render_report(full_run).read_text("utf-8") == full.source
    assert not list(full_run.glob(".*"))


@pytest.mark.parametrize("name", ["metrics.json", "pairs.parquet", ""])
def test_untrained_run_is_one_clear_line(make_run: MakeRun, name: str) -> None:
    run = make_run()
    if name:
        (run / name).unlink()
    else:
        run = run / "elsewhere"
    with pytest.raises(ValueError, match="is missing; run `seiqa train` first") as caught:
        render_report(run)
    assert str(run / name) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ({"honest": summary(0.8)}, "metrics of no version, this seiqa reads version 1"),
        (metrics() | {"version": 2}, "metrics of version 2, this seiqa reads version 1"),
        (metrics() | {"gap": "wide"}, r"not the metrics of a run \(gap: "),
        ([1, 2], "metrics of no version"),
    ],
)
def test_metrics_of_another_version_are_one_clear_line(
    make_run: MakeRun, content: object, why: str
) -> None:
    run = make_run()
    (run / "metrics.json").write_text(json.dumps(content))
    with pytest.raises(
        DataError, match=f"metrics.json: {why}.*; run `seiqa train` again"
    ) as caught:
        render_report(run)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("names", "gone"),
    [
        (["features.json"], {"features"}),
        (["predictions.csv"], {"folds", "calibration", "examples"}),
        (["settings.yaml", "scores.csv", "bundle/bundle.json"], set()),
    ],
)
def test_optional_files_only_take_their_section_away(
    make_run: MakeRun, names: list[str], gone: set[str]
) -> None:
    run = make_run()
    for name in names:
        (run / name).unlink()
    assert rendered(run).attributes("h2", "id") == [name for name in PLAIN if name not in gone]


def test_optional_figures_may_be_missing(make_run: MakeRun) -> None:
    run = make_run()
    figures = {
        "index_only": None,
        "heldout": {"val": summary(0.777)},
        "weights": None,
        "transfer_left_out": "3 rows have no kind: every row needs one",
    }
    (run / "metrics.json").write_text(json.dumps(metrics() | figures))
    page = rendered(run)
    assert "file order only" not in page.text
    assert page.rows("heldout")[0][:2] == ["val", "0.777"]
    assert "never seen: 3 rows have no kind: every row needs one." in page.section("kinds")
    assert page.rows("kinds") == []
    assert page.attributes("h2", "id") == [*FIRST, "heldout", "folds", "kinds", *LATER]


def test_hostile_names_are_escaped(make_run: MakeRun) -> None:
    name = "<script>alert('&quot;$x')<\\script>\"'"
    page = rendered(make_run(hostile=name, kinds=True))
    assert [tag for tag, _ in page.tags].count("script") == 1  # our own
    assert f"{name}pair0" in page.text
    assert f"{name}JPEG" in page.text
    assert f"reference picture of pair {name}pair0" in page.attributes("img", "alt")


# --- figures ---------------------------------------------------------------------------------


def test_the_runs_facts_are_on_the_page(plain: Page) -> None:
    facts = [
        "0.812", "0.762 to 0.852", "0.868", "+0.056", "+0.068",  # honest, interval, naive, gaps
        "0.818 to 0.908", "0.694 to 0.784",  # intervals of the naive claim and the single feature
        "catboost", "0.65", "gmsd__full__value (2×)", "0.123", "3 folds by group",
        "clip_l14__s224__cosine", "weights are not in the hub cache", "214 columns", "341 ms",
        "ridge, svr", "2.15.0", "3.2.0", "3 min 33 s", "my pictures", "from 1.50 to 4.25",
        "there are only 4 scenes", "it is slightly too low on average",
    ]  # fmt: skip
    assert [fact for fact in facts if fact not in plain.text] == []
    settings = dict(re.findall(r"<th scope=\"row\">(\w+)</th><td>\s*(.*?)\s*</td>", plain.source))
    assert settings["shrinkage"] == settings["dmos"] == "none"
    assert (settings["orders"], settings["calibrate"]) == ("no", "yes")


def test_learners_are_listed_from_the_best_down(full: Page) -> None:
    assert [row[0] for row in full.rows("learners")] == [
        "stack", "catboost", "ridge",
        "greedy selection", "best single feature", "file order only", "stack, naive claim",
    ]  # fmt: skip


def test_a_low_score_of_file_order_leaves_the_figure_readable(make_run: MakeRun) -> None:
    said = "File order only is far to the left of this axis."
    run = make_run()
    for final, beside in ((-0.05, True), (0.7, False)):
        figures = metrics() | {"index_only": summary(final)}
        (run / "metrics.json").write_text(json.dumps(figures))
        page = rendered(run)
        assert (said in page.section("result")) == beside
        assert "file order only" in [row[0] for row in page.rows("learners")]


def test_says_so_where_the_stack_loses(make_run: MakeRun, full: Page) -> None:
    figures = metrics() | kinds_metrics() | {"best_single": summary(0.9, name=None, names=[])}
    figures["transfer"]["best_single"] = summary(0.7)
    run = make_run(kinds=True)
    (run / "metrics.json").write_text(json.dumps(figures))
    page = rendered(run)
    lost = "The stack does not beat its best single feature here."
    assert lost in page.section("result")
    assert lost not in full.text
    lost = "the best single feature does better on new kinds than the stack"
    assert lost in page.section("kinds")
    assert lost not in full.text


def test_says_what_a_learner_would_have_without_the_kinds(full: Page) -> None:
    assert (
        "Without them, <code>catboost</code> alone has a final score of 0.763 on the same held-out"
        " scenes; the stack minus that is +0.012 (−0.004 to +0.022)."
    ) in full.section("kinds")


def test_paired_comparison_says_what_it_shows_and_no_more(full: Page) -> None:
    assert full.rows("gain") == [
        ["best single feature", "+0.0680", "+0.0110 to +0.1300", "0.021", "the stack is better"],
        ["ridge", "+0.1110", "−0.0200 to +0.2000", "0.340", "no difference shown"],
        ["catboost", "−0.0095", "−0.0200 to −0.0010", "0.044", "the stack is worse"],
    ]


def test_fold_table_holds_the_folds_own_figures(full_run: Path, full: Page) -> None:
    part = pd.read_csv(full_run / "predictions.csv").query("fold == 1")
    srocc, plcc = part.mos.corr(part.score, method="spearman"), part.mos.corr(part.score)
    rmse = float(np.sqrt(np.mean((part.mos - part.score) ** 2)))
    expected = ["1", "1", "3", f"{srocc:.3f}", f"{plcc:.3f}", f"{rmse:.3f}"]
    assert full.rows("folds")[1] == expected


def test_each_kind_has_its_own_figures_beside_those_of_the_kind_unseen(
    full_run: Path, full: Page
) -> None:
    part = pd.read_csv(full_run / "predictions.csv")[::3]  # blur
    error = part.score - part.mos
    figures = [part.mos.corr(part.score, method="spearman"), part.mos.corr(part.score)]
    expected = [*figures, float(np.sqrt(np.mean(error**2)))]
    assert full.rows("kinds")[:3] == [
        ["JPEG", "4", *full.rows("kinds")[0][2:6], "0.520", "3"],
        ["blur", "4", *(f"{x:.3f}" for x in expected), f"−{-error.mean():.2f}", "0.510", "3"],
        ["noise", "4", *full.rows("kinds")[2][2:6], "0.530", "3"],
    ]
    assert "0.655" in full.section("result")
    unseen = full.section("kinds")
    assert "difference of −0.122" in unseen
    assert full.rows("kinds")[3][:2] == ["stack, kinds seen", "0.777"]
    assert full.rows("kinds")[4][:2] == ["stack, kinds unseen", "0.655"]
    assert "does better on new kinds" not in unseen


def test_numbered_kinds_are_in_order_and_unknown_ones_last(make_run: MakeRun) -> None:
    run = make_run()
    pairs = pd.read_parquet(run / "pairs.parquet")
    pairs["distortion"] = ["10", "9", "1", None, *["9"] * 10]
    pairs.to_parquet(run / "pairs.parquet")
    rows = kinds(read(run))
    assert [row["name"] for row in rows] == ["1", "9", "10", "not known"]
    assert (rows[0]["n"], rows[0]["srocc"], rows[0]["plcc"]) == (1, None, None)


def test_coverage_is_told_against_what_was_promised(full_run: Path, full: Page) -> None:
    table = pd.read_csv(full_run / "predictions.csv").sort_values("score")
    inside = [
        100 * part.mos.between(part.low, part.high).mean()
        for part in (table[:4], table[4:8], table[8:])
    ]
    assert "in 90 % of cases" in full.section("intervals")
    assert full.rows("intervals") == [
        ["all held-out pairs", "87.5 %", "1.75", "6.2 %"],
        ["lowest third by score", f"{inside[0]:.1f} %", "1.70", "25.0 %"],
        ["middle third by score", f"{inside[1]:.1f} %", "1.70", "0.0 %"],
        ["highest third by score", f"{inside[2]:.1f} %", "1.70", "0.0 %"],
        ["kinds never seen", "72.5 %", "2.25", "37.5 %"],
    ]


def test_groups_of_features_are_listed_by_what_is_lost(full: Page) -> None:
    assert full.rows("ablation") == [
        ["psnr", "2", "0.6220", "+0.0790", "0.4440"],
        ["gms", "74", "0.7050", "−0.0040", "0.5550"],
    ]


def test_calibration_curve_is_told_where_known(plain: Page, full: Page) -> None:
    assert "The calibration curve was kept" in full.section("calibration")
    assert "calibration curve" not in plain.text


def test_reliability_is_of_equal_parts_with_intervals_over_groups() -> None:
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(40), 10)
    offset = rng.normal(0, 0.5, 40)[groups]  # what the pairs of a group have in common
    score = rng.uniform(0, 5, 400)
    mos = score + offset + rng.normal(0, 0.1, 400)
    table = pd.DataFrame({"group_id": groups, "score": score, "mos": mos})
    rows = reliability(table)
    assert [row["n"] for row in rows] == [40] * 10
    order = np.argsort(score)
    assert rows[0]["mos"] == pytest.approx(mos[order[:40]].mean())
    assert rows[9]["score"] == pytest.approx(score[order[360:]].mean())
    widths = [row["interval"][1] - row["interval"][0] for row in rows]
    assert 0.15 < np.mean(widths) < 0.6
    assert sum(row["interval"][0] < row["score"] < row["interval"][1] for row in rows) >= 7
    assert reliability(table.assign(group_id="one"))[0]["interval"] is None


# --- labels made by a program ----------------------------------------------------------------


def test_pseudo_labels_are_never_sold_as_opinion(pseudo: Page) -> None:
    text = pseudo.text
    assert "The labels of this run are pseudo-labels." in text
    assert "Furthest from their pseudo-label" in text
    assert not re.search(r"human|\bMOS\b|observer|rater", text, re.IGNORECASE)


def test_pseudo_labels_are_named_in_figures_and_alt_texts(pseudo: Page) -> None:
    assert "against pseudo-label" in pseudo.attributes("svg", "aria-label")[0]
    named = 0
    for address in pseudo.attributes("img", "src"):
        if address.startswith("data:image/svg"):
            svg = base64.b64decode(address.split(",")[1]).decode()
            assert "MOS" not in svg  # matplotlib notes each text that it draws as a path
            named += "pseudo-label" in svg
    assert named == 6  # three kinds, reliability, residuals, intervals


def test_mos_runs_have_no_banner(plain: Page) -> None:
    assert "pseudo" not in plain.text


# --- pairs as pictures -----------------------------------------------------------------------


def test_worst_and_best_pairs_are_shown_with_their_numbers(full: Page) -> None:
    text = full.section("examples")
    worst, best = text.index("Furthest from their MOS"), text.index("Closest to their MOS")
    assert worst < text.index("<code>pair0</code>") < best < text.index("<code>pair6</code>")
    caption = text[text.index("<code>pair0</code>") :].split("</figcaption>")[0]
    assert " ".join(re.sub(r"<.*?>", " ", caption).split()) == (
        "pair0 distortion: blur MOS 0.00 predicted −1.20 interval −2.05 to −0.35"
        " error −1.20 unfamiliar"
    )


def test_the_difference_is_lit_where_the_pictures_differ(tmp_path: Path) -> None:
    pixels = np.full((64, 96, 3), 128, np.uint8)
    Image.fromarray(pixels).save(tmp_path / "ref.png")
    pixels[16:48, 48:80] = np.random.default_rng(0).integers(0, 255, (32, 32, 3))
    Image.fromarray(pixels).save(tmp_path / "dist.png")
    difference = triple(tmp_path / "ref.png", tmp_path / "dist.png")[2]
    shown = np.asarray(decoded(str(difference["data"])).convert("L"), dtype=int)
    assert shown.shape == (64, 96)
    assert shown[24:40, 56:72].mean() > 2 * shown[:, :24].mean()


def test_missing_and_broken_pictures_are_named_not_fatal(make_run: MakeRun) -> None:
    run = make_run()
    gone, broken = run.parents[1] / "ref0.png", run.parents[1] / "dist0.png"
    gone.unlink()
    broken.write_text("no picture")
    page = rendered(run)
    assert f"{gone}: no such file" in page.text
    assert f"{broken}: not an image" in page.text
    assert len(page.attributes("img", "src")) == FIGURES + PICTURES - 3
    assert "near-duplicate" not in page.section("audit")  # not every reference could be looked at


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "CMYK", "I;16", "1"])
def test_pictures_of_any_mode_are_shown_small(tmp_path: Path, mode: str) -> None:
    pixels = np.tile(np.linspace(0, 65535, 600, dtype=np.uint16), (450, 1))
    grey = Image.fromarray(pixels)
    eight_bit = Image.fromarray((pixels // 257).astype(np.uint8))
    picture = grey if mode == "I;16" else eight_bit.convert(mode)
    picture.save(tmp_path / "ref.png", "TIFF")
    eight_bit.save(tmp_path / "dist.png")
    shown = triple(tmp_path / "ref.png", tmp_path / "dist.png")
    assert [picture["role"] for picture in shown] == ["reference", "degraded", "difference"]
    thumbnail = decoded(str(shown[0]["data"]))
    assert thumbnail.format == "JPEG"
    assert thumbnail.size == (400, 300)
    left, right = thumbnail.getpixel((12, 150)), thumbnail.getpixel((388, 150))
    assert max(left) < 60
    assert min(right) > 170  # two-valued pictures are dithered


def test_exif_rotation_is_applied(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # rotate by 90 degrees to see it upright
    Image.new("RGB", (40, 20)).save(tmp_path / "ref.jpg", exif=exif)
    Image.new("RGB", (20, 40)).save(tmp_path / "dist.jpg")
    shown = triple(tmp_path / "ref.jpg", tmp_path / "dist.jpg")
    assert [decoded(str(picture["data"])).size for picture in shown] == [(20, 40)] * 3


# --- audit -----------------------------------------------------------------------------------


def test_audit_says_which_folds_to_trust(full: Page) -> None:
    assert "<b>Recommended: folds by group (whole reference scenes).</b>" in full.section("audit")
    assert "The folds of this run are by group." in full.text
    assert "against this recommendation" not in full.text
    assert [row[0] for row in full.rows("audit")] == ["file number alone", "group alone"]


def test_audit_warns_of_what_comes_twice_and_of_other_folds(make_run: MakeRun) -> None:
    run = make_run()
    pairs = pd.read_parquet(run / "pairs.parquet")
    pairs.loc[1, ["ref_key", "dist_key"]] = pairs.loc[0, ["ref_key", "dist_key"]].to_numpy()
    pairs.to_parquet(run / "pairs.parquet")
    by_block = {"splits": {"by": "block", "why": "asked for"}}
    (run / "metrics.json").write_text(json.dumps(metrics() | by_block))
    audit = rendered(run).section("audit")
    assert "pairs of images appear more than once" in audit
    assert "references images are in more than one group" not in audit
    assert "reference images are in more than one group" in audit
    assert "Checked and not found" not in audit
    said = "The folds of this run are by block, against this recommendation, because asked for."
    assert said in audit
    assert "too high" not in audit


def test_laboratories_left_out_come_first(full: Page) -> None:
    rows = full.rows("laboratories")
    assert [row[:3] for row in rows] == [
        ["home", "abroad (left out)", "all in common"],
        ["abroad", "home (left out)", "all in common"],
        ["abroad, home", "home", "all in common"],
        ["abroad, home", "home", "home"],
        ["home", "home", "all in common"],
    ]
    assert rows[0][3:] == ["6", "2", "0.812", "–", "0.802"]
    assert "fourier__max256__band4 (+0.31 in home, -0.42 in abroad)" in full.text


def test_laboratories_that_could_not_be_learned_from_are_said(
    make_run: MakeRun, capsys: pytest.CaptureFixture[str]
) -> None:
    run = make_run()
    known = kinds_metrics()
    content = {**metrics(), **{name: known[name] for name in ("scales", "laboratories")}}
    content["laboratories"] = [judged(["home"], "abroad", 0.812), judged(["home"], "home", 0.9)]
    content["laboratories_left_out"] = ["home from abroad: collection abroad: SROCC 0.18 with it"]
    (run / "metrics.json").write_text(json.dumps(content))
    page = rendered(run)
    assert "Not in the table: home from abroad: collection abroad: SROCC 0.18 with it." in page.text
    say_laboratories(Metrics.model_validate(content))
    said = capsys.readouterr()
    assert "collection abroad from home: SROCC 0.8120" in said.out
    assert "collection home" not in said.out
    assert said.err == "seiqa: collection home from abroad: collection abroad: SROCC 0.18 with it\n"


def test_cells_of_laboratories_left_out_have_a_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    frames = []

    def framed(*at: Any, **how: Any) -> Rectangle:
        frames.append(at[0])
        return Rectangle(*at, **how)

    monkeypatch.setattr(plots, "Rectangle", framed)
    cells = [Judged.model_validate(judged([name], "b", 0.9)) for name in "ab"]
    assert plots.matrix(cells, ["b"]).startswith("data:image/svg+xml;base64,")
    assert frames == [(-0.46, -0.44)]


def test_the_relations_that_are_kept_are_shown(full: Page) -> None:
    assert "The stack keeps 0.961 of them, the mean of 2 classes, on 2 photographs" in full.text
    assert re.search(r"harmless above damaging\s*0\.921\s*84", full.text)


def test_why_relations_were_not_tried_is_said(make_run: MakeRun) -> None:
    run = make_run()
    content = {**metrics(), "sense_left_out": "the setting sense is off"}
    (run / "metrics.json").write_text(json.dumps(content))
    page = rendered(run)
    assert "The suite of relations was not run: the setting sense is off." in page.text


def test_published_scores_stand_beside_a_run_on_the_challenges_data(make_run: MakeRun) -> None:
    page = rendered(make_run(challenge=True))
    assert "challenge" in page.attributes("h2", "id")
    text = " ".join(page.text.split())
    for team in ("RedpanQA", "Ayush Gupta", "RuntimeTerror", "QA-FTE", "DSS-SQA", "cythdg"):
        assert team in text
    for score in ("0.8724", "0.8711", "0.8693", "0.8560", "0.8469"):
        assert score in text
    assert text.count("method not published anywhere") == 3
    assert "ranks 1 to 3 cannot be told apart" in text


@pytest.mark.parametrize("made", [{}, {"challenge": True, "label_kind": "pseudo-label"}])
def test_other_data_and_pseudo_labels_get_no_published_scores(
    make_run: MakeRun, made: dict[str, object]
) -> None:
    assert "challenge" not in rendered(make_run(**made)).attributes("h2", "id")


def test_scores_of_another_study_in_the_challenges_layout_are_not_the_challenges(
    make_run: MakeRun,
) -> None:
    run = make_run(challenge=True)
    pairs = pd.read_parquet(run / "pairs.parquet")
    pairs.loc[0, "mos"] = 3.3
    pairs.to_parquet(run / "pairs.parquet")
    assert "challenge" not in rendered(run).attributes("h2", "id")
