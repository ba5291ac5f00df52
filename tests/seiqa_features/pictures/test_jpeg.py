"""JPEG: without its end marker it is read, with any pixel missing it is not."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from seiqa_features.errors import DataError
from seiqa_features.pictures.decoding import load_rgb
from seiqa_features.pictures.inputs import as_rgb
from tests.conftest import make_texture
from tests.seiqa_features.pictures.reading import shown

KINDS = [
    {},
    {"quality": 95, "subsampling": 0},
    {"progressive": True},
    {"restart_marker_blocks": 3},
    {"progressive": True, "restart_marker_rows": 1},
]


def jpeg(seed: int = 0, mode: str = "RGB", **options: object) -> bytes:
    file = io.BytesIO()
    image = Image.fromarray(make_texture(seed, 40, 52)).convert(mode)
    image.save(file, "JPEG", **options)  # type: ignore[arg-type]
    return file.getvalue()


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("options", KINDS)
def test_a_jpeg_without_its_last_two_bytes_is_whole(options: dict[str, object], mode: str) -> None:
    content = jpeg(mode=mode, **options)
    assert content[-2:] == b"\xff\xd9"
    for missing in (1, 2):
        assert np.array_equal(shown(content[:-missing]), shown(content))


@pytest.mark.parametrize("options", KINDS)
def test_a_jpeg_that_lacks_more_is_refused(options: dict[str, object]) -> None:
    for seed in range(3):
        content = jpeg(seed, **options)
        start = content.index(b"\xff\xda")
        cuts = {*range(3, 60), *range(60, len(content) - start, 37)}
        for missing in cuts:
            with pytest.raises(DataError, match=r"^the picture: damaged or truncated image"):
                shown(content[:-missing])


def test_a_progressive_jpeg_that_lacks_its_last_scans_is_refused() -> None:
    content = jpeg(progressive=True)
    starts = [at for at in range(len(content)) if content[at : at + 2] == b"\xff\xda"]
    assert len(starts) > 3
    for start in starts[1:]:  # what is left is whole scans, and a coarser picture
        with pytest.raises(DataError, match="damaged or truncated image"):
            shown(content[:start])


# --- orientation -----------------------------------------------------------------------------


def turned(orientation: int, *, entries: bytes = b"") -> bytes:
    """A JPEG whose EXIF holds an orientation and, behind it, entries of twelve bytes as given."""
    number = 1 + len(entries) // 12
    tags = struct.pack("<HHIHH", 0x0112, 3, 1, orientation, 0) + entries
    tiff = b"II*\0" + struct.pack("<IH", 8, number) + tags + bytes(4)
    return jpeg(exif=b"Exif\0\0" + tiff)


@pytest.mark.parametrize(
    "entry",
    [
        struct.pack("<HHIHH", 0x0128, 2, 2, 49, 0),  # a unit as text
        struct.pack("<HHII", 0x011A, 5, 2, 0xFFFFFF00),  # fractions beyond the end
        struct.pack("<HHII", 0x8769, 4, 1, 0xFFFFFF00),  # a directory beyond the end
        struct.pack("<HHII", 0x8825, 4, 1, 8),  # a directory that is this one
        struct.pack("<HHII", 0x9286, 7, 2**31, 12),
        struct.pack("<HHIf", 0x0131, 11, 1, float("nan")),
    ],
)
def test_orientation_beside_mistaken_tags(entry: bytes) -> None:
    """Pillow's own exif_transpose writes the tags anew, and cannot write these."""
    upright = shown(jpeg())
    assert np.array_equal(shown(turned(6, entries=entry)), np.rot90(upright, -1))


@pytest.mark.parametrize("orientation", [0, 1, 9, 65535])
def test_an_orientation_that_says_nothing(orientation: int) -> None:
    assert np.array_equal(shown(turned(orientation)), shown(jpeg()))


@pytest.mark.parametrize("exif", [b"Exif\0\0", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0MM\0*"])
def test_exif_that_cannot_be_read_is_no_damage_of_the_pixels(exif: bytes) -> None:
    assert np.array_equal(shown(jpeg(exif=exif)), shown(jpeg()))


def test_a_picture_in_memory_is_turned_once(tmp_path: Path) -> None:
    """Decoded by us, opened by Pillow, or turned by Pillow: one picture in every form."""
    path = tmp_path / "t.jpg"
    path.write_bytes(turned(6))
    expected = np.asarray(load_rgb(path))
    with Image.open(path) as opened:
        for picture in (path, load_rgb(path), opened, ImageOps.exif_transpose(opened)):
            assert np.array_equal(np.asarray(as_rgb(picture, name="ref")), expected)


def test_a_picture_that_may_have_been_turned_by_hand_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.jpg"
    path.write_bytes(turned(6))
    with Image.open(path) as opened:
        by_hand = opened.transpose(Image.Transpose.ROTATE_270)
        for picture in (by_hand, opened.copy(), opened.convert("L")):
            with pytest.raises(DataError) as caught:
                as_rgb(picture, name="ref")
            assert str(caught.value).startswith(
                "ref: is its EXIF orientation 6 still to be applied? pass ImageOps.exif_transpose"
            )
        del by_hand.getexif()[0x0112]
        del by_hand.info["exif"]
        expected = np.asarray(load_rgb(path))
        assert np.array_equal(np.asarray(as_rgb(by_hand, name="ref")), expected)
