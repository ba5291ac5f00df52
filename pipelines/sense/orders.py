"""Constructed orders: pairs made from training references whose order needs no human judgement.

Another picture, a flat colour and noise show nothing of the reference, and are worse than whatever
still does, however damaged. Where a part is removed, covered, replaced or rewritten, more meaning
is lost than the pixels tell. None of these pairs has a label. Each belongs to the group of every
reference whose pixels it contains, so that nothing made from a held-out reference is trained on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from scipy import ndimage

from pipelines.sense.distortions import (
    Edit,
    blur,
    contrast,
    crop,
    gamma,
    grey,
    inverted,
    jpeg,
    mirrored,
    motion,
    noise,
    outlines,
    rescaled,
    shift,
    upside_down,
    warp,
)
from pipelines.sense.edits import (
    across,
    another,
    as_it_is,
    covered,
    flat,
    followed,
    inserted,
    removed,
    replaced,
    shrunk,
    shuffled,
    static,
    swapped,
)
from pipelines.sense.lettering import rewritten
from pipelines.sense.scenes import Scene, Share, opened
from seiqa_features.datasets.pairs import Found, Pair, training_rows
from seiqa_features.path_texts import text_path

REFERENCES = 20
"""Maximum number of references used; twice as many would hardly add information."""

LONGEST_SIDE = 768
"""Larger references are downscaled first, to limit the cost of a pair."""

IDENTITY = "identity"

ALL_OVER: dict[str, Edit] = {
    "shift 2": shift(2), "crop 2 %": crop(0.02), "warp 1": warp(1),
    "warp 3": warp(3), "mirrored": mirrored, "halves swapped": swapped,
    "tiles shuffled": shuffled, "grey": grey, "gamma 1.1": gamma(1.1),
    "contrast": contrast(1.3), "half size": rescaled(2),
    "tenth size": rescaled(10), "blur 5": blur(5), "motion 9": motion(9),
    "JPEG 75": jpeg(75), "JPEG 10": jpeg(10), "noise 50": noise(50), "inverted": inverted,
    "upside down": upside_down, "outlines 2": outlines(2), "grey, blur 8": followed(grey, blur(8)),
    "grey, faint, noise 25": followed(grey, followed(contrast(0.3), noise(25))),
}  # fmt: skip
"""Changes of the whole picture, none of which concerns one part more than the rest.

The last five look unlike the reference in most respects, but still show the same content.
"""

EDITED: dict[str, Edit] = {
    "part covered": covered, "part replaced": replaced, "part removed": removed,
    "part inserted": inserted,
    "small part covered": shrunk(0.5, covered),
    "small part replaced": shrunk(0.5, replaced),
    "mostly covered": across(0.8, covered),
    "half replaced": across(0.6, replaced),
    "part removed, shift 2": followed(removed, shift(2)),
    "part covered, JPEG 50": followed(covered, jpeg(50)),
}  # fmt: skip
"""A part is removed, covered, replaced or inserted."""

SIGNS = {"sign": (0.08, 0.16), "small sign": (0.03, 0.06)}
"""Signs put on the reference, with the shares of its height that theirs is between."""

KEPT, CHANGED, COMPRESSED = " kept, JPEG 75", " changed", " changed, JPEG 50"
"""After a sign's name: pairs with the sign on both sides, with the same text or another."""

SIGNS_CHANGED = [sign + edit for sign in SIGNS for edit in (CHANGED, COMPRESSED)]

GONE: dict[str, Edit] = {
    "another picture": another(0), "a third picture": another(1),
    "mean colour": flat(None), "black": flat(0), "static": static,
}  # fmt: skip

HARMLESS = ("shift 2", "crop 2 %", "gamma 1.1", "half size")
"""Changes that cost no meaning: each is above every edit of a part."""

WEAKER = (
    ("warp 1", "warp 3"), ("half size", "tenth size"), ("JPEG 75", "JPEG 10"),
    ("part covered", "part covered, JPEG 50"), ("part removed", "part removed, shift 2"),
    *((sign + KEPT, sign + edit) for sign in SIGNS for edit in (CHANGED, COMPRESSED)),
)  # fmt: skip
"""Two changes of which the second does more of the same, or something else as well."""

DONATED = {
    "part replaced": 0, "part inserted": 0, "small part replaced": 0, "half replaced": 0,
    "another picture": 0, "a third picture": 1,
}  # fmt: skip
"""Edits that take pixels from another reference, and from which one in `Scene.others`."""


@dataclass(frozen=True)
class Reference:
    """A reference of the training part: its pixel key, file and group."""

    key: str
    path: Path
    group: str


