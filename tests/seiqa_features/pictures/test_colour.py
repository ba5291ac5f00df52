"""Colour: transparency in every mode, in-memory pictures of every mode, and ICC profiles."""

from __future__ import annotations

import io
import itertools
import logging

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms

from seiqa_features.errors import DataError
from seiqa_features.pictures import colour
from seiqa_features.pictures.decoding import pixel_key, read_rgb
from seiqa_features.pictures.inputs import as_rgb
from tests.conftest import make_texture
from tests.seiqa_features.pictures.profiles import (
    DISPLAY_P3,
    SRGB,
    grey_profile,
    p3_to_srgb,
    rgb_profile,
)

PIXELS = make_texture(0, 40, 52)
GREY = PIXELS[..., 1].copy()
ALPHA = np.linspace(0, 255, GREY.size).astype(np.uint8).reshape(GREY.shape)
P3 = rgb_profile(DISPLAY_P3)


def pixels_of(picture: Image.Image) -> NDArray[np.uint8]:
    shown = as_rgb(picture, name="ref")
    assert shown.mode == "RGB"
    assert shown.info == {}  # nothing is left that would change it once more
    return np.asarray(shown)


def over_white(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    share = ALPHA[..., None] / 255
    return np.asarray(pixels * share + 255 * (1 - share))


def grey3(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.repeat(pixels[..., None], 3, axis=2)


def saved(image: Image.Image, kind: str, **options: object) -> NDArray[np.uint8]:
    file = io.BytesIO()
    image.save(file, kind, **options)  # type: ignore[arg-type]
    file.seek(0)
    return np.asarray(read_rgb(file, name="a file"))


# --- modes -----------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["RGBA", "RGBa", "LA", "La", "PA"])
def test_alpha_of_every_mode_is_laid_over_white(mode: str) -> None:
    rgba = Image.fromarray(np.dstack([PIXELS, ALPHA]))
    la = Image.fromarray(np.dstack([GREY, ALPHA]), "LA")
    if mode == "PA":
        palette = Image.fromarray(PIXELS).quantize(256)
        picture = palette.convert("PA")
        picture.putalpha(Image.fromarray(ALPHA))
        expected = over_white(np.asarray(palette.convert("RGB")))
    else:
        picture = rgba.convert(mode) if "R" in mode else la.convert(mode)
        expected = over_white(PIXELS if "R" in mode else grey3(GREY))
    assert np.abs(pixels_of(picture) - expected).max() <= 2


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "I;16"])
def test_a_transparent_colour_of_every_mode_is_white(mode: str) -> None:
    if mode == "I;16":
        picture = Image.fromarray(GREY.astype(np.uint16) * 257)
    elif mode == "P":
        picture = Image.fromarray(PIXELS).quantize(16)
    else:
        picture = Image.fromarray(PIXELS if mode == "RGB" else GREY).convert(mode)
    before = pixels_of(picture)
    key = picture.getpixel((9, 7))
    picture.info["transparency"] = key
    hidden = (np.asarray(picture) == key).reshape(40, 52, -1).all(axis=2)
    if mode == "1":
        hidden = np.asarray(picture) == (key > 0)
    assert np.array_equal(pixels_of(picture), np.where(hidden[..., None], 255, before))
    assert picture.mode == mode  # the caller's own picture stays as it was


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF", "AVIF", "JPEG2000", "TGA"])
def test_alpha_in_every_format_that_carries_it(kind: str) -> None:
    file = io.BytesIO()
    Image.fromarray(np.dstack([PIXELS, ALPHA])).save(file, kind)
    with Image.open(file) as image:
        rgba = np.asarray(image)
    assert rgba.shape == (40, 52, 4)
    share = rgba[..., 3:] / 255
    shown = np.asarray(read_rgb(io.BytesIO(file.getvalue()), name="a file"))
    assert np.abs(shown - (rgba[..., :3] * share + 255 * (1 - share))).max() <= 1


def test_gif_with_a_transparent_colour() -> None:
    image = Image.new("P", (20, 20), 1)
    image.putpalette([10, 20, 30, 200, 100, 50])
    image.paste(0, (0, 0, 10, 20))
    shown = saved(image, "GIF", transparency=0)
    assert (shown[:, :10] == 255).all()
    assert (shown[:, 10:] == (200, 100, 50)).all()


@pytest.mark.parametrize("mode", ["CMYK", "YCbCr", "HSV", "RGBX"])
def test_other_colour_modes(mode: str) -> None:
    shown = pixels_of(Image.fromarray(PIXELS).convert(mode))
    assert np.abs(shown.astype(int) - PIXELS).max() <= 12  # hue and saturation have few levels


@pytest.mark.parametrize("mode", ["I;16", "I;16B"])
def test_16_bits_keep_the_high_byte(mode: str) -> None:
    samples = (GREY.astype(np.uint16) << 8) | 0x7F
    order = ">" if mode == "I;16B" else "<"
    picture = Image.frombytes(mode, (52, 40), samples.astype(f"{order}u2").tobytes())
    assert np.array_equal(pixels_of(picture), grey3(GREY))


def test_floats_of_0_to_1() -> None:
    assert np.array_equal(pixels_of(Image.fromarray(GREY.astype(np.float32) / 255)), grey3(GREY))


