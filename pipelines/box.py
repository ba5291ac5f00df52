"""Train the built-in model: `python -m pipelines.box SHARED/data` (make box SHARED=…).

The folder holds the human-scored pairs of three laboratories, each with recipe*.csv, reference/ and
render*.py, which recreates the distorted pictures from the references: TID2013 (`tid2013_kodak` and
`tid2013_kodak_more`), LIVE release 2 (`live_r2`) and RAID (`raid`), whose pictures have moved.
Everything else is as for any data set.

With `--anchors` nothing is trained: the scores that the built-in model gives to known degradations
are found anew and put into its card, as the training does.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from pipelines import steps
from pipelines.commands.console import bars
from pipelines.scales import ZERO_TO_FIVE
from pipelines.sense.anchors import find_anchors
from pipelines.sense.orders import Reference
from pipelines.setting_sources import load_settings
from seiqa_features.pictures.decoding import load_rgb, pixel_key
from seiqa_models.bundle import load_bundle, save_bundle, save_card
from seiqa_models.inspection.manifest import BOXED

TID, LIVE = "TID2013", "LIVE"

TID_BEST, RAID_BEST = 7.21429, 5.4356
"""TID2013's largest MOS here, and RAID's MOS of a picture that has not moved."""

RAID_LEVELS = 4, 7, 10
"""Of 2 to 10: enough to learn what a displacement costs. More make the wheel too large."""

LIMITS = (
    "No person has labelled a semantic edit (something erased, swapped or inserted) for it. It"
    " notices most of them, from constructed pairs, and lowers the score by a fixed share; it does"
    " not know what the edited part means.",
    "It knows pictures of three collections, 20 scenes (most of them Kodak's, up to 768×512), 17"
    " kinds of distortion, rotations and shifts. Elsewhere it extrapolates, says so where it can"
    " tell, and widens its interval.",
    "What a displacement costs is what people see of it (RAID), which is not always a loss of"
    " meaning.",
    "The MOS are free for research with citation of Ponomarenko et al., Image database TID2013:"
    " Peculiarities, results and perspectives, Signal Processing: Image Communication 30, 2015.",
    "The DMOS are those of the LIVE Image Quality Assessment Database, Release 2 (Sheikh, Wang,"
    " Cormack and Bovik), free to use and distribute with its copyright notice and a citation.",
    "The responses to displaced pictures, counted among TID2013's pairs, are those of RAID"
    " (Daudén-Oliver et al., RAID-Dataset: human responses to affine image distortions and Gaussian"
    " noise, Scientific Data, 2026), CC BY 4.0.",
)


def write_manifest(data: Path, folder: Path) -> Path:
    """Render the distorted pictures into a folder, and write their human scores into a manifest.

    Kinds of distortion are omitted: every laboratory has its own.
    """
    parts = [
        _tid(data, data / "tid2013_kodak", folder),
        _tid(data, data / "tid2013_kodak_more", folder),
        _live(data / "live_r2", folder),
        _raid(data / "raid", folder),
    ]
    path = folder / "manifest.csv"
    pd.concat(parts, ignore_index=True).to_csv(path, index=False)
    return path


def _tid(data: Path, source: Path, folder: Path) -> pd.DataFrame:
    recipe, pictures = _rendered(source, folder)
    scenes = recipe["ref_img"].str.removesuffix(".png")
    return pd.DataFrame(
        {
            "ref": [data / "tid2013_kodak" / "reference" / f"{name}.png" for name in scenes],
            "dist": [pictures / f"{Path(name).stem}.png" for name in recipe["dist_img"]],
            "mos": recipe["MOS"],
            "group": "kodak " + scenes.str[1:3].str.lstrip("0"),
            "collection": TID,
        }
    )


def _live(source: Path, folder: Path) -> pd.DataFrame:
    """LIVE's pairs; a scene that TID2013 has, too, gets its number there."""
    recipe, pictures = _rendered(source, folder)
    scenes = recipe["ref_img"].str.removesuffix(".bmp")
    kodak = "kodak " + recipe["kodak"].astype("Int64").astype("string")
    names = recipe["distortion"] + "_" + recipe["dist_img"].str.replace(".bmp", ".png")
    return pd.DataFrame(
        {
            "ref": [source / "reference" / f"{name}.png" for name in scenes],
            "dist": [pictures / name for name in names],
            "dmos": recipe["DMOS"],
            "group": kodak.fillna(scenes),
            "collection": LIVE,
        }
    )