def every_edit() -> dict[str, Edit]:
    """All edits by name, without the identity."""
    on_a_sign: dict[str, Edit] = {KEPT: jpeg(75), CHANGED: as_it_is, COMPRESSED: jpeg(50)}
    signs = {sign + name: edit for sign in SIGNS for name, edit in on_a_sign.items()}
    return {**ALL_OVER, **EDITED, **signs, **GONE}


def references_of(pairs: pd.DataFrame) -> list[Reference]:
    """Up to `REFERENCES` references of the training rows, by pixel key, whatever the rows' order.

    Parameters
    ----------
    pairs : pd.DataFrame
        A pair table; the labelled rows of split train are used.
    """
    rows = pairs[training_rows(pairs)]
    rows = rows.sort_values(["ref_key", "group_id"]).drop_duplicates("ref_key")[:REFERENCES]
    columns = zip(rows["ref_key"], rows["ref_path"], rows["group_id"], strict=True)
    return [Reference(key, text_path(path), str(group)) for key, path, group in columns]


def write_pairs(references: list[Reference], folder: Path) -> tuple[Found, pd.DataFrame]:
    """Write the pictures of every constructed pair into a folder.

    Parameters
    ----------
    references : list of Reference
        From `references_of`, one or more. The next two in the list are the donors of pixels.

    Returns
    -------
    Found
        The pairs, without labels; pair_id is ``<pixel key>/<edit>``.
    pd.DataFrame
        Indexed by pair_id: `scene` (pixel key), `edit`, `group_id` and `donor`, the group whose
        pixels were used, or the reference's own if there was none. One or two references have no
        pairs that need more donors than there are.
    """
    found, rows = Found(folder), []
    for number, reference in enumerate(references):
        donors = [references[(number + step) % len(references)] for step in (1, 2)]
        for name, path, ref in _written(reference, donors, folder / f"{number:02d}"):
            pair_id = f"{reference.key}/{name}"
            found.pairs.append(Pair(pair_id, ref, path, "train", group=reference.group))
            giver = donors[DONATED[name]] if name in DONATED else reference
            rows.append((pair_id, reference.key, name, reference.group, giver.group))
    table = pd.DataFrame(rows, columns=["pair_id", "scene", "edit", "group_id", "donor"])
    return found, table.set_index("pair_id")


def _written(
    reference: Reference, donors: Sequence[Reference], folder: Path
) -> Iterator[tuple[str, Path, Path]]:
    """Name, degraded file and reference file of each pair of one reference."""
    folder.mkdir()
    picture, rng = opened(reference.path, LONGEST_SIDE), _generator(reference.key, IDENTITY)
    others = tuple(opened(donor.path, LONGEST_SIDE) for donor in donors)
    scene = Scene(reference.key, picture, _busiest(picture, rng), others)
    ref = folder / "reference.png"
    picture.save(ref, compress_level=1)
    yield IDENTITY, ref, ref
    signed = _signed(scene, folder)
    for number, (name, edit) in enumerate(every_edit().items()):
        if name in DONATED and donors[DONATED[name]].key == reference.key:
            continue
        path = folder / f"{number}.png"
        start, before = signed.get(name, (picture, ref))
        edited = edit(replace(scene, picture=start), _generator(reference.key, name))
        edited.save(path, compress_level=1)
        yield name, path, before


def _signed(scene: Scene, folder: Path) -> dict[str, tuple[Image.Image, Path]]:
    """For each edit of a picture with a sign: that picture, and the file of its reference."""
    found: dict[str, tuple[Image.Image, Path]] = {}
    for sign, heights in SIGNS.items():
        before, after = rewritten(scene, _generator(scene.name, sign), heights)
        ref = folder / f"{sign}.png"
        before.save(ref, compress_level=1)
        found[sign + KEPT] = before, ref
        found |= {sign + name: (after, ref) for name in (CHANGED, COMPRESSED)}
    return found


def _generator(key: str, name: str) -> np.random.Generator:
    """A generator that depends only on the reference and the edit."""
    return np.random.default_rng([int(key[:15], 16), *name.encode()])


def _busiest(picture: Image.Image, rng: np.random.Generator) -> Share:
    """The most detailed of some boxes a third of the sides long: likely an object, not sky."""
    grey = np.asarray(picture.convert("L"), np.float64)
    detail = ndimage.gaussian_gradient_magnitude(grey, 2)
    height, width = grey.shape
    boxes = [(x, y, x + 0.35, y + 0.35) for x, y in rng.uniform(0.05, 0.6, (8, 2))]

    def inside(box: Share) -> float:
        left, top, right, bottom = box
        rows = slice(int(top * height), max(int(bottom * height), int(top * height) + 1))
        columns = slice(int(left * width), max(int(right * width), int(left * width) + 1))
        return float(detail[rows, columns].mean())

    return max(boxes, key=inside)
