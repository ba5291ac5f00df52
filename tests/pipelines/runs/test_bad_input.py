"""Bad input through the command line: clear lines, right exit code, nothing computed is lost."""

from __future__ import annotations

import errno
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from PIL import Image

from tests.pipelines.conftest import Cli, degrade, scene

PICTURE = "000003.png"


def _drop_partner(train: Path) -> None:
    (train / "Ref" / PICTURE).unlink()


def _truncate(train: Path) -> None:
    path = train / "Dist" / PICTURE
    path.write_bytes(path.read_bytes()[:-400])


def _text(train: Path) -> None:
    (train / "Dist" / PICTURE).write_text("this is no picture")


def _empty(train: Path) -> None:
    (train / "Dist" / PICTURE).write_bytes(b"")


def _one_pixel(train: Path) -> None:
    Image.new("RGB", (1, 1)).save(train / "Dist" / PICTURE)


def _edit_sheet(train: Path, old: str, new: str) -> None:
    sheet = train / "Train_scores.csv"
    text = sheet.read_text()
    assert old in text
    sheet.write_text(text.replace(old, new, 1))


def _bad_label(train: Path) -> None:
    _edit_sheet(train, f"{PICTURE},3", f"{PICTURE},good")


def _label_too_high(train: Path) -> None:
    _edit_sheet(train, f"{PICTURE},3", f"{PICTURE},7")


def _duplicate_row(train: Path) -> None:
    _edit_sheet(train, f"{PICTURE},3", f"{PICTURE},3\n000003,2")


def _row_without_picture(train: Path) -> None:
    _edit_sheet(train, f"{PICTURE},3", f"{PICTURE},3\n000777.png,2")


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (_drop_partner, "Dist/000003.png: no partner named 000003"),
        (_truncate, "Dist/000003.png: damaged or truncated image"),
        (_text, "Dist/000003.png: not an image"),
        (_empty, "Dist/000003.png: empty file"),
        (_one_pixel, "Dist/000003.png: 1×1 pixels; expected at least 16"),
        (_bad_label, "row 4 (000003.png): label 'good' is not a number"),
        (_label_too_high, "row 4 (000003.png): label 7 is out of range; expected a number from 0"),
        (_duplicate_row, "row 5 (000003): picture appears twice"),
        (_row_without_picture, "row 5 (000777.png): no such pair"),
    ],
)
def test_damaged_data_stops_with_one_line(
    damage: Callable[[Path], None], expected: str, cli: Cli, seiqa_data: Path, quick: Path
) -> None:
    damage(seiqa_data / "Train")
    code, _, err = cli("features", seiqa_data, "--config", quick, "--run", "run")
    assert code == 3
    assert len([line for line in err.splitlines() if expected in line]) == 1
    assert "Traceback" not in err
    assert "--keep-going" in err

    code, out, err = cli("features", seiqa_data, "--config", quick, "--run", "run", "--keep-going")
    assert code == 0, err
    assert expected in err  # left out, and said so
    assert "pairs computed" in out


def test_everything_wrong_is_said_at_once(cli: Cli, seiqa_data: Path) -> None:
    train = seiqa_data / "Train"
    for damage in (_drop_partner, _label_too_high):
        damage(train)
    (train / "Dist" / "000004.png").write_text("no picture")
    (seiqa_data / "Test" / "Ref" / "000001.png").unlink()
    _, _, err = cli("check", seiqa_data)
    for name in ("Train/Dist/000003.png", "Train/Dist/000004.png", "Test/Dist/000001.png"):
        assert name in err
    assert "row 4 (000003.png)" in err


def _save_variants(folder: Path, image: Image.Image) -> list[str]:
    """A picture of at most 256 colours in every unusual but legitimate form."""
    grey = image.convert("L")
    image.convert("RGBA").save(folder / "alpha.png")
    image.quantize(256).save(folder / "palette.png")
    grey.save(folder / "grey.png")
    Image.fromarray(np.asarray(grey).astype(np.uint16) * 257).save(folder / "sixteen-bit.png")
    image.convert("CMYK").save(folder / "cmyk.jpg", quality=95)
    exif = Image.Exif()
    exif[0x0112] = 6
    image.rotate(90, expand=True).save(folder / "rotated.jpg", exif=exif, quality=95)
    image.resize((91, 70)).save(folder / "other size.png")
    image.save(folder / "Größe 大.webp", lossless=True)
    return sorted(path.name for path in folder.iterdir())