def _raid(source: Path, folder: Path) -> pd.DataFrame:
    """RAID's rotated and shifted pictures, as pairs of TID2013.

    Their MOS have TID2013's unit, found by means of its noisy pictures, but another zero.
    """
    recipe, pictures = _rendered(source, folder)
    displaced = recipe["distortion"].isin(["rotation", "translation"])
    recipe = recipe[displaced & recipe["level"].isin(RAID_LEVELS)]
    return pd.DataFrame(
        {
            "ref": [pictures / name for name in recipe["ref_img"]],
            "dist": [pictures / name for name in recipe["dist_img"]],
            "mos": recipe["MOS"] - RAID_BEST + TID_BEST,
            "group": "kodak " + recipe["ref_img"].str[4:6].str.lstrip("0"),
            "collection": TID,
        }
    )


def _rendered(source: Path, folder: Path) -> tuple[pd.DataFrame, Path]:
    """A collection's recipe, and the folder that now holds its distorted pictures."""
    (script,) = source.glob("render*.py")
    table = min(source.glob("recipe*.csv"))  # RAID has recipe_unverified.csv, too
    pictures = folder / source.name
    pictures.mkdir()
    subprocess.run([sys.executable, script, pictures], check=True)
    return pd.read_csv(table), pictures


def main(
    data: Path,
    run: Path = Path("runs/boxed"),
    anchors: Annotated[
        bool, typer.Option("--anchors", help="Train nothing: only find the scores of anchors anew.")
    ] = False,
) -> None:
    """Train on the collections in DATA, report into RUN, and copy the bundle into the package."""
    if anchors:
        put_anchors_in_box(data.resolve(), run)
        return
    with tempfile.TemporaryDirectory(prefix="seiqa-boxed-") as folder:
        manifest = write_manifest(data.resolve(), Path(folder))
        settings = load_settings(data=manifest, run=run, config="boxed", scale=ZERO_TO_FIVE)
        steps.features(settings)
        with bars("training folds", "judging collections") as (folds, laboratories):
            steps.train(settings, on_fold=folds, on_laboratory=laboratories)
        steps.report(settings)
    put_in_box(settings.run)


def put_anchors_in_box(data: Path, run: Path) -> None:
    """Find the built-in model's scores of known degradations of its references, for its card."""
    bundle = load_bundle(BOXED)
    found = find_anchors(load_settings(run=run, config="boxed"), bundle, _references(data))
    if found is None:
        raise typer.Exit(1)
    anchors = [ladder.model_dump(mode="json") for ladder in found]
    save_card(BOXED, {**bundle.card, "anchors": anchors})
    typer.echo(f"anchors in {BOXED}")


def _references(data: Path) -> list[Reference]:
    """The references of both collections by pixel key, as in training."""
    folders = (data / "tid2013_kodak" / "reference", data / "live_r2" / "reference")
    paths = {pixel_key(load_rgb(path)): path for folder in folders for path in folder.glob("*.png")}
    return [Reference(key, path, path.stem) for key, path in sorted(paths.items())]


def put_in_box(run: Path) -> None:
    """Copy a run's bundle into the package, with its card completed."""
    bundle = load_bundle(run / "bundle")
    card = bundle.card
    card["name"] = "The built-in model"
    card["data"]["source"] = (
        "TID2013, 10 scenes and 12 kinds (558 pairs), with RAID's rotations and translations of"
        " the same scenes (60 pairs), and LIVE release 2, 18 scenes and 5 kinds; rendered"
    )
    card["limits"] = [*LIMITS, *card["limits"]]
    card["reproduce"] = (
        "make box SHARED=the folder with tid2013_kodak, tid2013_kodak_more, live_r2, raid"
    )
    save_bundle(BOXED, bundle.regressor, recipe=bundle.recipe, card=card)
    typer.echo(f"bundle in {BOXED}, report in {run / 'report.html'}")


if __name__ == "__main__":
    typer.run(main)
