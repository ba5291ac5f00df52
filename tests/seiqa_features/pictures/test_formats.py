"""Formats: what is decoded, what is refused by name, and what the extra `formats` brings."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from seiqa_features.errors import DataError
from seiqa_features.pictures import decoding, formats
from seiqa_features.pictures.boundary import INSTALL
from seiqa_features.pictures.boxes import jxl_size
from seiqa_features.pictures.decoding import load_rgb, read_rgb
from seiqa_features.pictures.formats import EXTRAS, FORMATS, SUFFIXES
from tests.conftest import make_texture

PIXELS = np.asarray(  # smooth, so that lossy formats keep it
    Image.fromarray(make_texture(0, 16, 20)).resize((52, 40), Image.Resampling.BICUBIC)
)
HEIC_HEAD = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"
JXL_HEADS = (b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n")
PAGE = Path(__file__).parents[3] / "docs" / "formats.md"


def saved(kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    Image.fromarray(PIXELS).save(file, kind, **options)  # type: ignore[arg-type]
    return file.getvalue()


def refused(content: bytes) -> str:
    with pytest.raises(DataError) as caught:
        read_rgb(io.BytesIO(content), name="p")
    (line,) = caught.value.problems
    return line


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_of_the_list_is_decoded(kind: str) -> None:
    pixels = np.asarray(read_rgb(io.BytesIO(saved(kind)), name="p"))
    assert pixels.shape == PIXELS.shape
    limit = {"JPEG": 8, "WEBP": 10, "AVIF": 10, "GIF": 25}.get(kind, 0)
    assert np.abs(pixels.astype(int) - PIXELS).mean() <= limit


def test_a_jpeg_with_a_second_picture_behind_the_first() -> None:
    file = io.BytesIO()
    Image.fromarray(PIXELS).save(
        file, "MPO", save_all=True, append_images=[Image.new("RGB", (52, 40))]
    )
    pixels = np.asarray(read_rgb(io.BytesIO(file.getvalue()), name="p.mpo"))
    assert np.abs(pixels.astype(int) - PIXELS).mean() <= 8
    assert ".mpo" in SUFFIXES


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "PostScript"),
        (b"\xc5\xd0\xd3\xc6" + bytes(60), "PostScript"),
        (b"%PDF-1.7\n", "a PDF"),
        (b"8BPS\0\1" + bytes(60), "a Photoshop document"),
        (b"\0\0\1\0\1\0\x10\x10" + bytes(60), "an icon"),
        (b"\xd7\xcd\xc6\x9a" + bytes(60), "a Windows metafile"),
        (b'<?xml version="1.0"?><svg/>', "XML"),
        (b"\xef\xbb\xbf\n <SVG xmlns=''/>", "SVG"),
        (b"<!doctype html><title>404</title>", "a web page"),
        (b"PK\3\4" + bytes(60), "a zip"),
        (b"\0\0\0\x18ftypisom\0\0\2\0mp41mp42" + bytes(60), "a video or other ISO media file"),
        (b"RIFF\x24\0\0\0WAVEfmt " + bytes(60), "a sound or video (RIFF)"),
        (b"v/1\1" + bytes(60), "OpenEXR"),
        (b"#?RADIANCE\n", "Radiance HDR"),
        (b"P7\nWIDTH 20\n", "PAM"),
        (b"PF\n20 20\n-1.0\n" + bytes(4800), "a PFM of colours"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "a Git LFS pointer; fetch the file"),
    ],
)
def test_other_files_are_refused_by_name(content: bytes, kind: str) -> None:
    line = refused(content)
    assert line.startswith(f"p: not an image but {kind}")
    assert line.endswith(f"expected {formats.ACCEPTED}")


@pytest.mark.parametrize("kind", ["EPS", "PDF", "ICO", "DDS", "IM", "MSP"])
def test_what_pillow_writes_and_is_not_on_the_list_is_refused(kind: str) -> None:
    file = io.BytesIO()
    image = Image.fromarray(PIXELS)
    (image.convert("1") if kind == "MSP" else image).save(file, kind)
    assert "not an image" in refused(file.getvalue())


@pytest.mark.parametrize("kind", FORMATS)
def test_only_decoders_of_the_list_are_ever_asked(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, ...]] = []
    whole = Image.open

    def listen(file: object, *arguments: object, **options: object) -> Image.Image:
        asked.append(options["formats"])  # type: ignore[arg-type]
        return whole(file, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Image, "open", listen)
    read_rgb(io.BytesIO(saved(kind)), name="p")
    assert asked
    assert all(set(names) <= set(FORMATS) for names in asked)


# --- the extra -------------------------------------------------------------------------------


@pytest.mark.parametrize("extra", EXTRAS, ids=lambda extra: extra.format)
def test_without_its_package_a_format_names_the_extra(
    extra: formats.Extra, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, extra.module, None)
    heads = (HEIC_HEAD,) if extra.format == "HEIF" else JXL_HEADS
    for head in heads:
        assert refused(head + bytes(99)) == (
            f"p: a {extra.format} picture needs the package {extra.package}:"
            " pip install 'seiqa[formats]'"
        )


@pytest.mark.parametrize("extra", EXTRAS, ids=lambda extra: extra.format)
def test_with_its_package_a_format_is_decoded(extra: formats.Extra, tmp_path: Path) -> None:
    module = pytest.importorskip(extra.module, reason="the extra `formats` is not installed")
    if extra.opener:
        getattr(module, extra.opener)()
    for mode, suffix in (("RGB", extra.suffixes[0]), ("RGBA", extra.suffixes[-1])):
        image = Image.fromarray(PIXELS).convert(mode)
        image.putalpha(255) if mode == "RGBA" else None
        image.save(tmp_path / f"p{suffix}", extra.format, quality=95)
        pixels = np.asarray(load_rgb(tmp_path / f"p{suffix}"))
        assert np.abs(pixels.astype(int) - PIXELS).mean() <= 6


@pytest.mark.parametrize("extra", EXTRAS, ids=lambda extra: extra.format)
def test_a_picture_is_turned_once_by_decoder_or_exif(extra: formats.Extra) -> None:
    module = pytest.importorskip(extra.module, reason="the extra `formats` is not installed")
    if extra.opener:
        getattr(module, extra.opener)()
    exif = Image.Exif()
    exif[0x0112] = 6
    upright, turned = (
        np.asarray(read_rgb(io.BytesIO(saved(extra.format, quality=95, **options)), name="p"))
        for options in ({}, {"exif": exif.tobytes()})
    )
    # In a JPEG XL, the codestream says how it is turned, whatever EXIF says.
    np.testing.assert_array_equal(turned, np.rot90(upright, 0 if extra.format == "JXL" else -1))


@pytest.mark.parametrize("size", [(52, 40), (256, 256), (17, 1000), (800, 600), (1600, 900)])
@pytest.mark.parametrize("boxes", [{}, {"use_container": True}, {"exif": b"Exif\0\0II*\0"}])
def test_the_size_of_a_jpeg_xl_is_known_before_it_is_decoded(
    size: tuple[int, int], boxes: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its decoder unpacks the whole picture on opening: some hundred bytes may be gigabytes."""
    pytest.importorskip("pillow_jxl", reason="the extra `formats` is not installed")
    file = io.BytesIO()
    Image.new("RGB", size).save(file, "JXL", **boxes)
    assert jxl_size(file) == size
    monkeypatch.setattr(decoding, "MAX_PIXELS", size[0] * size[1] - 1)
    monkeypatch.setattr(Image, "open", None)
    assert f"{size[0]}×{size[1]} pixels; expected at most" in refused(file.getvalue())


