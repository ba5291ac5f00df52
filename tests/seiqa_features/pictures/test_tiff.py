"""TIFF: whatever the layout, the pixels are those that the file states, or one line says why."""

from __future__ import annotations

import io
import sys
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image, TiffImagePlugin

from seiqa_features.errors import DataError
from tests.conftest import make_texture
from tests.seiqa_features.pictures.reading import refused, shown

RGB8 = make_texture(0, 40, 52)
GREY8 = RGB8[..., 1].copy()
ALPHA8 = np.linspace(0, 255, GREY8.size).astype(np.uint8).reshape(GREY8.shape)
SMIN, SMAX = 340, 341


def wide(pixels: NDArray[np.uint8]) -> NDArray[np.uint16]:
    """16 bits whose high byte is the given one."""
    low = np.random.default_rng(0).integers(0, 256, pixels.shape)
    return (pixels.astype(np.uint16) << 8) | low.astype(np.uint16)


def written(samples: NDArray[Any], **options: Any) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, samples, **{"photometric": "minisblack", "metadata": None} | options)
    return file.getvalue()


def grey(pixels: NDArray[Any]) -> NDArray[Any]:
    return np.repeat(pixels[..., None], 3, axis=2)


def over_white(pixels: NDArray[Any], alpha: NDArray[Any]) -> NDArray[Any]:
    share = alpha[..., None] / 255
    return np.asarray(pixels * share + 255 * (1 - share))


@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize(
    ("compression", "predictor"),
    [(None, False), ("deflate", False), ("deflate", True), ("lzw", False), ("lzw", True)],
)
@pytest.mark.parametrize(
    ("samples", "options", "expected"),
    [
        (RGB8, {"photometric": "rgb"}, RGB8),
        (wide(RGB8), {"photometric": "rgb"}, RGB8),
        (wide(RGB8), {"photometric": "rgb", "tile": (16, 16)}, RGB8),
        (wide(RGB8), {"photometric": "rgb", "rowsperstrip": 7}, RGB8),
        (
            wide(RGB8).transpose(2, 0, 1).copy(),
            {"photometric": "rgb", "planarconfig": "separate"},
            RGB8,
        ),
        (
            RGB8.transpose(2, 0, 1).copy(),
            {"photometric": "rgb", "planarconfig": "separate"},
            RGB8,
        ),
        (GREY8, {}, grey(GREY8)),
        (wide(GREY8), {}, grey(GREY8)),
        (GREY8, {"photometric": "miniswhite"}, 255 - grey(GREY8)),
        (wide(GREY8), {"photometric": "miniswhite"}, 255 - grey(GREY8)),
    ],
    ids=["rgb8", "rgb16", "tiled16", "strips16", "planar16", "planar8", "grey8", "grey16",
         "white_is_zero8", "white_is_zero16"],
)  # fmt: skip
def test_integer_layouts(
    samples: NDArray[Any],
    options: dict[str, Any],
    expected: NDArray[Any],
    byteorder: str,
    compression: str | None,
    predictor: bool,
) -> None:
    if compression == "lzw":
        pytest.importorskip("imagecodecs", reason="the extra `formats` is not installed")
    content = written(
        samples, byteorder=byteorder, compression=compression, predictor=predictor, **options
    )
    assert np.array_equal(shown(content), expected)


@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
@pytest.mark.parametrize("colours", [1, 3])
@pytest.mark.parametrize("kind", ["unassalpha", "assocalpha", "unspecified"])
@pytest.mark.parametrize("layout", ["contig", "separate"])
def test_a_sample_beside_the_colours(depth: type, colours: int, kind: str, layout: str) -> None:
    pixels = RGB8 if colours == 3 else GREY8[..., None]
    samples = np.concatenate([pixels, ALPHA8[..., None]], axis=2)
    expected = over_white(pixels if colours == 3 else grey(GREY8), ALPHA8)
    if kind == "unspecified":
        expected = pixels if colours == 3 else grey(GREY8)
    if kind == "assocalpha":
        samples[..., :colours] = np.rint(pixels * (ALPHA8[..., None] / 255))
    if depth is np.uint16:
        samples = samples.astype(np.uint16) * 257
    content = written(
        samples if layout == "contig" else np.moveaxis(samples, 2, 0),
        photometric="rgb" if colours == 3 else "minisblack", extrasamples=[kind],
        planarconfig=layout,
    )  # fmt: skip
    assert np.abs(shown(content) - expected).max() <= 2


