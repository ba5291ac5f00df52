"""Train the built-in model: `python -m pipelines.box FOLDER [FOLDER …]` (make box).

Each folder holds part of TID2013: recipe*.csv with the human scores, render*.py, which recreates
the distorted pictures from the references, and in the first folder reference/. Everything else is
as for any data set.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import pandas as pd
import typer

from pipelines import steps
from pipelines.commands.console import bars
from pipelines.settings import load_settings
from seiqa_models.bundle import BOXED, load_bundle, save_bundle

SCALE = 5.0
"""Top of the built-in model's scale, the same as for SeIQA's labels."""

LIMITS = (
    "Semantic edits (something erased, swapped or inserted) are outside its training: on them it"
    " says how much of the picture's structure and colour changed, and not what that means.",
    "It knows pictures of one collection (Kodak, 512×384) and twelve kinds of distortion."
    " Elsewhere it extrapolates, says so where it can tell, and widens its interval.",
    "The MOS are free for research with citation of Ponomarenko et al., Image database TID2013:"
    " Peculiarities, results and perspectives, Signal Processing: Image Communication 30, 2015.",
)


def write_manifest(sources: list[Path], folder: Path) -> Path:
    """Render the distorted pictures into a folder, and write their human scores into a manifest.

    MOS are divided so that the best rated pair gets 5: TID2013's scale counts won comparisons, and
    not even an undamaged picture would win all 9. Kinds of distortion are omitted: with purpose
    "abroad" no weight depends on them, and holding them out as well would take five times as many
    fits.
    """
    parts = []
    for source in sources:
        (script,), (table,) = source.glob("render*.py"), source.glob("recipe*.csv")
        subprocess.run([sys.executable, script, folder], check=True)
        parts.append(pd.read_csv(table))
    recipe = pd.concat(parts, ignore_index=True)
    scenes = recipe["ref_img"].str.removesuffix(".png")
    manifest = pd.DataFrame(
        {
            "ref": [sources[0] / "reference" / f"{name}.png" for name in scenes],
            "dist": recipe["dist_img"].str.replace(".bmp", ".png"),
            "mos": recipe["MOS"] * (SCALE / recipe["MOS"].max()),
            "group": scenes,
        }
    )
    path = folder / "manifest.csv"
    manifest.to_csv(path, index=False)
    return path


def main(sources: list[Path], run: Path = Path("runs/boxed")) -> None:
    """Train on SOURCES, report into RUN, and copy the bundle into the package."""
    with tempfile.TemporaryDirectory(prefix="seiqa-boxed-") as folder:
        data = write_manifest([source.resolve() for source in sources], Path(folder))
        settings = load_settings(data=data, run=run, config="boxed")
        steps.features(settings)
        with bars("training folds") as (progress,):
            steps.train(settings, on_fold=progress)
        steps.report(settings)
    put_in_box(settings.run)


def put_in_box(run: Path) -> None:
    """Copy a run's bundle into the package, with its card completed."""
    bundle = load_bundle(run / "bundle")
    card = bundle.card
    card["name"] = "The built-in model"
    card["data"]["source"] = (
        f"TID2013, 10 scenes and 12 kinds, rendered; MOS scaled to 0..{SCALE:g}"
    )
    card["limits"] = [*LIMITS, *card["limits"]]
    card["reproduce"] = (
        "make box TID=folders with recipe*.csv and render*.py, the first with reference/"
    )
    save_bundle(BOXED, bundle.regressor, recipe=bundle.recipe, card=card)
    typer.echo(f"bundle in {BOXED}, report in {run / 'report.html'}")


if __name__ == "__main__":
    typer.run(main)
