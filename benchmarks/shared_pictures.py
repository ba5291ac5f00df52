"""Manifests of the rated pictures that come with seiqa's development material.

    python benchmarks/shared_pictures.py SHARED/data FOLDER

renders what has to be rendered (some minutes) and writes FOLDER/tid.csv and FOLDER/live.csv, which
`seiqa features` reads: 558 pairs of TID2013 in 12 kinds, and 402 pairs of LIVE release 2 in five.
A scene that both have is one group, and equal pixels are in one group anyhow.
"""
# ruff: noqa: T201

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pandas as pd

MANIFEST = ["ref", "dist", "mos", "group", "distortion"]


def main() -> None:
    """Render, and write both manifests."""
    data, folder = (Path(argument).resolve() for argument in sys.argv[1:])
    for name, rows in {"tid": tid(data, folder), "live": live(data, folder)}.items():
        rows[MANIFEST].to_csv(folder / f"{name}.csv", index=False)
        print(f"{folder / name}.csv: {len(rows)} pairs")


def tid(data: Path, folder: Path) -> pd.DataFrame:
    """Both parts of TID2013; a kind is named by its number there."""
    references = data / "tid2013_kodak" / "reference"
    parts = []
    for name in ("tid2013_kodak", "tid2013_kodak_more"):
        pictures = rendered(data / name, folder / "pictures" / name)
        (recipe,) = (data / name).glob("recipe*.csv")
        rows = pd.read_csv(recipe)
        scene = rows["ref_img"].str.removesuffix(".png")
        parts.append(
            pd.DataFrame(
                {
                    "ref": [references / f"{name}.png" for name in scene],
                    "dist": [pictures / f"{Path(name).stem}.png" for name in rows["dist_img"]],
                    "mos": rows["MOS"],
                    "group": "kodak" + scene.str[1:3],
                    "distortion": rows["distortion"].map("kind {:02d}".format),
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def live(data: Path, folder: Path) -> pd.DataFrame:
    """LIVE; its labels say how bad a picture is and are turned, so that more is better."""
    source = data / "live_r2"
    pictures = rendered(source, folder / "pictures" / "live_r2")
    rows = pd.read_csv(source / "recipe.csv", dtype={"kodak": "Int64"})
    shared = "kodak" + rows["kodak"].astype("string").str.zfill(2)
    files = rows["distortion"] + "_" + rows["dist_img"].str.replace(".bmp", ".png")
    return pd.DataFrame(
        {
            "ref": [source / "reference" / f"{Path(name).stem}.png" for name in rows["ref_img"]],
            "dist": [pictures / name for name in files],
            "mos": -rows["DMOS"],
            "group": shared.fillna(rows["ref_img"].str.removesuffix(".bmp")),
            "distortion": rows["distortion"],
        }
    )


def rendered(source: Path, pictures: Path) -> Path:
    """The folder of a collection's distorted pictures, rendered there unless it exists."""
    if not pictures.is_dir():
        (script,) = source.glob("render*.py")
        unfinished = pictures.with_name(f"{pictures.name}.unfinished")
        unfinished.mkdir(parents=True, exist_ok=True)
        subprocess.run([sys.executable, script, unfinished], check=True)
        unfinished.rename(pictures)
    return pictures


if __name__ == "__main__":
    main()