@pytest.mark.parametrize("most", [1, 100, 255, 1000, 65535])
@pytest.mark.parametrize("kind", [b"P5", b"P6"])
def test_the_samples_of_a_pnm_are_scaled_by_its_largest_value(kind: bytes, most: int) -> None:
    pixels = GREY if kind == b"P5" else PIXELS
    samples = np.rint(pixels / 255 * most).astype(np.uint16)
    content = kind + b"\n52 40\n%d\n" % most
    content += samples.astype(">u2" if most > 255 else "u1").tobytes()
    shown = np.asarray(read_rgb(io.BytesIO(content), name="p.ppm"))
    expected = samples / most * 255
    assert np.abs(shown - (expected if kind == b"P6" else grey3(expected))).max() <= 1


def test_jpeg2000_of_16_bits() -> None:
    file = io.BytesIO()
    Image.fromarray(GREY.astype(np.uint16) * 257).save(file, "JPEG2000")
    shown = np.asarray(read_rgb(io.BytesIO(file.getvalue()), name="p.jp2"))
    assert np.array_equal(shown, grey3(GREY))


# --- profiles --------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP", "AVIF"])
def test_a_wide_gamut_picture_is_converted(kind: str) -> None:
    picture = Image.fromarray(make_texture(1, 40, 52) // 2 + 64)
    plain = saved(picture, kind)
    shown = saved(picture, kind, icc_profile=P3)
    assert np.abs(shown - p3_to_srgb(plain)).max() <= 1.5
    assert np.abs(shown.astype(int) - plain).max() > 5


def test_both_sides_alike() -> None:
    """A picture in sRGB and the same in Display P3 are one, which without profiles they are not."""
    wide = make_texture(1, 40, 52) // 2 + 64
    in_srgb = np.rint(p3_to_srgb(wide)).astype(np.uint8)
    shown = saved(Image.fromarray(wide), "PNG", icc_profile=P3)
    assert np.abs(shown.astype(int) - in_srgb).max() <= 1


@pytest.mark.parametrize(
    "profile",
    [ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()],
)
def test_srgb_changes_nothing(profile: bytes) -> None:
    picture = Image.fromarray(PIXELS)
    plain = pixel_key(as_rgb(picture, name="ref"))
    picture.info["icc_profile"] = profile
    assert pixel_key(as_rgb(picture, name="ref")) == plain


def test_grey_by_its_profile() -> None:
    picture = Image.fromarray(GREY)
    picture.info["icc_profile"] = grey_profile(1.0)  # linear light
    light = GREY / 255
    expected = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    assert np.abs(pixels_of(picture) - grey3(255 * expected)).max() <= 1.5


def test_a_grey_picture_in_an_rgb_space() -> None:
    """Programs leave the profile of the colours when they write a grey JPEG."""
    picture = Image.fromarray(GREY)
    picture.info["icc_profile"] = rgb_profile(DISPLAY_P3)
    assert np.abs(pixels_of(picture) - p3_to_srgb(grey3(GREY))).max() <= 1.5


def test_colours_are_converted_before_transparency_is_laid_over_white() -> None:
    picture = Image.fromarray(np.dstack([PIXELS // 2 + 64, ALPHA]))
    picture.info["icc_profile"] = P3
    expected = over_white(np.rint(p3_to_srgb(PIXELS // 2 + 64)).astype(np.uint8))
    assert np.abs(pixels_of(picture) - expected).max() <= 2


@pytest.mark.parametrize(
    ("profile", "why"),
    [
        (b"no profile", "it is for nothing"),
        (grey_profile(2.2), "it is for GRAY, the picture is RGB"),
        (P3[:200], "it cannot be used"),
        (P3[:132] + bytes(len(P3) - 132), "it cannot be used"),
    ],
)
def test_a_profile_of_no_use_is_ignored_and_said_once(
    profile: bytes, why: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(colour, "_IGNORED", set())
    picture = Image.fromarray(PIXELS)
    picture.info["icc_profile"] = profile
    for _ in range(2):
        assert np.array_equal(pixels_of(picture), PIXELS)
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage().startswith(f"ref: its colour profile is ignored ({why}")


def test_profiles_of_no_space_never_break(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each byte of a profile spoilt in turn: another conversion at worst, or none."""
    monkeypatch.setattr(colour, "_IGNORED", set())
    picture = Image.fromarray(PIXELS[:16, :16])
    for at, value in itertools.product(range(0, len(P3), 7), (0, 255)):
        spoilt = bytearray(P3)
        spoilt[at] = value
        picture.info["icc_profile"] = bytes(spoilt)
        try:
            assert pixels_of(picture).shape == (16, 16, 3)
        except DataError as error:
            pytest.fail(f"byte {at}: {error}")


def test_the_profile_of_srgb_by_numbers_is_srgb() -> None:
    """A gamma of 2.2 is not sRGB's curve; the colours are close and yet converted."""
    picture = Image.fromarray(PIXELS)
    picture.info["icc_profile"] = rgb_profile(SRGB, gamma=2.2)
    difference = np.abs(pixels_of(picture).astype(int) - PIXELS)
    assert 1 < difference.max() < 10
