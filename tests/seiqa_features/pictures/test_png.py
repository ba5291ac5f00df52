"""PNG: transparent colours of every depth, checksums, and metadata that is no damage."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageCms, PngImagePlugin

from tests.conftest import make_texture
from tests.seiqa_features.pictures.png_files import (
    GREY,
    GREY_ALPHA,
    RGB,
    RGB_ALPHA,
    SIGNATURE,
    chunk,
    chunks,
    png,
)
from tests.seiqa_features.pictures.reading import refused, shown

PIXELS = make_texture(0, 40, 52)
WIDE = (PIXELS.astype(np.uint16) << 8) | np.random.default_rng(0).integers(
    0, 256, PIXELS.shape
).astype(np.uint16)


def saved(image: Image.Image, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG", **options)  # type: ignore[arg-type]
    return file.getvalue()


SOUND = saved(Image.fromarray(PIXELS))


def with_chunk(kind: bytes, content: bytes, *, sound: bool = True) -> bytes:
    """The sound picture with one chunk more behind its header."""
    start = len(SIGNATURE) + 25
    return SOUND[:start] + chunk(kind, content, sound=sound) + SOUND[start:]


# --- transparent colours ---------------------------------------------------------------------


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize("depth", [1, 2, 4, 8, 16])
def test_transparent_grey(depth: int, interlaced: bool) -> None:
    samples = np.arange(400).reshape(20, 20) * 163 % 2**depth
    key = int(samples[3, 5])
    trns = chunk(b"tRNS", struct.pack(">H", key))
    content = png(samples, depth=depth, colour=GREY, before=[trns], interlaced=interlaced)
    scaled = samples >> 8 if depth == 16 else samples * 255 // (2**depth - 1)
    assert np.array_equal(shown(content)[..., 1], np.where(samples == key, 255, scaled))


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize("filter_kind", [0, 1, 2, 3])
@pytest.mark.parametrize("depth", [8, 16])
def test_transparent_rgb(depth: int, filter_kind: int, interlaced: bool) -> None:
    samples = (PIXELS if depth == 8 else WIDE).copy()
    key = samples[7, 9].copy()
    samples[20:30, 20:40] = key
    samples[0, 0] = key ^ 1  # in 16 bits it differs in the low byte only: it is not transparent
    trns = chunk(b"tRNS", struct.pack(">3H", *key))
    content = png(
        samples, depth=depth, colour=RGB, before=[trns], interlaced=interlaced,
        filter_kind=filter_kind,
    )  # fmt: skip
    hidden = (samples == key).all(axis=2)
    assert not hidden[0, 0]
    expected = np.where(hidden[..., None], 255, samples >> (depth - 8))
    assert np.array_equal(shown(content), expected)


def test_the_same_picture_by_colour_key_and_by_alpha() -> None:
    key = PIXELS[7, 9]
    hidden = (key == PIXELS).all(axis=2)
    alpha = np.where(hidden, 0, 255).astype(np.uint8)
    by_alpha = saved(Image.fromarray(np.dstack([PIXELS, alpha])))
    by_key = saved(Image.fromarray(PIXELS), transparency=tuple(map(int, key)))
    assert np.array_equal(shown(by_key), shown(by_alpha))


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("colour", [GREY_ALPHA, RGB_ALPHA])
def test_alpha(colour: int, depth: int) -> None:
    pixels = PIXELS if colour == RGB_ALPHA else PIXELS[..., :1]
    alpha = np.linspace(0, 255, pixels[..., 0].size).astype(np.uint8).reshape(40, 52, 1)
    samples = np.dstack([pixels, alpha]).astype(np.uint16) * (257 if depth == 16 else 1)
    share = alpha / 255
    expected = np.broadcast_to(pixels * share + 255 * (1 - share), (40, 52, 3))
    content = png(samples, depth=depth, colour=colour)
    assert np.abs(shown(content).astype(float) - expected).max() <= 1


def test_a_transparent_colour_beyond_the_depth_is_cut_to_it() -> None:
    """As libpng does: of an 8-bit picture's 16 bits the lower eight count."""
    key = 0x100 | int(PIXELS[7, 9, 1])
    trns = chunk(b"tRNS", struct.pack(">H", key))
    grey = PIXELS[..., 1]
    content = png(grey, depth=8, colour=GREY, before=[trns])
    assert np.array_equal(shown(content)[..., 0], np.where(grey == key & 255, 255, grey))


