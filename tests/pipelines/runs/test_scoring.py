"""`seiqa score`: a pair, two folders, a manifest; formats, faults, and going on after a stop."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from seiqa_features.datasets.pairs import Found, Pair, build_pairs
from seiqa_features.extraction import planning, work
from seiqa_features.extraction.runner import extract
from seiqa_features.extraction.runtime import Runtime
from seiqa_features.pictures import index as index_module
from seiqa_features.pictures.index import ImageIndex
from seiqa_features.table.recipe import Recipe
from seiqa_features.table.store import Store
from seiqa_features.table.table import assemble
from seiqa_features.weights.files import WeightFiles
from seiqa_models import Scorer
from seiqa_models.bundle import save_bundle
from seiqa_models.stack.regressor import SeiqaRegressor
from tests.pipelines.conftest import Cli, degrade, scene

COLUMNS = ["score", "low", "high", "unfamiliar", "agree", "edited"]
READERS: dict[str, Callable[[Path], pd.DataFrame]] = {
    ".csv": pd.read_csv,
    ".json": lambda path: pd.DataFrame(json.loads(path.read_text(encoding="utf-8"))),
    ".parquet": pd.read_parquet,
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle of a small model."""
    folder = tmp_path_factory.mktemp("bundle")
    pairs = []
    for number in range(5):
        ref = folder / f"r{number}.png"
        scene(number).save(ref)
        for level in range(4):
            dist = folder / f"d{number}{level}.png"
            degrade(scene(number), level).save(dist)
            pairs.append(Pair(dist.stem, ref, dist, "train", 5.0 - level))
    table, _ = build_pairs(Found(folder, pairs=pairs), ImageIndex(folder / "cache"))
    recipe, store = Recipe.parse({"gms": ["max256"], "ssim": ["max256"]}), Store(folder / "cache")
    extract(table, recipe, store, Runtime(WeightFiles(folder)), workers=1)
    X, _ = assemble(table, recipe, store)
    regressor = SeiqaRegressor(learners=("ridge", "svr"), n_splits=3)
    regressor.fit(X, table["mos"].to_numpy(), groups=table["group_id"].to_numpy())
    save_bundle(folder / "bundle", regressor, recipe=recipe.to_dict(), card={"label_kind": "MOS"})
    return folder / "bundle"