def test_cmyk() -> None:
    ink = np.zeros((20, 20, 4), np.uint8)
    ink[..., 0] = 255  # cyan
    for samples in (ink, ink.astype(np.uint16) * 257):
        pixels = shown(written(samples, photometric="separated", planarconfig="contig"))
        assert (pixels == (0, 255, 255)).all()


@pytest.mark.parametrize("bits", [10, 12, 14])
def test_packed_integers_are_scaled_by_their_stated_bits(bits: int) -> None:
    pytest.importorskip("imagecodecs", reason="the extra `formats` is not installed")
    samples = GREY8.astype(np.uint16) << (bits - 8)
    content = written(samples, bitspersample=bits)
    assert np.array_equal(shown(content), grey(GREY8))


@pytest.mark.parametrize("depth", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("compression", [None, "deflate"])
def test_floats_of_0_to_1(depth: type, compression: str | None) -> None:
    floats = (RGB8 / 255).astype(depth)
    for samples, expected in ((floats, RGB8), (floats[..., 1].copy(), grey(GREY8))):
        photometric = "rgb" if samples.ndim == 3 else "minisblack"
        content = written(samples, photometric=photometric, compression=compression)
        assert np.array_equal(shown(content), expected)


@pytest.mark.parametrize(
    ("samples", "code", "low", "high"),
    [
        (GREY8.astype(np.int32), "i", 0, 255),
        (GREY8.astype(np.int32) - 128, "i", -128, 127),
        (GREY8.astype(np.uint32) << 24, "I", 0, 255 << 24),
        (GREY8.astype(np.int16) * 16, "h", 0, 255 * 16),
        (GREY8.astype(np.uint16), "H", 0, 255),
        (GREY8.astype(np.float32) * 100, "f", 0.0, 25500.0),
        ((GREY8.astype(np.int16) - 128).astype(np.int8), "b", -128, 127),
    ],
)
def test_a_stated_range_is_what_counts(
    samples: NDArray[Any], code: str, low: float, high: float
) -> None:
    tags = [(SMIN, code, 1, low, True), (SMAX, code, 1, high, True)]
    assert np.array_equal(shown(written(samples, extratags=tags)), grey(GREY8))


@pytest.mark.parametrize(
    "samples",
    [GREY8.astype(np.int32), GREY8.astype(np.uint32), GREY8.astype(np.int16), GREY8.view(np.int8),
     GREY8.astype(np.int64)],
    ids=lambda samples: str(samples.dtype),
)  # fmt: skip
def test_integers_that_do_not_say_what_is_white_are_refused(samples: NDArray[Any]) -> None:
    assert "do not say which of them is white (no SMinSampleValue" in refused(written(samples))


@pytest.mark.parametrize(
    ("samples", "options"),
    [
        (GREY8.astype(np.uint16), {}),
        (RGB8.astype(np.uint16), {"photometric": "rgb"}),
        (
            RGB8.astype(np.uint16).transpose(2, 0, 1).copy(),
            {"photometric": "rgb", "planarconfig": "separate"},
        ),
    ],
)
def test_16_bits_that_hold_0_to_255_are_refused(
    samples: NDArray[Any], options: dict[str, Any]
) -> None:
    """Two such pictures would both be black, and so equal."""
    line = refused(written(samples, **options))
    assert "16-bit samples of 0 to 2" in line
    assert "black in 8 bits" in line
    assert "scaled to 0 to 65535" in line


def test_a_black_picture_is_black() -> None:
    for samples in (np.zeros((20, 20), np.uint16), np.zeros((20, 20, 3), np.uint16)):
        photometric = "rgb" if samples.ndim == 3 else "minisblack"
        assert not shown(written(samples, photometric=photometric)).any()


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (written(RGB8.astype(np.float32), photometric="rgb"), "float values 0 to 255; expected 0"),
        (written(np.full((20, 20), np.nan, np.float32)), "NaN among the values"),
        (written(GREY8.astype(np.complex64)), "mixed or complex samples"),
        (written(np.zeros((20, 20, 6), np.uint16), planarconfig="contig"), "6 samples a pixel"),
        (written(np.zeros((20, 20, 3), np.uint16), photometric="cielab"), "photometric"),
        (written(np.zeros((20, 20, 3), np.uint8), photometric="cielab"), "LAB"),
        (written(np.zeros((15, 20, 3), np.float32), photometric="rgb"), "20×15 pixels"),
    ],
)
def test_what_has_no_meaning_as_a_picture_is_refused(content: bytes, expected: str) -> None:
    assert expected in refused(content)