# --- depth -----------------------------------------------------------------------------------


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize("colour", [GREY, RGB])
def test_16_bits_that_hold_0_to_255_are_refused(colour: int, interlaced: bool) -> None:
    samples = PIXELS if colour == RGB else PIXELS[..., 1]
    line = refused(png(samples, depth=16, colour=colour, interlaced=interlaced))
    assert f"16-bit samples of 0 to {samples.max()}, black in 8 bits; save it with 8 bits" in line


@pytest.mark.parametrize("colour", [GREY, RGB])
def test_a_black_picture_is_black(colour: int) -> None:
    samples = np.zeros((20, 20, 3) if colour == RGB else (20, 20), np.uint16)
    assert not shown(png(samples, depth=16, colour=colour)).any()


# --- damage ----------------------------------------------------------------------------------


def test_no_flipped_bit_of_the_pixels_is_believed() -> None:
    content = png(WIDE, depth=16, colour=RGB)
    parts = [part for part in chunks(content) if part[0] == b"IDAT"]
    for bit in np.random.default_rng(0).integers(0, 8 * parts[0][2], 400):
        flipped = bytearray(content)
        flipped[parts[0][1] + bit // 8] ^= 1 << bit % 8
        assert "wrong checksum in its IDAT chunk" in refused(bytes(flipped))


@pytest.mark.parametrize("split", [None, 1, 4, 7])
def test_the_checksum_of_the_compressed_stream_counts_too(split: int | None) -> None:
    """Where a program wrote wrong pixels under right chunk checksums, in however many chunks."""
    rows = bytearray(b"".join(b"\0" + row.tobytes() for row in PIXELS))
    stream = zlib.compress(rows, 0)
    rows[500] ^= 1
    wrong = zlib.compress(bytes(rows), 0)[:-4] + stream[-4:]
    header = struct.pack(">IIBBBBB", 52, 40, 8, RGB, 0, 0, 0)

    def assembled(data: bytes) -> bytes:
        parts = [data] if split is None else [data[:-split], data[-split:]]
        idat = b"".join(chunk(b"IDAT", part) for part in parts)
        return SIGNATURE + chunk(b"IHDR", header) + idat + chunk(b"IEND", b"")

    assert np.array_equal(shown(assembled(stream)), PIXELS)
    assert "damaged" in refused(assembled(wrong))


def test_no_truncated_file_is_believed() -> None:
    for kept in range(len(SIGNATURE), len(SOUND)):
        assert "damaged or truncated image" in refused(SOUND[:kept])


def test_what_follows_the_end_does_not_count() -> None:
    assert np.array_equal(shown(SOUND + b"appended by a camera" * 99), PIXELS)


@pytest.mark.parametrize("kind", [b"IHDR", b"IDAT", b"IEND"])
def test_a_wrong_checksum_in_a_critical_chunk_is_damage(kind: bytes) -> None:
    spoilt = bytearray(SOUND)
    (at,) = [start + length for found, start, length in chunks(SOUND) if found == kind][:1]
    spoilt[at] ^= 1
    assert f"wrong checksum in its {kind.decode()} chunk" in refused(bytes(spoilt))


@pytest.mark.parametrize(
    "kind", [b"tEXt", b"zTXt", b"iTXt", b"pHYs", b"gAMA", b"cHRM", b"tIME", b"eXIf", b"iCCP",
             b"sRGB", b"bKGD", b"prVt"],
)  # fmt: skip
def test_a_wrong_checksum_in_an_ancillary_chunk_is_no_damage(kind: bytes) -> None:
    for content in (b"anything", b""):
        assert np.array_equal(shown(with_chunk(kind, content, sound=False)), PIXELS)
        assert np.array_equal(shown(with_chunk(kind, content)), PIXELS)


def test_a_wrong_checksum_of_the_transparent_colour_is_damage() -> None:
    content = struct.pack(">3H", *PIXELS[7, 9])
    assert "wrong checksum in its tRNS chunk" in refused(with_chunk(b"tRNS", content, sound=False))
    assert "transparent colour" in refused(with_chunk(b"tRNS", content[:4]))


def test_large_metadata_is_no_damage() -> None:
    """Pillow refuses texts of more than a megabyte, or of 64 together."""
    text = PngImagePlugin.PngInfo()
    text.add_text("Description", "long " * 500_000, zip=True)
    text.add_itxt("Comment", "long " * 500_000, zip=True)
    assert np.array_equal(shown(saved(Image.fromarray(PIXELS), pnginfo=text)), PIXELS)
    many = [chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(10**6))) for _ in range(70)]
    start = len(SIGNATURE) + 25
    assert np.array_equal(shown(SOUND[:start] + b"".join(many) + SOUND[start:]), PIXELS)