@pytest.fixture(autouse=True)
def _boxed(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The small model in place of the built-in one."""
    monkeypatch.setattr("seiqa_models.bundle.BOXED", trained)


@pytest.fixture
def pictures(tmp_path: Path) -> tuple[Path, Path]:
    """Folders of six references and as many degraded pictures, two of them as JPEG."""
    ref, dist = tmp_path / "Originale", tmp_path / "degraded ones"
    ref.mkdir()
    dist.mkdir()
    for number in range(6):
        scene(60 + number).save(ref / f"{number}.png")
        suffix = ".jpg" if number > 3 else ".png"
        degrade(scene(60 + number), 1 + number % 4).save(dist / f"{number}{suffix}")
    return ref, dist


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Every file that is decoded, in order."""
    paths: list[Path] = []
    real = index_module.load_rgb

    def load(path: Path) -> Image.Image:
        paths.append(path)
        return real(path)

    monkeypatch.setattr(index_module, "load_rgb", load)
    monkeypatch.setattr(planning, "load_rgb", load)
    return paths


@pytest.fixture
def manifest(pictures: tuple[Path, Path]) -> Path:
    """The pairs of the two folders in a CSV file beside them."""
    ref, dist = pictures
    lines = ["note,ref,dist"]
    for path in sorted(dist.iterdir()):
        lines.append(f"n{path.stem},{ref.name}/{path.stem}.png,{dist.name}/{path.name}")
    file = ref.parent / "pairs.csv"
    file.write_text("\n".join(lines) + "\n")
    return file


def test_a_pair_is_scored_with_its_interval(
    cli: Cli, trained: Path, pictures: tuple[Path, Path], tmp_path: Path
) -> None:
    pair = pictures[0] / "1.png", pictures[1] / "1.png"
    code, out, err = cli("score", *pair)
    assert code == 0, err
    assert re.fullmatch(
        r"\d\.\d{4} \(\d\.\d\d to \d\.\d\d, 90 %\)\nthe metrics agree on this pair\n"
        r"what moved the score\tpoints\na typical pair\t\d\.\d\d\n(.+\t[+-]\d\.\d\d\n)+",
        out,
    )
    assert out.startswith(f"{Scorer.load(trained).score(*pair)!r}\n")
    assert cli("score", *pair, "--bundle", trained, "--workers", "1")[1] == out
    assert {path.name for path in tmp_path.iterdir()} == {"Originale", "degraded ones"}


def test_only_what_the_bundle_needs_is_imported(trained: Path, tmp_path: Path) -> None:
    """With -v, all in one process."""
    scene(1).save(tmp_path / "a.png")
    degrade(scene(1), 1).save(tmp_path / "b.png")
    code = (
        "import sys\nfrom pipelines.cli import main\n"
        f"try: main(['-v', 'score', 'a.png', 'b.png', '--bundle', {str(trained)!r}])\n"
        "except SystemExit as stopped: assert not stopped.code\n"
        "heavy = {'torchvision', 'pyiqa', 'timm', 'open_clip', 'catboost', 'lightgbm', 'skorch',\n"
        "    'matplotlib', 'pydantic_settings', 'tifffile', 'pillow_heif', 'sympy',\n"
        "    'sklearn.cross_decomposition'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "90 %)\n" in done.stdout


def test_an_unfamiliar_pair_is_said_to_be_one(cli: Cli, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (72, 96, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.png")
    Image.fromarray(255 - noise).save(tmp_path / "b.png")
    code, out, _ = cli("score", "a.png", "b.png")
    assert code == 0
    first, second, third, *_ = out.splitlines()
    assert first.endswith("90 %, unfamiliar)")
    assert second.startswith("the metrics ")
    assert third.startswith("unfamiliar: unlike every pair")


@pytest.mark.parametrize("suffix", READERS)
def test_folders_and_manifest_say_the_same_in_every_format(
    suffix: str,
    cli: Cli,
    trained: Path,
    pictures: tuple[Path, Path],
    manifest: Path,
    tmp_path: Path,
) -> None:
    code, out, err = cli("score", *pictures, "--out", f"f{suffix}")
    assert code == 0, err
    assert out.strip() == f"scores in f{suffix}"
    folders = READERS[suffix](tmp_path / f"f{suffix}")
    assert folders.columns.tolist() == ["ref", "dist", *COLUMNS]
    assert [Path(path).name for path in folders["dist"]] == [
        *("0.png", "1.png", "2.png", "3.png", "4.jpg", "5.jpg")
    ]
    code, _, err = cli("score", manifest, "--out", f"m{suffix}")
    assert code == 0, err
    listed = READERS[suffix](tmp_path / f"m{suffix}")
    assert listed.columns.tolist() == ["note", "ref", "dist", *COLUMNS]
    assert listed[COLUMNS].equals(folders[COLUMNS])
    one = Scorer.load(trained).score(pictures[0] / "2.png", pictures[1] / "2.png")
    assert listed["score"][2] == pytest.approx(one, abs=5e-12)
    assert listed["low"][2] == pytest.approx(one.low, abs=5e-12)
    assert listed["unfamiliar"].tolist()[2] is one.unfamiliar


@pytest.mark.parametrize("suffix", READERS)
def test_pairs_left_out_have_empty_cells(
    suffix: str, cli: Cli, pictures: tuple[Path, Path], tmp_path: Path
) -> None:
    (pictures[1] / "1.png").write_text("no picture")
    (pictures[0] / "2.png").unlink()
    arguments = ("score", *pictures, "--out", f"s{suffix}")
    code, _, err = cli(*arguments)
    assert code == 3
    assert "1.png: not an image" in err
    assert "2.png: no partner named 2" in err
    assert not (tmp_path / f"s{suffix}").exists()
    code, _, err = cli(*arguments, "--keep-going")
    assert code == 0
    assert err.count("left out:") == 2
    scores = READERS[suffix](tmp_path / f"s{suffix}")
    assert len(scores) == 5
    for name in COLUMNS:
        assert scores[name].isna().tolist() == [False, True, False, False, False]


def test_a_second_run_decodes_nothing(
    cli: Cli,
    pictures: tuple[Path, Path],
    manifest: Path,
    tmp_path: Path,
    decoded: list[Path],
) -> None:
    assert cli("score", *pictures, "--out", "first.csv")[0] == 0
    assert len(decoded) == 2 * 12  # once for its hash and once for its features
    assert {path.name for path in (tmp_path / "runs").iterdir()} == {"cache"}
    decoded.clear()
    assert cli("score", *pictures, "--out", "second.csv")[0] == 0
    assert cli("score", manifest, "--out", "third.csv")[0] == 0
    assert not decoded
    assert (tmp_path / "first.csv").read_bytes() == (tmp_path / "second.csv").read_bytes()


def test_a_killed_run_goes_on_where_it_stopped(
    cli: Cli,
    pictures: tuple[Path, Path],
    tmp_path: Path,
    decoded: list[Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    arguments = ("score", *pictures, "--workers", "1", "--cache", "kept", "--out", "scores.csv")
    whole = work.compute
    computed: list[str] = []

    def compute(task, runtime):  # type: ignore[no-untyped-def]
        if len(computed) == 4:
            raise KeyboardInterrupt
        computed.extend(job.pair_id for job in task)
        return whole(task, runtime)

    monkeypatch.setattr("seiqa_features.extraction.flow.compute", compute)
    assert cli(*arguments)[0] != 0
    assert not (tmp_path / "scores.csv").exists()
    block = Recipe.parse({"gms": ["max256"]}).blocks[0]
    kept = len(Store(tmp_path / "kept").keys(block))
    assert 0 < kept <= len(computed) == 4  # what the stopped run had not collected is gone
    decoded.clear()
    monkeypatch.setattr("seiqa_features.extraction.flow.compute", whole)
    code, _, err = cli(*arguments)
    assert code == 0, err
    assert len(decoded) == 2 * (6 - kept)
    assert len(pd.read_csv(tmp_path / "scores.csv")) == 6
    assert not (tmp_path / "runs").exists()


def test_scores_of_an_earlier_run_are_replaced(cli: Cli, manifest: Path, tmp_path: Path) -> None:
    assert cli("score", manifest, "--out", "once.csv")[0] == 0
    stale = pd.read_csv(tmp_path / "once.csv").assign(score=99.0)
    stale.to_csv(tmp_path / "stale.csv", index=False)
    assert cli("score", "stale.csv", "--out", "again.csv")[0] == 0
    assert (tmp_path / "again.csv").read_bytes() == (tmp_path / "once.csv").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["ref", "dist"], "--out is missing"),
        (["ref"], "give REF DIST"),
        (["ref", "--out", "s.csv"], "give REF DIST"),
        (["a.png"], "a.png: a single picture; give REF DIST"),
        (["pairs.csv"], "--out is missing"),
        (["a.png", "b.png", "c.png"], "give REF DIST"),
        (["a.png", "b.png", "--out", "s.csv"], "--out is for folders and manifests"),
        (["a.png", "dist"], "give two pictures or two folders"),
        (["ref", "dist", "--out", "s.xlsx"], "--out s.xlsx: expected a name that ends in .csv"),
        (["pairs.csv", "--out", "scores"], "--out scores: expected a name that ends in .csv"),
        (["ref", "dist", "--out", "nowhere/s.csv"], "there is no folder nowhere"),
        (["ref", "dist", "--out", "full.csv"], "full.csv: is a folder; name a file to write"),
    ],
)
def test_wrong_usage_is_told_before_any_work(
    arguments: list[str], expected: str, cli: Cli, tmp_path: Path
) -> None:
    for name in ("ref", "dist", "full.csv"):
        (tmp_path / name).mkdir()
    code, _, err = cli("score", *arguments)
    assert code == 2
    assert expected in err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dist", "full.csv", "ref"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["score", "t.csv", "--out", "t.csv"],
        ["score", "t.csv", "--out", "link.csv"],
        ["score", "a.png", "b.png", "--heatmap", "b.png"],
        ["predict-table", "t.csv", "--bundle", "m", "--out", "t.csv"],
        ["audit", "t.csv", "--out", "t.csv"],
    ],
)
def test_nothing_that_is_read_is_replaced(arguments: list[str], cli: Cli, tmp_path: Path) -> None:
    for name in ("t.csv", "a.png", "b.png"):
        (tmp_path / name).write_text("mine")
    (tmp_path / "link.csv").symlink_to("t.csv")
    code, _, err = cli(*arguments)
    assert code == 2
    assert err == f"seiqa: {arguments[-1]}: is an input and would be replaced; name another\n"
    assert {path.read_text() for path in tmp_path.iterdir() if path.is_file()} == {"mine"}