def test_without_imagecodecs_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("imagecodecs", reason="the extra `formats` is not installed")
    content = written((RGB8 / 255).astype(np.float32), photometric="rgb", compression="lzw")
    assert np.array_equal(shown(content), RGB8)
    for name in [name for name in sys.modules if name.split(".")[0] in ("imagecodecs", "tifffile")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "imagecodecs", None)
    line = refused(content)
    assert "LZW" in line
    assert "imagecodecs: pip install 'seiqa[formats]'" in line


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation(orientation: int) -> None:
    """As Pillow itself turns a TIFF, also where Pillow does not read the samples."""
    tags = [(274, "H", 1, orientation, True)]
    plain = written(RGB8, photometric="rgb", extratags=tags)
    with Image.open(io.BytesIO(plain)) as image:
        image.load()
        expected = np.asarray(image)
    floats = written((RGB8 / 255).astype(np.float32), photometric="rgb", extratags=tags)
    assert np.array_equal(shown(plain), expected)
    assert np.array_equal(shown(floats), expected)


def test_the_first_page_counts() -> None:
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        for level in (40, 200):
            writer.write(np.full((20, 20), level / 255, np.float32), photometric="minisblack")
    assert (shown(file.getvalue()) == 40).all()


def test_bigtiff() -> None:
    assert np.array_equal(shown(written(RGB8, photometric="rgb", bigtiff=True)), RGB8)
    floats = (RGB8 / 255).astype(np.float32)
    assert np.array_equal(shown(written(floats, photometric="rgb", bigtiff=True)), RGB8)


@pytest.mark.parametrize("compression", ["tiff_deflate", "tiff_adobe_deflate"])
def test_no_flipped_bit_of_deflated_pixels_is_believed(compression: str) -> None:
    file = io.BytesIO()
    Image.fromarray(RGB8).save(file, "TIFF", compression=compression)
    content = file.getvalue()
    with Image.open(io.BytesIO(content)) as image:
        assert isinstance(image, TiffImagePlugin.TiffImageFile)
        (start,), (length,) = image.tag_v2[273], image.tag_v2[279]
    for bit in np.random.default_rng(0).integers(0, 8 * length, 100):
        flipped = bytearray(content)
        flipped[start + bit // 8] ^= 1 << bit % 8
        assert "damaged" in refused(bytes(flipped))


@pytest.mark.parametrize("compression", [None, "tiff_lzw", "tiff_deflate"])
def test_no_truncated_file_is_believed(
    compression: str | None, capfd: pytest.CaptureFixture[str]
) -> None:
    """libtiff takes what is there, and memory that nobody wrote for the rest."""
    file = io.BytesIO()
    Image.fromarray(RGB8).save(file, "TIFF", compression=compression)
    content = file.getvalue()
    for kept in [*range(len(content) - 150, len(content)), len(content) // 2]:
        refused(content[:kept])
    assert capfd.readouterr().err == ""  # neither does libtiff talk to the terminal


def test_a_tiff_opened_by_pillow_is_refused_where_pillow_misreads_it() -> None:
    from seiqa_features.pictures.inputs import as_rgb

    content = written(wide(GREY8), photometric="miniswhite")
    with (
        Image.open(io.BytesIO(content)) as image,
        pytest.raises(DataError, match=r"^ref: Pillow misreads this kind of TIFF; give the path"),
    ):
        as_rgb(image, name="ref")