def test_a_large_profile_is_no_damage() -> None:
    """One of a printer's paper has some megabytes; Pillow takes no more than one."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    large = profile + bytes(3 * 2**20)
    large = struct.pack(">I", len(large)) + large[4:]
    content = with_chunk(b"iCCP", b"large\0\0" + zlib.compress(large))
    assert np.array_equal(shown(content), PIXELS)


def test_an_animations_default_image_counts() -> None:
    frames = [Image.new("RGB", (20, 20), (level, 0, 0)) for level in (40, 200)]
    content = saved(frames[0], save_all=True, append_images=frames[1:])
    assert (shown(content)[..., 0] == 40).all()


@pytest.mark.parametrize("keyword", ["exif chunk", "xmp"])
def test_orientation_in_a_chunk_or_in_xmp(keyword: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    text = PngImagePlugin.PngInfo()
    text.add_itxt("XML:com.adobe.xmp", '<x tiff:Orientation="6"/>', zip=True)
    options = {"exif": exif} if keyword == "exif chunk" else {"pnginfo": text}
    content = saved(Image.fromarray(PIXELS), **options)
    assert np.array_equal(shown(content), np.rot90(PIXELS, -1))


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (lambda _: with_chunk(b"CgBI", b"\0\0\0\0"), "unknown chunk CgBI"),
        (lambda c: c[:8] + c[33:], "must be IHDR"),
        (lambda c: c[:33] + c[8:], "must be IHDR"),
        (lambda c: c[:33] + chunk(b"IEND", b""), "no pixel data"),
        (lambda c: c[:8] + chunk(b"IHDR", bytes(12)) + c[33:], "another length than 13"),
        (lambda c: c[:33] + chunk(b"IDAT", bytes(2**21)) + c[33:], "more pixel data than"),
        (lambda c: c[:33] + struct.pack(">I", 2**31 - 1) + c[37:], "it ends in its IDAT chunk"),
    ],
)
def test_what_is_no_png_any_more(spoil: Callable[[bytes], bytes], expected: str) -> None:
    assert expected in refused(spoil(SOUND))


def test_size_is_checked_before_the_pixels_are_read() -> None:
    header = struct.pack(">IIBBBBB", 2**31 - 1, 2**31 - 1, 16, RGB_ALPHA, 0, 0, 0)
    content = SOUND[:8] + chunk(b"IHDR", header) + SOUND[33:]
    assert "2147483647×2147483647 pixels; expected at most 89478485" in refused(content)
    strip = struct.pack(">IIBBBBB", 16, 1_000_000, 8, RGB, 0, 0, 0)
    line = refused(SOUND[:8] + chunk(b"IHDR", strip) + SOUND[33:])
    assert "16×1000000 pixels; expected at most 100 times as long as wide; crop it" in line