def test_a_place_that_cannot_be_written_is_told_before_any_work(
    cli: Cli, manifest: Path, decoded: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", "temporary name")

    monkeypatch.setattr(Path, "touch", refuse)
    code, _, err = cli("score", manifest, "--out", "s.csv")
    assert (code, err) == (1, "seiqa: s.csv: cannot be written (Permission denied)\n")
    assert not decoded


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["a.png", "gone.png"], "seiqa: dist: gone.png: no such file"),
        (["text.png", "a.png"], "seiqa: ref: text.png: not an image"),
        (["ref", "dist", "--out", "s.csv"], "dist: no image pairs in it"),
        (["empty.csv", "--out", "s.csv"], "empty.csv: no image pairs in it"),
        (["names.csv", "--out", "s.csv"], "names.csv: no column dist; expected ref, dist"),
        (["gone.csv", "--out", "s.csv"], "gone.csv: no such file"),
        (["text.md", "--out", "s.csv"], "text.md: expected a manifest (.csv, .xlsx, …)"),
        (["a.png", "a.png", "--bundle", "nowhere"], "nowhere is not a bundle"),
    ],
)
def test_what_cannot_be_scored_is_named(
    arguments: list[str], expected: str, cli: Cli, tmp_path: Path
) -> None:
    for name in ("ref", "dist"):
        (tmp_path / name).mkdir()
    scene(1).save(tmp_path / "a.png")
    for name in ("text.png", "text.md"):
        (tmp_path / name).write_text("no picture")
    (tmp_path / "empty.csv").write_text("ref,dist\n")
    (tmp_path / "names.csv").write_text("ref,picture\na.png,a.png\n")
    code, _, err = cli("score", *arguments)
    assert code == 3
    assert expected in err
    assert "Traceback" not in err
    assert not (tmp_path / "s.csv").exists()


