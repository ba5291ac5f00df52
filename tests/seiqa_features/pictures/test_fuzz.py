"""Damaged files of every format: pixels or one clear line, and nothing else, whatever they hold."""

from __future__ import annotations

import io
import warnings
import zlib
from contextlib import suppress
from functools import lru_cache

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from seiqa_features.errors import LINE_LENGTH, DataError
from seiqa_features.pictures.decoding import read_rgb
from seiqa_features.pictures.formats import FORMATS
from tests.conftest import make_texture
from tests.seiqa_features.pictures.png_files import SIGNATURE, chunk, chunks
from tests.seiqa_features.pictures.profiles import DISPLAY_P3, rgb_profile

BOUNDED = settings(
    max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)
PICTURE = Image.fromarray(make_texture(0, 20, 26))
HEADER = 600  # bytes in which damage does most: headers, tables, directories


def saved(kind: str, picture: Image.Image = PICTURE, **options: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)  # type: ignore[arg-type]
    return file.getvalue()


def tiff(samples: np.ndarray, **options: object) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, samples, **options)
    return file.getvalue()


@lru_cache
def sound() -> dict[str, bytes]:
    """A file of every format, and of some kinds that take another way through the code."""
    pixels = np.asarray(PICTURE)
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "a description"
    extra = {"exif": exif.tobytes(), "icc_profile": rgb_profile(DISPLAY_P3)}
    rgba = Image.fromarray(np.dstack([pixels, pixels[..., :1]]))
    text = PngImagePlugin.PngInfo()
    text.add_itxt("XML:com.adobe.xmp", '<x tiff:Orientation="6"/>', zip=True)
    files = {kind: saved(kind) for kind in FORMATS}
    with suppress(ImportError):
        import pillow_heif

        pillow_heif.register_heif_opener()
        files["HEIF"] = saved("HEIF")
    with suppress(ImportError):
        import pillow_jxl  # noqa: F401

        files["JXL"] = saved("JXL")
    files |= {f"{kind} with metadata": saved(kind, **extra) for kind in ("JPEG", "WEBP", "AVIF")}
    return files | {
        "PNG with metadata": saved("PNG", pnginfo=text, **extra),
        "PNG with a palette": saved("PNG", PICTURE.quantize(16), transparency=b"\x00\x80"),
        "PNG with alpha": saved("PNG", rgba),
        "PNG of 16 bits": saved("PNG", Image.fromarray(pixels[..., 0].astype(np.uint16) * 257)),
        "progressive JPEG": saved("JPEG", progressive=True),
        "GIF of two frames": saved("GIF", save_all=True, append_images=[rgba]),
        "TIFF, LZW": saved("TIFF", compression="tiff_lzw"),
        "TIFF, JPEG": saved("TIFF", compression="jpeg"),
        "TIFF of floats": tiff((pixels / 255).astype(np.float32), photometric="rgb"),
        "BigTIFF of 16 bits": tiff(pixels.astype(np.uint16) * 257, photometric="rgb", bigtiff=True),
        "planar TIFF": tiff(
            pixels.transpose(2, 0, 1).astype(np.uint16) * 257,
            photometric="rgb", planarconfig="separate", compression="deflate",
        ),
        "PGM of 10 bits": b"P5\n26 20\n1023\n" + bytes(2 * 520),
        "TGA, run lengths": saved("TGA", compression="tga_rle"),
    }  # fmt: skip


def check(content: bytes) -> None:
    """Decode it, and see that nothing but pixels or a line comes of it."""
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            image = read_rgb(io.BytesIO(content), name="p")
        except DataError as error:
            (line,) = error.problems
            assert line.startswith("p: ")
            assert "\n" not in line
            assert len(line) <= LINE_LENGTH + 3
        else:
            assert image.mode == "RGB"
            assert np.asarray(image).shape == (image.height, image.width, 3)
    assert warned == []


byte = st.one_of(st.sampled_from([0, 1, 2, 127, 128, 254, 255]), st.integers(0, 255))
damage = st.tuples(
    st.lists(st.tuples(st.integers(0, HEADER), byte), max_size=4),  # towards the front
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), byte), max_size=4),  # anywhere
    st.one_of(st.just(1.0), st.floats(0, 1)),  # how much of it is left
)
Damage = tuple[list[tuple[int, int]], list[tuple[float, int]], float]


def spoilt(content: bytes, how: Damage) -> bytes:
    front, anywhere, left = how
    spoilt = bytearray(content)
    for at, value in front:
        spoilt[at % len(spoilt)] = value
    for share, value in anywhere:
        spoilt[int(share * len(spoilt))] = value
    return bytes(spoilt[: round(left * len(spoilt))])


@pytest.mark.parametrize("kind", list(sound()))
@BOUNDED
@given(how=damage)
def test_damaged_files(kind: str, how: Damage) -> None:
    check(spoilt(sound()[kind], how))


@pytest.mark.parametrize("kind", [name for name in sound() if name.startswith("PNG")])
@BOUNDED
@given(number=st.integers(0, 9), how=damage)
def test_png_chunks_that_are_wrong_under_right_checksums(
    kind: str, number: int, how: Damage
) -> None:
    content = sound()[kind]
    parts = [(name, content[at : at + length]) for name, at, length in chunks(content)]
    name, part = parts[number % len(parts)]
    raw = zlib.decompress(part) if name == b"IDAT" else part
    wrong = spoilt(raw, how) if raw else b"\0"
    parts[number % len(parts)] = name, zlib.compress(wrong) if name == b"IDAT" else wrong
    check(SIGNATURE + b"".join(chunk(name, part) for name, part in parts))


@BOUNDED
@given(start=st.sampled_from([content[:32] for content in sound().values()]), rest=st.binary())
def test_files_that_only_begin_like_pictures(start: bytes, rest: bytes) -> None:
    check(start + rest)


@BOUNDED
@given(content=st.binary(min_size=1))
def test_files_of_anything(content: bytes) -> None:
    check(content)


@BOUNDED
@given(profile=st.binary(max_size=400), how=damage)
def test_profiles_of_anything(profile: bytes, how: Damage) -> None:
    for content in (profile, spoilt(rgb_profile(DISPLAY_P3), how)):
        check(saved("PNG", icc_profile=content or b"x"))


@BOUNDED
@given(tags=st.binary(max_size=200))
def test_exif_of_anything(tags: bytes) -> None:
    for start in (b"", b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08\0\x02\x01\x12\0\x03\0\0\0\x01"):
        check(saved("JPEG", exif=b"Exif\0\0" + start + tags))
