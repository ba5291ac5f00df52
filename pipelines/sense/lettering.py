"""Text on photographs: a price tag, and random words of which some characters are exchanged."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from pipelines.sense.scenes import Scene, Share

PRICE, OTHER_PRICE = "$19.99", "$91.99"

TAG: Share = (1 / 12, 1 / 12, 1 / 2, 1 / 3)
"""Place of the price tag."""

_CHARACTERS = np.array(list("ABCDEFGHJKLMNPRSTUVWXYZ23456789"))


def labelled(
    picture: Image.Image, text: str, place: Share = TAG, ink: str = "black", paper: str = "white"
) -> Image.Image:
    """A sign on a photograph, with a text half as high as the sign."""
    result = picture.copy()
    sides = np.array([*result.size, *result.size])
    left, top, right, bottom = (int(side) for side in sides * place)
    draw = ImageDraw.Draw(result)
    draw.rectangle((left, top, right, bottom), fill=paper, outline=ink, width=2)
    font = ImageFont.load_default(size=max((bottom - top) // 2, 1))
    middle = (left + right) / 2, (top + bottom) / 2
    draw.text(middle, text, fill=ink, font=font, anchor="mm")
    return result


def rewritten(
    scene: Scene, rng: np.random.Generator, heights: tuple[float, float]
) -> tuple[Image.Image, Image.Image]:
    """The photograph with a random word, and with two of the word's characters exchanged.

    The sign's height is within these shares of the photograph's.
    """
    word = rng.choice(_CHARACTERS, rng.integers(4, 9), replace=False)
    other = word.copy()
    spare = _CHARACTERS[~np.isin(_CHARACTERS, word)]
    other[rng.choice(len(word), 2, replace=False)] = rng.choice(spare, 2, replace=False)
    height = rng.uniform(*heights)
    wide = height * scene.picture.height * (0.35 * len(word) + 0.4)  # as the word needs
    width = min(wide / scene.picture.width, 0.9)
    left, top = rng.uniform(0, 1 - width), rng.uniform(0, 1 - height)
    ink, paper = rng.permutation([rng.choice(["black", "navy", "darkred"]), "white"])
    before, after = (
        labelled(scene.picture, "".join(text), (left, top, left + width, top + height), ink, paper)
        for text in (word, other)
    )
    return before, after
