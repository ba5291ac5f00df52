"""Pages, posters and screenshots that are drawn, photographs, and what is done to them."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont
from scipy import ndimage
from skimage import data

SIZE = (480, 320)
INK, PAPER, ACCENT = (30, 30, 40), (250, 250, 252), (40, 90, 200)


def shop(
    *,
    price: str = "$19.99",
    button: str | None = "Add to basket",
    product: bool = True,
    letters: int = 0,
) -> Image.Image:
    """A page that sells coffee."""
    page = Image.new("RGB", SIZE, PAPER)
    draw = ImageDraw.Draw(page)
    draw.rectangle((0, 0, SIZE[0], 44), fill=ACCENT)
    write(draw, (16, 10), "Harbour Coffee", 20 + letters, "white")
    if product:
        page.paste(photograph("coffee", size=(190, 150)), (16, 64))
    write(draw, (226, 64), "House blend, 1 kg", 20 + letters)
    write(draw, (226, 98), price, 30 + letters, ACCENT)
    write(draw, (226, 142), "Roasted on Monday,", 16 + letters)
    write(draw, (226, 164), "sent on Tuesday.", 16 + letters)
    if button:
        draw.rounded_rectangle((226, 196, 396, 230), 8, fill=(240, 140, 20))
        write(draw, (246, 202), button, 18 + letters, "white")
    write(draw, (16, 236), "Notes of cocoa and orange.", 16 + letters)
    write(draw, (16, 262), "Free delivery from $40.", 16 + letters)
    write(draw, (16, 288), "Questions? Call 555 0142.", 16 + letters)
    return page


def banner(page: Image.Image) -> Image.Image:
    """The page under a notice."""
    covered = page.copy()
    draw = ImageDraw.Draw(covered)
    draw.rectangle((0, 214, *SIZE), fill=(45, 45, 50))
    write(draw, (16, 230), "We use cookies.", 20, "white")
    write(draw, (16, 264), "Accept all", 18, (255, 210, 90))
    write(draw, (160, 264), "Settings", 18, "white")
    return covered


def poster(
    title: str,
    line: str,
    price: str,
    *,
    paper: tuple[int, int, int] = (120, 40, 20),
    motif: str = "coffee",
) -> Image.Image:
    """A poster of three lines over a photograph."""
    sheet = Image.new("RGB", (320, 420), paper)
    sheet.paste(photograph(motif, size=(280, 200)), (20, 110))
    draw = ImageDraw.Draw(sheet)
    write(draw, (20, 16), title, 32, "white")
    write(draw, (20, 66), line, 22, (255, 220, 150))
    write(draw, (20, 340), price, 44, "white")
    return sheet


def terminal(failed: str = "7 failed") -> Image.Image:
    """A screenshot of a program's messages."""
    window = Image.new("RGB", SIZE, (24, 26, 32))
    draw = ImageDraw.Draw(window)
    lines = [
        "$ run tests --all",
        "collected 128 items",
        "network: timeout after 30 s",
        "storage: 4096 blocks written",
        f"{failed}, 121 passed in 42.7 s",
        "see report-2026-11-26.html",
    ]
    for row, line in enumerate(lines):
        colour = (255, 120, 110) if row == 4 else (210, 220, 210)
        write(draw, (18, 20 + 46 * row), line, 20, colour)
    return window


def write(
    draw: ImageDraw.ImageDraw,
    place: tuple[int, int],
    text: str,
    size: int,
    colour: str | tuple[int, int, int] = INK,
) -> None:
    """Text in Pillow's own typeface, so that it is the same on every machine."""
    draw.text(place, text, fill=colour, font=ImageFont.load_default(size=size))


def photograph(
    name: str, *, size: tuple[int, int], box: tuple[int, int, int, int] | None = None
) -> Image.Image:
    """One of scikit-image's photographs, or a part of it, at a size."""
    whole = Image.fromarray(getattr(data, name)())
    return whole.resize(size, Image.Resampling.LANCZOS, box)


# --- what is done to pictures ----------------------------------------------------------------


def moved(picture: Image.Image, rows: int) -> Image.Image:
    """Everything moved down, the first row repeated."""
    pixels = np.pad(np.asarray(picture), ((rows, 0), (0, 0), (0, 0)), mode="edge")
    return Image.fromarray(pixels[: picture.height])


def jpeg(picture: Image.Image, quality: int) -> Image.Image:
    """Compressed and decompressed."""
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=quality)
    return Image.open(file).convert("RGB")


def enlarged(picture: Image.Image, factor: int) -> Image.Image:
    """Reduced, and enlarged again."""
    small = picture.resize((picture.width // factor, picture.height // factor))
    return small.resize(picture.size, Image.Resampling.BICUBIC)


def cropped(picture: Image.Image, share: float) -> Image.Image:
    """A share of width and height cut away, half on either side."""
    x, y = (round(share / 2 * side) for side in picture.size)
    return picture.crop((x, y, picture.width - x, picture.height - y))


def invented_texture(picture: Image.Image) -> Image.Image:
    """Sharp and plausible, but made up: noise of the local strength in place of the fine detail."""
    pixels = np.asarray(picture, float)
    smooth = ndimage.gaussian_filter(pixels, (2, 2, 0))
    strength = np.sqrt(ndimage.gaussian_filter((pixels - smooth) ** 2, (4, 4, 0)))
    noise = ndimage.gaussian_filter(np.random.default_rng(0).normal(size=pixels.shape[:2]), 0.7)
    made_up = smooth + strength * (noise / noise.std())[..., None]
    return Image.fromarray(made_up.round().clip(0, 255).astype(np.uint8))


def mirrored_part(picture: Image.Image, box: tuple[int, int, int, int]) -> Image.Image:
    """A part mirrored in its place, blended in at its border."""
    return _blend(picture, picture.crop(box).transpose(Image.Transpose.FLIP_LEFT_RIGHT), box)


def smoothed_part(picture: Image.Image, box: tuple[int, int, int, int]) -> Image.Image:
    """A part of which only the broad shades are left, blended in at its border."""
    return _blend(picture, picture.crop(box).filter(ImageFilter.GaussianBlur(14)), box)


def _blend(picture: Image.Image, part: Image.Image, box: tuple[int, int, int, int]) -> Image.Image:
    whole = picture.copy()
    mask = Image.new("L", part.size)
    ImageDraw.Draw(mask).ellipse((8, 8, part.width - 8, part.height - 8), fill=255)
    whole.paste(part, box[:2], mask.filter(ImageFilter.GaussianBlur(5)))
    return whole
