"""The demo data set: eight scenes scored by people, in the challenge's layout.

Two scenes are held back as test pairs. Their human scores are in no file of the data set, but stay
in the package until the model has scored the pairs; `pipelines.demo.verdict` then compares the two.

Nothing is downloaded; see `pipelines.demo.renderings` for the source of pictures and scores.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from pipelines.demo.renderings import Rated, RGBImage, rated_pictures, reference, render
from pipelines.runs.submission import workbook_bytes
from seiqa_features.writing import write_whole

HELD_BACK = ("rapids", "womanhat")
"""Scenes of the test pairs: one in landscape format, one in portrait format."""

SPLITS = ("Train", "Val", "Test")
RECIPE_FILE = "recipe.csv"

BEST, DMOS_PER_POINT = 5.0, 20.0


@dataclass(frozen=True)
class DemoPair:
    """A rated picture and its place in the data set: split, and file name in Ref and in Dist."""

    split: str
    name: str
    rated: Rated


def score_of(dmos: float) -> float:
    """LIVE's score on the challenge's scale: 5 − DMOS / 20, clipped to its ends.

    DMOS is 0 for a picture as good as the reference and about 100 for the worst. Six of the 178 are
    beyond the ends: three negative ones (about -2.6), three of up to 106.
    """
    return round(float(np.clip(BEST - dmos / DMOS_PER_POINT, 0.0, BEST)), 4)


def demo_pairs() -> list[DemoPair]:
    """All pairs of the demo, training first, scene by scene as in LIVE."""
    rated = list(rated_pictures())
    train = (picture for picture in rated if picture.scene not in HELD_BACK)
    test = (picture for picture in rated if picture.scene in HELD_BACK)
    return [*_numbered("Train", train), *_numbered("Test", test)]


def _numbered(split: str, pictures: Iterator[Rated]) -> Iterator[DemoPair]:
    for number, rated in enumerate(pictures, 1):
        yield DemoPair(split, f"{number:06d}.png", rated)


def make_demo_data(folder: Path) -> Path:
    """Write the demo's pictures in the SeIQA folder layout.

    Train/Train_scores.xlsx holds the human scores of the training pairs, as in the challenge;
    recipe.csv records how every picture was made, and how exactly it matches LIVE's.

    Parameters
    ----------
    folder : Path
        Where to write; created if missing. The same bytes are written every time, so running it
        again repairs an interrupted run.

    Returns
    -------
    Path
        `folder`.

    Raises
    ------
    ValueError
        The folder holds something that this function did not write.
    """
    pairs = demo_pairs()
    recipe = _recipe_csv(pairs)
    require_own(folder, RECIPE_FILE, recipe)
    write_whole(folder / RECIPE_FILE, recipe)  # first: marks the folder as ours
    references = {scene: reference(scene) for scene in {pair.rated.scene for pair in pairs}}
    as_png = {scene: png(picture) for scene, picture in references.items()}
    for pair in pairs:
        scene, target = pair.rated.scene, folder / pair.split
        write_whole(target / "Ref" / pair.name, as_png[scene])
        write_whole(target / "Dist" / pair.name, png(render(references[scene], pair.rated)))
    scores = [(pair.name, score_of(pair.rated.dmos)) for pair in pairs if pair.split == "Train"]
    sheet = workbook_bytes(("picture name", "mos"), scores)
    write_whole(folder / "Train" / "Train_scores.xlsx", sheet)
    return folder


def require_own(folder: Path, marker: str, content: bytes) -> None:
    """Refuse a folder with visible files that does not hold `marker` with the header of `content`.

    Raises
    ------
    ValueError
        The folder holds something else.
    """
    if not folder.is_dir() or all(path.name.startswith(".") for path in folder.iterdir()):
        return
    file, header = folder / marker, content.partition(b"\n")[0]
    if not file.is_file() or file.read_bytes().partition(b"\n")[0] != header:
        raise ValueError(f"{folder}: already holds something else; choose an empty folder")


def png(picture: RGBImage) -> bytes:
    """A picture as PNG."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG", compress_level=1)  # 3 times faster, 5 % larger
    return buffer.getvalue()


def _recipe_csv(pairs: Sequence[DemoPair]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("file", "split", "scene", "picture", "kind", "setting", "status"))
    for pair in pairs:
        rated = pair.rated
        what = (rated.scene, rated.picture, rated.kind, f"{rated.setting:g}", rated.status)
        writer.writerow((pair.name, pair.split, *what))
    return text.getvalue().encode()