@pytest.mark.parametrize("suffix", READERS)
def test_cells_of_a_manifest_stay_the_text_they_are(
    suffix: str, cli: Cli, pictures: tuple[Path, Path], tmp_path: Path
) -> None:
    ref, dist = (folder.name for folder in pictures)
    rows = [f"{ref}/{k}.png,{dist}/{k}.png,{note}" for k, note in enumerate(["007", "NA", "1E5"])]
    text = "\n".join(["REF, Dist ,note, Score ", *rows])
    (tmp_path / "m.csv").write_text(text)
    code, _, err = cli("score", "m.csv", "--out", f"scored{suffix}")
    assert code == 0, err
    if suffix == ".csv":
        scores = pd.read_csv("scored.csv", dtype=str, keep_default_na=False)
        assert (scores.pop("score").astype(float) > 0).all()  # that of an earlier run is replaced
    else:
        scores = READERS[suffix](tmp_path / f"scored{suffix}")
    assert scores["note"].tolist() == ["007", "NA", "1E5"]
    assert list(scores.columns[:3]) == ["REF", "Dist", "note"]


def test_names_that_a_spreadsheet_would_run_are_inert_and_come_back(
    cli: Cli, pictures: tuple[Path, Path], tmp_path: Path
) -> None:
    for folder in pictures:
        for number, name in enumerate(("=1+1", "-a", "@x"), 0):
            shutil.copy(folder / f"{number}.png", folder / f"{name}.png")
    ref, dist = (folder.name for folder in pictures)
    (tmp_path / "m.csv").write_text(
        f"pair_id,ref,dist\n=1+1,{ref}/=1+1.png,{dist}/=1+1.png\n-1.5,{ref}/-a.png,{dist}/-a.png\n"
    )
    code, _, err = cli("score", "m.csv", "--out", "s.csv")
    assert code == 0, err
    written = (tmp_path / "s.csv").read_text().splitlines()
    assert written[1].startswith(f"'=1+1,{ref}/=1+1.png,")
    assert written[2].startswith("-1.5,")
    assert cli("score", "s.csv", "--out", "again.csv")[0] == 0
    assert (tmp_path / "again.csv").read_bytes() == (tmp_path / "s.csv").read_bytes()
    (tmp_path / "run.csv").write_text("ref,dist\n" + f"{ref}/@x.png,'=no.png\n")
    assert "=no.png: no such file" in cli("score", "run.csv", "--out", "t.csv")[2]