def test_unusual_pictures_are_just_pictures(cli: Cli, tmp_path: Path, quick: Path) -> None:
    folder = tmp_path / "variants"
    folder.mkdir()
    image = degrade(scene(1), 1).quantize(256).convert("RGB")
    names = _save_variants(folder, image)
    scene(1).save(folder / "ref.png")
    image.save(folder / "plain.png")
    rows = [{"ref": "ref.png", "dist": name, "pair_id": name} for name in ["plain.png", *names]]
    pd.DataFrame(rows).to_csv(folder / "pairs.csv", index=False)
    code, _, err = cli("features", folder / "pairs.csv", "--config", quick, "--run", "run")
    assert code == 0, err
    table = pq.read_table("run/features.parquet", columns=["pair_id", "ssim__max256__value"])
    ssim = dict(zip(*(column.to_pylist() for column in table.columns), strict=True))
    assert len(ssim) == len(names) + 1
    for name in names:
        assert ssim[name] == pytest.approx(ssim["plain.png"], abs=0.05), name


def test_empty_folder_and_unknown_layout(cli: Cli, tmp_path: Path, quick: Path) -> None:
    (tmp_path / "empty").mkdir()
    code, _, err = cli("features", tmp_path / "empty", "--config", quick)
    assert code == 3
    assert "neither a SeIQA folder" in err
    for part in ("Ref", "Dist"):
        (tmp_path / "hollow" / "Train" / part).mkdir(parents=True)
    code, _, err = cli("features", tmp_path / "hollow", "--config", quick)
    assert code == 3
    assert "no image pairs" in err
    code, _, err = cli("features", tmp_path / "nowhere", "--config", quick)
    assert code == 3
    assert "no such file or folder" in err
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    code, _, err = cli("check", str(tmp_path / "loop"))
    assert code == 3
    assert err == f"seiqa: {tmp_path / 'loop'}: no such file or folder\n"


def _features_then_train(cli: Cli, data: Path, quick: Path) -> tuple[int, str]:
    code, _, err = cli("features", data, "--config", quick, "--run", "run")
    assert code == 0, err
    code, _, err = cli("train", data, "--config", quick, "--run", "run")
    assert "Traceback" not in err
    return code, err


def test_training_needs_labels(cli: Cli, seiqa_data: Path, quick: Path) -> None:
    (seiqa_data / "Train" / "Train_scores.csv").unlink()
    code, err = _features_then_train(cli, seiqa_data, quick)
    assert code == 3
    assert "no labelled training pair" in err


def test_training_needs_several_groups(cli: Cli, tmp_path: Path, quick: Path) -> None:
    rows = ["ref,dist,mos"]
    scene(1).save(tmp_path / "ref.png")
    for level in range(12):
        degrade(scene(1), level).save(tmp_path / f"{level}.png")
        rows.append(f"ref.png,{level}.png,{9 - level / 2}")
    (tmp_path / "pairs.csv").write_text("\n".join(rows))
    code, err = _features_then_train(cli, tmp_path / "pairs.csv", quick)
    assert code == 3
    assert "group" in err.splitlines()[-1]


def test_training_needs_more_than_three_pairs(cli: Cli, tmp_path: Path, quick: Path) -> None:
    rows = ["ref,dist,mos"]
    for number in range(3):
        scene(number).save(tmp_path / f"r{number}.png")
        degrade(scene(number), number).save(tmp_path / f"d{number}.png")
        rows.append(f"r{number}.png,d{number}.png,{number}")
    (tmp_path / "pairs.csv").write_text("\n".join(rows))
    code, err = _features_then_train(cli, tmp_path / "pairs.csv", quick)
    assert code == 3
    assert "3" in err.splitlines()[-1]


