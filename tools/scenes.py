"""Pictures of the how-tos about scenarios: drawn, or from photographs of scikit-image.

Every scenario is a reference and what may become of it, by the words of the how-to's table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from PIL import Image, ImageFilter

from tools.drawing import (
    banner,
    cropped,
    enlarged,
    invented_texture,
    jpeg,
    mirrored_part,
    moved,
    photograph,
    poster,
    shop,
    smoothed_part,
    terminal,
)


@dataclass(frozen=True)
class Scenario:
    """A reference and its versions.

    Attributes
    ----------
    page : str
        Stem of the how-to in docs/how-to.
    ref : PIL image
        RGB.
    versions : mapping of str to PIL image
        What was done → the result.
    text : bool
        Whether there is text to read.
    """

    page: str
    ref: Image.Image
    versions: Mapping[str, Image.Image]
    text: bool = False


def scenarios() -> list[Scenario]:
    """All of them."""
    return [renderings(), generated(), crops(), posters(), screenshots()]


def renderings() -> Scenario:
    """Two renderings of a page: what an update of fonts, layout or content does to it."""
    ref = shop()
    return Scenario(
        "renderings",
        ref,
        {
            "moved down by 1 pixel": moved(ref, 1),
            "moved down by 8 pixels": moved(ref, 8),
            "letters 1 point larger": shop(letters=1),
            "price changed to $91.99": shop(price="$91.99"),
            "button missing": shop(button=None),
            "photograph missing": shop(product=False),
            "banner over the lower third": banner(ref),
        },
        text=True,
    )


def generated() -> Scenario:
    """A picture that was made again from less: by interpolation, or by inventing detail."""
    ref = photograph("astronaut", box=(110, 0, 350, 240), size=(320, 320))
    face = (95, 60, 215, 235)
    return Scenario(
        "generated",
        ref,
        {
            "a quarter of the size, enlarged": enlarged(ref, 4),
            "the same, sharpened": enlarged(ref, 4).filter(ImageFilter.UnsharpMask(3, 200, 0)),
            "fine texture replaced by invented texture": invented_texture(ref),
            "face replaced by a mirrored one": mirrored_part(ref, face),
            "eyes and mouth gone": smoothed_part(ref, face),
            "JPEG, quality 10": jpeg(ref, 10),
        },
    )


def crops() -> Scenario:
    """What a content management system makes of a picture."""
    ref = photograph("chelsea", size=(450, 300))
    return Scenario(
        "crops",
        ref,
        {
            "half the size (thumbnail)": ref.resize((225, 150), Image.Resampling.LANCZOS),
            "a sixth of the size (icon)": ref.resize((75, 50), Image.Resampling.LANCZOS),
            "2 % cut away": cropped(ref, 0.02),
            "15 % cut away": cropped(ref, 0.15),
            "cut to a square": ref.crop((75, 0, 375, 300)),
            "cut to a corner without the eyes": ref.crop((250, 180, 430, 300)),
            "mirrored": ref.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        },
    )


def from_the_side(picture: Image.Image) -> Image.Image:
    """A perspective view, in which the right side is nearer and larger."""
    view = (1.1, 0.04, -20.0, 0.02, 1.06, -14.0, 1.6e-4, 6e-5)
    return picture.transform(
        picture.size, Image.Transform.PERSPECTIVE, view, Image.Resampling.BICUBIC, fillcolor="white"
    )


def posters() -> Scenario:
    """A poster, translated or changed."""
    ref = poster("FRESH COFFEE", "Every morning from 7", "Only $3.50")
    return Scenario(
        "posters",
        ref,
        {
            "other colours, the same words": poster(
                "FRESH COFFEE", "Every morning from 7", "Only $3.50", paper=(20, 60, 60)
            ),
            "translated into German": poster(
                "FRISCHER KAFFEE", "Jeden Morgen ab 7 Uhr", "Nur 3,50 $"
            ),
            "price changed to $8.50": poster("FRESH COFFEE", "Every morning from 7", "Only $8.50"),
            "a line is missing": poster("FRESH COFFEE", "", "Only $3.50"),
            "letters garbled": poster("FRESM COFEFE", "Evory moming form 7", "Ohly $3.S0"),
            "photograph replaced": poster(
                "FRESH COFFEE", "Every morning from 7", "Only $3.50", motif="chelsea"
            ),
            "photographed from the side": from_the_side(ref),
        },
        text=True,
    )


def screenshots() -> Scenario:
    """A screenshot and what a messenger or a ticket system makes of it."""
    ref = terminal()
    half = ref.resize((ref.width // 2, ref.height // 2), Image.Resampling.BILINEAR)
    return Scenario(
        "screenshots",
        ref,
        {
            "JPEG, quality 90": jpeg(ref, 90),
            "JPEG, quality 50": jpeg(ref, 50),
            "JPEG, quality 10": jpeg(ref, 10),
            "half the size": half,
            "a third of the size": ref.resize((160, 107), Image.Resampling.BILINEAR),
            "256 colours": ref.quantize(256).convert("RGB"),
            "one figure changed": terminal(failed="1 failed"),
        },
        text=True,
    )
