"""Samples deeper or shallower than 8 bits in formats whose depth Pillow does not report."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from seiqa_features.pictures.boxes import jpeg2000
from tests.conftest import make_texture
from tests.seiqa_features.pictures.png_files import SIGNATURE, chunk
from tests.seiqa_features.pictures.profiles import DISPLAY_P3, p3_to_srgb, rgb_profile
from tests.seiqa_features.pictures.reading import refused, shown

PIXELS = make_texture(0, 20, 26)
GREY = PIXELS[..., 0]
ALPHA = np.linspace(0, 255, GREY.size).reshape(GREY.shape).astype(np.uint8)


def png(samples: NDArray[np.uint16], *, methods: tuple[int, int] = (0, 0)) -> bytes:
    """A PNG of 16-bit grey with alpha, RGB, or RGB with alpha."""
    height, width, bands = samples.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in samples)
    colour = {2: 4, 3: 2, 4: 6}[bands]
    header = struct.pack(">IIBBBBB", width, height, 16, colour, *methods, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return SIGNATURE + b"".join(chunk(kind, content) for kind, content in parts)


def deep(pixels: NDArray[np.uint8]) -> NDArray[np.uint16]:
    return pixels.astype(np.uint16) * 257


COLOURS = {"grey": GREY[..., None], "colour": PIXELS}


@pytest.mark.parametrize("colour", list(COLOURS))
def test_png_of_16_bits_with_alpha_is_laid_over_white(colour: str) -> None:
    samples = np.dstack([COLOURS[colour], ALPHA])
    over = np.broadcast_to(samples[..., :-1], PIXELS.shape).astype(int)
    opacity = ALPHA[..., None] / 255
    expected = over * opacity + 255 * (1 - opacity)
    assert np.abs(shown(png(deep(samples))) - expected).max() <= 1


@pytest.mark.parametrize("opacity", [1, 257], ids=["low alpha", "full alpha"])
@pytest.mark.parametrize("colour", list(COLOURS))
def test_png_of_16_bits_with_alpha_that_holds_8_bits_is_refused(colour: str, opacity: int) -> None:
    alpha = np.full_like(ALPHA, 255).astype(np.uint16) * opacity
    samples = np.dstack([COLOURS[colour].astype(np.uint16), alpha])
    assert "16-bit samples of 0 to" in refused(png(samples))


@pytest.mark.parametrize("bands", [2, 3, 4])
def test_black_png_of_16_bits_is_black(bands: int) -> None:
    samples = np.zeros((20, 26, bands), np.uint16)
    samples[..., -1] = 65535 if bands in (2, 4) else 0
    assert shown(png(samples)).max() == 0


@pytest.mark.parametrize("methods", [(1, 0), (0, 1)])
def test_png_of_an_unknown_method_is_refused(methods: tuple[int, int]) -> None:
    assert "unknown method" in refused(png(deep(PIXELS), methods=methods))


def test_png_of_indices_without_a_palette_is_refused() -> None:
    header = struct.pack(">IIBBBBB", 26, 20, 8, 3, 0, 0, 0)
    rows = zlib.compress(b"".join(b"\0" + row.tobytes() for row in GREY))
    parts = ((b"IHDR", header), (b"IDAT", rows), (b"IEND", b""))
    content = SIGNATURE + b"".join(chunk(kind, part) for kind, part in parts)
    assert "no palette in it" in refused(content)


def ppm(samples: NDArray[np.uint16], *, plain: bool) -> bytes:
    height, width, _ = samples.shape
    head = f"{'P3' if plain else 'P6'}\n{width} {height}\n65535\n".encode()
    text = " ".join(map(str, samples.ravel())).encode()
    return head + (text if plain else samples.astype(">u2").tobytes())


@pytest.mark.parametrize("plain", [False, True])
def test_ppm_of_16_bits(plain: bool) -> None:
    assert np.array_equal(shown(ppm(deep(PIXELS), plain=plain)), PIXELS)
    assert "black in 8 bits" in refused(ppm(PIXELS.astype(np.uint16), plain=plain))


def sgi(samples: NDArray[np.uint16]) -> bytes:
    """Uncompressed, two bytes a sample; rows from the bottom, one colour after the other."""
    height, width, bands = samples.shape
    header = struct.pack(">hBBHHHH", 474, 0, 2, 3, width, height, bands).ljust(512, b"\0")
    return header + samples[::-1].transpose(2, 0, 1).astype(">u2").tobytes()


def test_sgi_of_16_bits() -> None:
    assert np.array_equal(shown(sgi(deep(PIXELS))), PIXELS)
    assert "black in 8 bits" in refused(sgi(PIXELS.astype(np.uint16)))


def jp2(samples: NDArray[np.generic], bits: int, *, boxed: bool = True) -> bytes:
    imagecodecs = pytest.importorskip("imagecodecs", reason="the extra `formats` is not installed")
    codec = "jp2" if boxed else "j2k"
    encoded: bytes = imagecodecs.jpeg2k_encode(
        samples, level=0, codecformat=codec, bitspersample=bits
    )
    return encoded


@pytest.mark.parametrize("boxed", [True, False])
@pytest.mark.parametrize("bits", [4, 8, 10, 16])
@pytest.mark.parametrize("pixels", [GREY, PIXELS], ids=["grey", "colour"])
def test_jpeg_2000_is_scaled_by_its_precision(
    bits: int, pixels: NDArray[np.uint8], boxed: bool
) -> None:
    top = 2**bits - 1
    samples = (pixels.astype(np.uint32) * top // 255).astype(np.uint8 if bits <= 8 else np.uint16)
    expected = np.broadcast_to(np.atleast_3d(samples * 255.0 / top), PIXELS.shape)
    content = jp2(samples, bits, boxed=boxed)
    assert np.abs(shown(content) - expected).max() <= 1
    stated = jpeg2000(io.BytesIO(content))
    assert (set(stated.bits), stated.signed, stated.profile) == ({bits}, False, None)


def test_jpeg_2000_of_16_bits_that_holds_8_bits_is_refused() -> None:
    assert "black in 8 bits" in refused(jp2(PIXELS.astype(np.uint16), 16))


def test_jpeg_2000_with_a_sign_is_refused() -> None:
    assert "sign" in refused(jp2(GREY.astype(np.int16), 16))


def test_jpeg_2000_is_converted_by_its_profile() -> None:
    file = io.BytesIO()
    Image.fromarray(PIXELS).save(file, "JPEG2000")
    content = file.getvalue()
    profile = rgb_profile(DISPLAY_P3)
    at = content.index(b"colr") - 4
    length = int.from_bytes(content[at : at + 4])
    box = struct.pack(">I4sBBB", 11 + len(profile), b"colr", 2, 0, 0) + profile
    head = content.index(b"jp2h") - 4
    grown = int.from_bytes(content[head : head + 4]) - length + len(box)
    wide = content[:head] + struct.pack(">I", grown) + content[head + 4 : at] + box
    wide += content[at + length :]
    expected = p3_to_srgb(PIXELS)
    assert np.abs(shown(wide).astype(int) - expected).max() <= 1
    assert np.abs(shown(content).astype(int) - PIXELS).max() == 0


def test_a_jpeg_2000_of_boxes_only_holds_no_picture() -> None:
    boxes = struct.pack(">I4s4sI4s", 12, b"jP  ", b"\r\n\x87\n", 8, b"free")
    with pytest.raises(ValueError, match="no codestream"):
        jpeg2000(io.BytesIO(boxes))