def test_unusable_cache_is_named(cli: Cli, seiqa_data: Path, quick: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    code, _, err = cli(
        "features", seiqa_data, "--config", quick, "--cache", tmp_path / "file" / "cache"
    )
    assert code == 1
    assert "file/cache" in err
    assert "--cache" in err


def test_disk_full_keeps_what_was_computed(
    cli: Cli, seiqa_data: Path, quick: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    written: list[pa.Table] = []
    real = pq.ParquetWriter.write_table

    def fill_up(writer: pq.ParquetWriter, table: pa.Table, **options: int) -> None:
        if len(written) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        written.append(table)
        real(writer, table, **options)

    monkeypatch.setattr(pq.ParquetWriter, "write_table", fill_up)
    arguments = ("features", seiqa_data, "--config", quick, "--run", "run")
    code, _, err = cli(*arguments)
    assert code == 1
    assert "No space left on device" in err
    assert "kept" in err
    assert len(list((tmp_path / "runs" / "cache").rglob("part-*.parquet"))) == 2
    assert not list((tmp_path / "runs" / "cache").rglob(".part-*"))
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    code, _, err = cli(*arguments)
    assert code == 0, err


def test_steps_out_of_order_say_what_to_run(cli: Cli, seiqa_data: Path, quick: Path) -> None:
    for verb, wanted in (("train", "seiqa features"), ("submit", "seiqa features"),
                         ("report", "seiqa train")):  # fmt: skip
        code, _, err = cli(verb, seiqa_data, "--config", quick, "--run", "run")
        assert code == 3, verb
        assert wanted in err
        code, _, err = cli(verb, "--run", "run")
        assert code == 3, verb
        announced = [line for line in err.splitlines() if line.startswith("config ")]
        expected = "config best, data of the run, run run, "
        assert [line[: len(expected)] for line in announced] == [expected] * (verb != "report")


def test_training_on_other_features_is_refused(
    cli: Cli, seiqa_data: Path, quick: Path, tmp_path: Path
) -> None:
    code, _, err = cli("features", seiqa_data, "--config", quick, "--run", "run")
    assert code == 0, err
    config = yaml.safe_load(quick.read_text())
    config["features"]["gms"] = ["max128"]
    other = tmp_path / "other.yaml"
    other.write_text(yaml.safe_dump(config))
    code, _, err = cli("train", seiqa_data, "--config", other, "--run", "run")
    assert code == 3
    assert "another configuration" in err


def test_bundle_of_other_features_is_refused(
    cli: Cli, seiqa_data: Path, quick: Path, tmp_path: Path
) -> None:
    code, _, err = cli("run", seiqa_data, "--config", quick, "--run", "run")
    assert code == 0, err
    manifest = Path("run/bundle/bundle.json")
    saved = json.loads(manifest.read_text())
    saved["recipe"]["blocks"]["gms__max256"]["version"] = 99
    del saved["checksum"]
    manifest.write_text(json.dumps(saved))
    scene(1).save(tmp_path / "a.png")
    code, _, err = cli("score", tmp_path / "a.png", tmp_path / "a.png", "--bundle", "run/bundle")
    assert code == 3
    assert "bundle was trained on gms__max256" in err
    assert "train again" in err
    code, _, err = cli("score", tmp_path / "a.png", tmp_path / "a.png", "--bundle", "nowhere")
    assert code == 3
    assert "nowhere" in err


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["features"], "give DATA"),
        (["features", "data", "--config", "nope"], "there are best, boxed, classical, "),
        (["features", "data", "--workers", "0"], "Invalid value for '--workers'"),
        (["score", "a.png", "--bundle", "b"], "a single picture; give REF DIST"),
        (["frobnicate"], "No such command"),
    ],
)
def test_bad_usage_exits_2(arguments: list[str], expected: str, cli: Cli) -> None:
    code, _, err = cli(*arguments)
    assert code == 2
    assert expected in err


def test_unknown_extractor_view_and_learner(
    cli: Cli, seiqa_data: Path, quick: Path, tmp_path: Path
) -> None:
    config = yaml.safe_load(quick.read_text())
    for change, expected in (
        ({"features": {"gmss": ["max256"]}}, "did you mean gms?"),
        ({"features": {"gms": ["huge"]}}, "view 'huge' does not exist"),
        ({"learners": ["rigde"]}, "did you mean 'ridge'?"),
        ({"learners": ["ridge@dens"]}, "representation 'dens': did you mean 'dense'?"),
        ({"features": {}}, "seiqa: setting features: expected at least one extractor, or finetune"),
    ):
        (tmp_path / "bad.yaml").write_text(yaml.safe_dump({**config, **change}))
        code, _, err = cli("run", seiqa_data, "--config", tmp_path / "bad.yaml", "--run", "run")
        assert code == 2, err
        assert expected in err
        shutil.rmtree("run", ignore_errors=True)