def test_a_package_without_its_bundle_says_so(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seiqa_models.bundle.BOXED", tmp_path / "boxed")
    scene(1).save(tmp_path / "a.png")
    code, _, err = cli("score", "a.png", "a.png")
    assert code == 3
    assert "the built-in model is missing from this installation" in err
    assert "--bundle" in err


# --- pictures and folders of strangers -------------------------------------------------------


def test_folders_of_every_format_with_subfolders_and_litter(cli: Cli, tmp_path: Path) -> None:
    """What counts is scored, what is left out is said, by `score` and `check` alike."""
    names = ["a.png", "b.jp2", "c.avif", "e.ppm", "f.jfif", "sub/g.webp"]
    for side, level in (("r", 0), ("d", 1)):
        for number, name in enumerate(names):
            path = tmp_path / side / name
            path.parent.mkdir(parents=True, exist_ok=True)
            degrade(scene(number), level).save(path)
    (tmp_path / "d" / "notes.txt").write_text("how they were degraded")
    code, _, err = cli("score", "r", "d", "--out", "o.csv")
    assert code == 0, err
    assert "seiqa: left out: d: notes.txt: no picture by its suffix" in err
    scores = pd.read_csv("o.csv")
    assert scores["dist"].tolist() == [f"d/{name}" for name in names]
    assert scores["score"].notna().all()
    for name, score in zip(names, scores["score"], strict=True):
        assert cli("score", f"r/{name}", f"d/{name}")[1].startswith(f"{score:.4f} ")


def test_check_says_what_a_folder_holds_beside_pictures(cli: Cli, tmp_path: Path) -> None:
    for side in ("Ref", "Dist"):
        (tmp_path / "data" / "Test" / side / "sub").mkdir(parents=True)
        scene(1).save(tmp_path / "data" / "Test" / side / "1.png")
    code, out, err = cli("check", "data")
    assert code == 0, err
    assert "usable pairs  1" in out
    for side in ("Ref", "Dist"):
        assert f"seiqa: left out: data/Test/{side}: sub: a subfolder, not read" in err


@pytest.mark.skipif(os.name == "nt", reason="names are bytes on POSIX only")
def test_names_that_no_encoding_holds(cli: Cli, tmp_path: Path) -> None:
    """A file name in Latin-1 bytes, as old zips leave it: scored, and shown by its bytes."""
    odd = os.fsdecode(b"caf\xe9.png")
    for side, level in (("r", 0), ("d", 1)):
        (tmp_path / side).mkdir()
        for name in ("a.png", odd):
            degrade(scene(1), level).save(tmp_path / side / "new.png")
            (tmp_path / side / "new.png").rename(tmp_path / side / name)
    for suffix, read in READERS.items():
        code, _, err = cli("score", "r", "d", "--out", f"o{suffix}", "--keep-going")
        assert code == 0, err
        scores = read(Path(f"o{suffix}"))
        assert scores["dist"].tolist() == ["d/a.png", "d/caf\\xe9.png"]
        assert scores["score"].notna().all()
    (tmp_path / "d" / odd).write_text("no picture")
    code, _, err = cli("score", "r", "d", "--out", "o.csv", "--keep-going")
    assert code == 0
    assert "seiqa: left out: d/caf\\xe9.png: not an image" in err


@pytest.mark.skipif(os.name == "nt", reason="no FIFOs")
def test_what_is_no_file_is_refused_at_once(cli: Cli, tmp_path: Path) -> None:
    scene(1).save(tmp_path / "a.png")
    os.mkfifo(tmp_path / "fifo.png")
    code, _, err = cli("score", "a.png", "fifo.png")
    assert (code, err) == (3, "seiqa: dist: fifo.png: is a FIFO; expected a regular file\n")
    (tmp_path / "m.csv").write_bytes(b"ref,dist\na.png,fifo.png\na.png,/dev/zero\na.png,b\0.png\n")
    code, _, err = cli("score", "m.csv", "--out", "o.csv")
    assert code == 3
    for line in (
        "fifo.png: is a FIFO; expected a regular file",
        "/dev/zero: is a device; expected a regular file",
        "b\\x00.png: cannot be read (embedded null byte)",
    ):
        assert line in err


def test_an_external_program_is_never_started(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PostScript under a picture's name would have Pillow start Ghostscript."""
    started = tmp_path / "started"
    program = tmp_path / "bin" / "gs"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\ntouch {started}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=os.pathsep)
    scene(1).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 64\n%%EndComments\nshowpage\n%%EOF\n"
    )
    code, _, err = cli("score", "a.png", "b.png")
    assert code == 3
    assert "b.png: not an image but PostScript" in err
    (tmp_path / "m.csv").write_text("ref,dist\na.png,b.png\n")
    assert cli("check", "m.csv")[0] == 3
    assert not started.exists()