@pytest.mark.parametrize(
    ("header", "size"),
    [
        # small, (2 + 1) · 8 rows, as wide as high
        (1 | 2 << 1 | 1 << 6, (24, 24)),
        # 30 bits: 2^30 rows; ratio 2:1
        (0 | 3 << 1 | (2**30 - 1) << 3 | 7 << 33, (2**31, 2**30)),
        # 9 bits of rows, 18 of columns
        (0 | 0 << 1 | 99 << 3 | 0 << 12 | 2 << 15 | 199_999 << 17, (200_000, 100)),
    ],
)
def test_sizes_of_jpeg_xl_as_the_standard_writes_them(header: int, size: tuple[int, int]) -> None:
    content = b"\xff\x0a" + header.to_bytes(8, "little")
    assert jxl_size(io.BytesIO(content)) == size


def test_a_container_without_a_picture_is_damaged() -> None:
    pytest.importorskip("pillow_jxl", reason="the extra `formats` is not installed")
    for rest in (b"", b"\0\0\0\0abcd", b"\0\0\0\x08abcd" * 9):
        assert "damaged or truncated image (no codestream in it)" in refused(JXL_HEADS[1] + rest)


# --- the page --------------------------------------------------------------------------------


def test_the_page_lists_what_the_code_accepts() -> None:
    rows = [
        [cell.strip() for cell in line.strip("|\n").split("|")]
        for line in PAGE.read_text("utf-8").splitlines()
        if line.startswith("| ") and " | ." in line
    ]
    listed = {name: (suffixes.split(), by) for name, suffixes, by in rows}
    assert list(listed) == [*FORMATS, *(extra.format for extra in EXTRAS)]
    by_format = {name: set() for name in listed}
    for suffix, name in Image.registered_extensions().items():
        by_format.get("JPEG" if name == "MPO" else name, set()).add(suffix)
    for extra in EXTRAS:
        by_format[extra.format] = set(extra.suffixes)
        assert listed[extra.format][1] == f"extra `formats`: {extra.package}"
    for name, (suffixes, _) in listed.items():
        assert suffixes == sorted(by_format[name]), name
    assert {suffix for suffixes, _ in listed.values() for suffix in suffixes} == SUFFIXES


def test_the_page_states_the_limits_of_the_code() -> None:
    text = PAGE.read_text("utf-8")
    pixels = f"{decoding.MAX_PIXELS:,}".replace(",", " ")
    for said in (
        f"at least {decoding.MIN_SIDE} pixels on each side",
        f"at most {pixels} pixels",
        f"at most {decoding.MAX_ASPECT} times as long as wide",
        INSTALL,
    ):
        assert said in text
