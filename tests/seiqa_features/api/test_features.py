"""`extract`: pictures of any form in, plain numbers out, the same as by way of the store."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from seiqa_features import extract, load_pairs
from seiqa_features.datasets import load_pairs as with_an_index
from seiqa_features.errors import DataError, UsageError, WeightsError
from seiqa_features.extraction import runtime as runtimes
from seiqa_features.extraction.runner import extract as run
from seiqa_features.extraction.runtime import Runtime
from seiqa_features.pictures.index import ImageIndex
from seiqa_features.table.recipe import Recipe
from seiqa_features.table.store import Store
from seiqa_features.table.table import assemble
from seiqa_features.weights.files import WeightFiles
from tests.seiqa_features import pretend

SavePicture = Callable[..., Path]


@pytest.fixture
def files(save_picture: SavePicture, tmp_path: Path) -> tuple[Path, Path]:
    return save_picture(tmp_path / "ref.png", 1, 80, 96), save_picture(
        tmp_path / "dist.png", 2, 80, 96
    )


FORMS: dict[str, Callable[[Path], Any]] = {
    "text": str,
    "path": Path,
    "Pillow": lambda path: Image.open(path).convert("RGB"),
    "array": lambda path: np.asarray(Image.open(path)),
    "float array": lambda path: np.asarray(Image.open(path)) / 255,
    "tensor": lambda path: torch.from_numpy(np.array(Image.open(path))).permute(2, 0, 1),
    "float tensor": lambda path: (
        torch.from_numpy(np.array(Image.open(path))).permute(2, 0, 1).float() / 255
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_one_pair_in_any_form_gives_a_number_for_each_metric(
    form: str, files: tuple[Path, Path]
) -> None:
    values = extract(["mdsi", "CW-SSIM", "gmsd"], *map(FORMS[form], files))
    assert list(values) == ["mdsi", "cw_ssim", "gmsd"]
    assert all(type(value) is float for value in values.values())
    assert values == extract(["mdsi", "CW-SSIM", "gmsd"], *files)
    assert 0 < values["gmsd"] < 1


def test_what_a_picture_is_too_small_for_is_undefined(files: tuple[Path, Path]) -> None:
    values = extract(["ms_ssim", "iw_ssim", "ssim"], *files)
    assert [bool(np.isnan(value)) for value in values.values()] == [True, True, False]


def test_one_name_stands_for_a_metric_or_for_all_that_an_extractor_says(
    files: tuple[Path, Path],
) -> None:
    assert list(extract("ssim", *files)) == ["ssim"]
    assert list(extract("vifp", *files)) == ["vif_p"]
    details = extract("ssim", *files, details=True)
    assert list(details)[:3] == ["ssim", "ms_ssim", "ssim__cs1"]
    assert list(extract("gms", *files))[:3] == ["gmsd", "gmsm", "gms__patch_std"]
    assert list(extract("colour__hue_shift", *files)) == ["colour__hue_shift"]
    colour = extract("colour", *files)
    assert {"colour__delta_e", "colour__hist_cosine", "colour__hist_l1"} <= colour.keys()
    assert not any("grid" in name or "absdiff" in name for name in colour)  # blocks are no numbers


def test_many_pairs_give_a_table(files: tuple[Path, Path]) -> None:
    ref, dist = files
    table = extract(["psnr", "gmsd"], [ref, dist, ref], [dist, dist, np.asarray(Image.open(dist))])
    assert table.index.tolist() == [0, 1, 2]
    assert table.columns.tolist() == ["psnr", "gmsd"]
    assert table.dtypes.astype(str).tolist() == ["float64"] * 2
    assert table["gmsd"].tolist() == [extract("gmsd", ref, dist)["gmsd"], 0.0, table["gmsd"][0]]
    frame = pd.DataFrame({"ref": [ref], "dist": [dist]}, index=["only"])
    assert extract("gmsd", frame).loc["only", "gmsd"] == table["gmsd"][0]


@pytest.mark.usefixtures("files")
def test_a_data_sets_pairs_go_in_as_they_come_out(tmp_path: Path) -> None:
    (tmp_path / "pairs.csv").write_text(
        "pair_id,ref,dist\nsecond,ref.png,dist.png\nfirst,dist.png,dist.png\n"
    )
    pairs, left_out = load_pairs(str(tmp_path / "pairs.csv"))
    assert not left_out
    table = extract(["gmsd"], pairs)
    assert table.index.tolist() == pairs["pair_id"].tolist() == ["second", "first"]
    assert table.loc["first", "gmsd"] == 0.0 < table.loc["second", "gmsd"]


def test_values_are_those_of_the_store(files: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "pairs.csv").write_text("ref,dist\nref.png,dist.png\n")
    pairs, _ = with_an_index(tmp_path / "pairs.csv", ImageIndex(tmp_path / "index"))
    recipe, store = Recipe.parse({"gms": ["max64"], "fsim": ["max64"]}), Store(tmp_path / "store")
    run(pairs, recipe, store, Runtime(WeightFiles(tmp_path)), workers=1)
    stored, _ = assemble(pairs, recipe, store)
    values = extract(["gmsd", "fsimc"], *files, view="max64")
    assert values["gmsd"] == stored["gms__max64__gmsd"].item()
    assert values["fsimc"] == stored["fsim__max64__chromatic"].item()
    assert values["gmsd"] != extract("gmsd", *files)["gmsd"]  # at their own size by default


def test_a_degraded_picture_of_another_size_is_brought_to_the_references(
    files: tuple[Path, Path], tmp_path: Path
) -> None:
    ref, _ = files
    Image.open(ref).resize((48, 40)).save(tmp_path / "small.png")
    assert 0 < extract("gmsd", ref, tmp_path / "small.png")["gmsd"] < 0.3


def test_networks_are_built_once(
    files: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches = pretend.register(monkeypatch)
    pretend.weights_in(tmp_path / "weights", factor=3.0)
    asked: list[str] = []
    real = runtimes.get_extractor
    monkeypatch.setattr(runtimes, "get_extractor", lambda name: asked.append(name) or real(name))
    values = [extract("pretend", *files, weights=tmp_path / "weights") for _ in range(2)]
    assert values[0] == values[1] == {"pretend__shift": pytest.approx(values[0]["pretend__shift"])}
    assert batches == [1, 1]
    assert asked == ["pretend"]
    with pytest.raises(WeightsError, match="test/factor  7 MB  for pretend"):
        extract("pretend", *files, weights=tmp_path / "elsewhere")


def test_bad_pictures_are_named_together_or_left_empty(
    files: tuple[Path, Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ref, dist = files
    (tmp_path / "text.png").write_text("no picture")
    dists = [dist, tmp_path / "text.png", tmp_path / "gone.png"]
    with pytest.raises(DataError) as raised:
        extract("gmsd", [ref] * 3, dists)
    assert [line.split(":")[0] for line in raised.value.problems] == ["pair 2"]
    with pytest.raises(DataError, match=r"^pair 1: dist: .*text\.png: not an image"):
        extract("gmsd", [ref] * 2, dists[:2])
    table = extract("gmsd", [ref] * 3, dists, keep_going=True)
    assert table["gmsd"].isna().tolist() == [False, True, True]
    assert "pair 1: dist:" in caplog.text
    assert "pair 2: dist:" in caplog.text
    with pytest.raises(DataError, match=r"^dist: .*gone\.png: no such file$"):
        extract("gmsd", ref, tmp_path / "gone.png")
    with pytest.raises(DataError, match=r"^pair 0: dist: .*text\.png: not an image"):
        extract("gmsd", [ref], [tmp_path / "text.png"])


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("nothing", "a", "b"), UsageError, "extractor 'nothing' does not exist"),
        (("gmsd", ["a"], ["b", "c"]), DataError, "1 references but 2 degraded pictures"),
        (("gmsd", ["a"], "b"), DataError, "dist: a str; expected a sequence of pictures"),
        (("gmsd", "a", ["b"]), DataError, "ref: a str; expected a sequence of pictures"),
        (([], "a", "b"), UsageError, r"no metric is named; list_extractors\(\) gives the names"),
        ((None, "a", "b"), UsageError, "None: expected the name of a metric"),
        (("gmsd", ["a"]), DataError, "expected a DataFrame with columns ref and dist, or two"),
        (("gmsd", pd.DataFrame({"ref": []})), DataError, "no column dist; expected ref and dist"),
        (("gmsd", np.zeros((2, 64, 64, 3))), DataError, "a NoneType; expected a path"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_extracted(
    arguments: tuple[Any, ...], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        extract(*arguments)


def test_a_view_that_a_network_cannot_use_is_named(files: tuple[Path, Path]) -> None:
    with pytest.raises(UsageError, match="clip_b16 cannot use view max512; it sees c224"):
        extract("clip_b16", *files, view="max512")


def test_progress_is_told(files: tuple[Path, Path]) -> None:
    told: list[tuple[int, int]] = []
    extract("gmsd", [files[0]] * 2, list(files), on_pair=lambda *now: told.append(now))
    assert told[-1] == (2, 2)