def test_equal_pictures_have_the_top_of_the_scale(cli: Cli, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (72, 96, 3), dtype=np.uint8)
    for name in ("r/a.png", "d/a.bmp"):
        (tmp_path / name).parent.mkdir()
        Image.fromarray(noise).save(tmp_path / name)
    assert cli("score", "r/a.png", "d/a.bmp")[:2] == (0, "5.0000 (5.00 to 5.00, 90 %, identical)\n")
    assert cli("score", "r", "d", "--out", "o.csv")[0] == 0
    (row,) = pd.read_csv("o.csv")[COLUMNS].to_numpy().tolist()
    assert row == [5, 5, 5, False, True, False]


def test_engines_that_do_not_exist(pictures: tuple[Path, Path], tmp_path: Path, cli: Cli) -> None:
    code, _, err = cli("score", *pictures, "--out", tmp_path / "s.csv", "--engine", "spark")
    assert code == 2
    assert err == "seiqa: --engine spark: expected local or ray\n"


def test_a_cluster_that_is_not_there(pictures: tuple[Path, Path], tmp_path: Path, cli: Cli) -> None:
    out = tmp_path / "s.csv"
    code, _, err = cli(
        "score", *pictures, "--out", out, "--engine", "ray", "--ray-address", "nowhere"
    )
    assert code == 2
    expected = "seiqa: --ray-address nowhere: expected host:port, such as 10.0.0.1:6379"
    assert err.splitlines() == [expected]
    assert not out.exists()
    manifest = tmp_path / "pairs.csv"
    manifest.write_text("ref,dist\n" + f"{pictures[0]}/0.png,{pictures[1]}/0.png\n")
    code, _, err = cli("features", manifest, "--engine", "ray", "--ray-address", "nowhere")
    assert code == 2
    assert err.splitlines()[-1] == expected
    assert not (tmp_path / "runs" / "cache").exists()


@pytest.mark.slow  # it starts Ray
def test_a_cluster_gives_the_same_scores(
    trained: Path, pictures: tuple[Path, Path], tmp_path: Path
) -> None:
    pytest.importorskip("ray", reason="Ray is not installed: extra cluster")
    for engine in ("local", "ray"):
        subprocess.run(
            [
                sys.executable, "-m", "pipelines.cli", "score", *pictures, "--bundle", trained,
                "--out", tmp_path / f"{engine}.csv", "--engine", engine,
            ],
            check=True, timeout=300, capture_output=True,
        )  # fmt: skip
    assert (tmp_path / "ray.csv").read_bytes() == (tmp_path / "local.csv").read_bytes()
    assert len(pd.read_csv(tmp_path / "ray.csv")) > 1


def test_uris_of_other_kinds(pictures: tuple[Path, Path], tmp_path: Path, cli: Cli) -> None:
    expected = "ftp://host/x: expected a local path, or s3://, gs://, file://"
    for arguments in (
        ("score", *pictures, "--out", "s.csv", "--cache", "ftp://host/x"),
        ("score", "ftp://host/x", "--out", "s.csv"),
        ("features", "ftp://host/x"),
        ("features", tmp_path, "--cache", "ftp://host/x"),
        ("features", tmp_path, "--run", "ftp://host/x"),
    ):
        code, _, err = cli(*arguments)
        assert code == 2
        (line,) = err.splitlines()
        assert expected in line
