"""Decoding: odd files give the right pixels, bad files one clear line, known files no work."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from seiqa_features.errors import DataError
from seiqa_features.pictures import decoding as images
from seiqa_features.pictures.decoding import difference_hash, load_rgb, pixel_key


def pixels(path: Path) -> np.ndarray:
    image = load_rgb(path)
    assert image.mode == "RGB"
    return np.asarray(image)


def write_png(path: Path, depth: int, colour_type: int, samples: bytes, side: int) -> Path:
    """A PNG of a kind that Pillow reads but does not write."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        crc = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + crc

    step = len(samples) // side
    rows = b"".join(b"\0" + samples[i * step : (i + 1) * step] for i in range(side))
    header = struct.pack(">IIBBBBB", side, side, depth, colour_type, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )
    return path


# --- bad files -------------------------------------------------------------------------------


def _missing(path: Path) -> Path:
    return path / "gone.png"


def _empty(path: Path) -> Path:
    (path / "empty.png").touch()
    return path / "empty.png"


def _text(path: Path) -> Path:
    (path / "notes.png").write_text("this is no picture, it only says so\n" * 9)
    return path / "notes.png"


def _truncated(name: str, share: float) -> Callable[[Path], Path]:
    def make(path: Path) -> Path:
        whole = path / name
        noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
        Image.fromarray(noise).save(whole)
        whole.write_bytes(whole.read_bytes()[: int(share * whole.stat().st_size)])
        return whole

    return make


def _sized(width: int, height: int) -> Callable[[Path], Path]:
    def make(path: Path) -> Path:
        Image.new("RGB", (width, height)).save(path / "small.png")
        return path / "small.png"

    return make


def _float_tiff(path: Path) -> Path:
    Image.fromarray(np.linspace(0, 2, 400, dtype=np.float32).reshape(20, 20)).save(
        path / "float.tiff"
    )
    return path / "float.tiff"


def _wide_integers(path: Path) -> Path:
    Image.fromarray(np.full((20, 20), 70_000, np.int32)).save(path / "wide.tiff")
    return path / "wide.tiff"


def _folder(path: Path) -> Path:
    (path / "folder.png").mkdir()
    return path / "folder.png"


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (_missing, "no such file"),
        (_empty, "empty file (0 bytes); copy it again"),
        (_text, "not an image, despite its name; expected PNG, JPEG"),
        (_truncated("cut.png", 0.5), "damaged or truncated image"),
        (_truncated("cut.png", 0.99), "damaged or truncated image"),
        (_truncated("cut.jpg", 0.5), "damaged or truncated image"),
        (_truncated("cut.webp", 0.5), "copy it again"),
        (_truncated("cut.bmp", 0.5), "damaged or truncated image"),
        (_sized(1, 1), "1×1 pixels; expected at least 16 on each side"),
        (_sized(640, 15), "640×15 pixels; expected at least 16 on each side"),
        (_float_tiff, "float values 0 to 2; expected 0 to 1"),
        (_wide_integers, "signed 32-bit integers do not say which of them is white"),
        (_folder, "directory"),
    ],
)
def test_a_bad_file_gives_one_line_with_its_name_and_what_to_do(
    make: Callable[[Path], Path], expected: str, tmp_path: Path
) -> None:
    path = make(tmp_path)
    with pytest.raises(DataError) as caught:
        load_rgb(path)
    assert len(caught.value.problems) == 1
    line = str(caught.value)
    assert line.startswith(f"{path}: ")
    assert expected in line
    assert "\n" not in line


def test_smallest_picture_is_read(tmp_path: Path) -> None:
    assert load_rgb(_sized(16, 16)(tmp_path)).size == (16, 16)


def test_pixel_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = _sized(40, 30)(tmp_path)
    monkeypatch.setattr(images, "MAX_PIXELS", 1200)
    assert load_rgb(path).size == (40, 30)
    monkeypatch.setattr(images, "MAX_PIXELS", 1199)
    with pytest.raises(DataError, match=r"small\.png: 40×30 pixels; expected at most 1199; scale"):
        load_rgb(path)


def test_only_our_limit_counts_not_pillows_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _sized(40, 30)(tmp_path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)  # Pillow warns from here …
    assert load_rgb(path).size == (40, 30)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 500)  # … and refuses from twice that
    with pytest.raises(DataError, match=r"small\.png: too many pixels; expected at most 500"):
        load_rgb(path)


# --- odd but good files ----------------------------------------------------------------------


def test_grey(tmp_path: Path) -> None:
    grey = np.arange(400, dtype=np.uint8).reshape(20, 20)
    Image.fromarray(grey).save(tmp_path / "g.png")
    assert np.array_equal(pixels(tmp_path / "g.png"), np.repeat(grey[..., None], 3, axis=2))


def test_one_bit(tmp_path: Path) -> None:
    bits = np.arange(400).reshape(20, 20) % 3 == 0
    Image.fromarray(bits).save(tmp_path / "b.png")
    assert np.array_equal(pixels(tmp_path / "b.png")[..., 1], np.where(bits, 255, 0))


@pytest.mark.parametrize("suffix", ["png", "tiff"])
def test_16_bit_grey_keeps_the_high_byte(suffix: str, tmp_path: Path) -> None:
    samples = np.linspace(0, 65535, 400).astype(np.uint16).reshape(20, 20)
    path = tmp_path / f"deep.{suffix}"
    Image.fromarray(samples).save(path)
    assert np.array_equal(pixels(path), np.repeat((samples >> 8)[..., None], 3, axis=2))


def test_16_bit_colour_keeps_the_high_byte(tmp_path: Path) -> None:
    samples = np.random.default_rng(0).integers(0, 65536, (16, 16, 3)).astype(">u2")
    path = write_png(tmp_path / "deep.png", 16, 2, samples.tobytes(), 16)
    assert np.array_equal(pixels(path), samples >> 8)


def test_palette(tmp_path: Path, texture: Callable[..., np.ndarray]) -> None:
    image = Image.fromarray(texture(0)).quantize(16)
    image.save(tmp_path / "p.png")
    with Image.open(tmp_path / "p.png") as stored:
        assert stored.mode == "P"
    assert np.array_equal(pixels(tmp_path / "p.png"), np.asarray(image.convert("RGB")))


def test_transparent_palette_entry_is_white(tmp_path: Path) -> None:
    image = Image.new("P", (20, 20), 1)
    image.putpalette([10, 20, 30, 200, 100, 50])
    image.paste(0, (0, 0, 10, 20))
    image.save(tmp_path / "p.png", transparency=0)
    shown = pixels(tmp_path / "p.png")
    assert (shown[:, :10] == 255).all()
    assert (shown[:, 10:] == (200, 100, 50)).all()


def test_palette_with_graded_transparency(tmp_path: Path) -> None:
    image = Image.new("P", (20, 20), 0)
    image.putpalette([0, 0, 0])
    image.save(tmp_path / "p.png", transparency=bytes([51]))
    assert (pixels(tmp_path / "p.png") == 204).all()


def test_alpha_is_laid_over_white(tmp_path: Path) -> None:
    rgba = np.zeros((20, 20, 4), np.uint8)
    rgba[..., 0] = 200
    rgba[:10, :, 3] = 255
    rgba[10:15, :, 3] = 51  # a fifth of the colour, four fifths of white
    Image.fromarray(rgba).save(tmp_path / "a.png")
    shown = pixels(tmp_path / "a.png")
    assert (shown[:10] == (200, 0, 0)).all()
    assert (shown[10:15] == (244, 204, 204)).all()
    assert (shown[15:] == 255).all()


def test_grey_with_alpha_is_laid_over_white(tmp_path: Path) -> None:
    la = np.full((20, 20, 2), 100, np.uint8)
    la[:10, :, 1] = 255
    la[10:, :, 1] = 0
    Image.fromarray(la, "LA").save(tmp_path / "la.png")
    shown = pixels(tmp_path / "la.png")
    assert (shown[:10] == 100).all()
    assert (shown[10:] == 255).all()


@pytest.mark.parametrize(
    ("orientation", "turn"),
    [
        (1, lambda a: a),
        (3, lambda a: np.rot90(a, 2)),
        (6, lambda a: np.rot90(a, -1)),
        (8, lambda a: np.rot90(a, 1)),
        (2, lambda a: a[:, ::-1]),
    ],
)
def test_exif_rotation_is_applied(
    orientation: int, turn: Callable[[np.ndarray], np.ndarray], tmp_path: Path
) -> None:
    stored = np.zeros((32, 64, 3), np.uint8)
    stored[:16, :32] = (250, 10, 10)
    stored[:16, 32:] = (10, 10, 250)
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(stored).save(
        tmp_path / "t.jpg", exif=exif.tobytes(), quality=100, subsampling=0
    )
    shown = pixels(tmp_path / "t.jpg")
    assert shown.shape == turn(stored).shape
    assert np.abs(shown.astype(int) - turn(stored)).max() <= 6


def test_cmyk_jpeg(tmp_path: Path) -> None:
    image = Image.new("CMYK", (32, 32), (0, 255, 255, 0))
    image.paste((255, 0, 0, 128), (16, 0, 32, 32))
    image.save(tmp_path / "c.jpg", quality=100, subsampling=0)
    with Image.open(tmp_path / "c.jpg") as stored:
        assert stored.mode == "CMYK"
    shown = pixels(tmp_path / "c.jpg").astype(int)
    assert np.abs(shown[:, :16] - (255, 0, 0)).max() <= 4
    assert np.abs(shown[:, 16:] - (0, 127, 127)).max() <= 4


def test_first_frame_of_an_animation(tmp_path: Path) -> None:
    frames = [Image.new("L", (20, 20), level) for level in (40, 200)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    assert (pixels(tmp_path / "a.gif") == 40).all()


def test_the_name_may_be_any_and_the_suffix_wrong(
    tmp_path: Path, save_picture: Callable[..., Path], texture: Callable[..., np.ndarray]
) -> None:
    path = save_picture(tmp_path / "größe und 图片 (1).png", seed=3)
    renamed = path.rename(tmp_path / "été.JPG")
    assert np.array_equal(pixels(renamed), texture(3))


# --- pixel hash ------------------------------------------------------------------------------


def test_equal_pixels_have_one_key_whatever_file_holds_them(
    tmp_path: Path, texture: Callable[..., np.ndarray]
) -> None:
    image = Image.fromarray(texture(1))
    names = ["a.png", "b.bmp", "c.tiff", "d e.webp"]
    for name in names:
        image.save(tmp_path / name, lossless=True)
    assert {pixel_key(load_rgb(tmp_path / name)) for name in names} == {pixel_key(image)}
    assert len(pixel_key(image)) == 32


def test_one_changed_pixel_changes_the_key(texture: Callable[..., np.ndarray]) -> None:
    before = texture(1)
    after = before.copy()
    after[7, 9, 2] ^= 1
    assert pixel_key(Image.fromarray(before)) != pixel_key(Image.fromarray(after))


def test_same_bytes_of_another_shape_have_another_key() -> None:
    flat = np.zeros((20, 40, 3), np.uint8)
    assert pixel_key(Image.fromarray(flat)) != pixel_key(Image.fromarray(flat.reshape(40, 20, 3)))


def test_difference_hash_forgives_what_the_eye_forgives(texture: Callable[..., np.ndarray]) -> None:
    image = Image.fromarray(texture(0, 120, 160))
    smaller = image.resize((80, 60))
    other = Image.fromarray(texture(1, 120, 160))

    def bits(first: Image.Image, second: Image.Image) -> int:
        return (difference_hash(first) ^ difference_hash(second)).bit_count()

    assert bits(image, image) == 0
    assert bits(image, smaller) <= 4
    assert bits(image, other) > 16
    assert difference_hash(Image.new("RGB", (50, 50))) == 0
    assert 0 <= difference_hash(image) < 2**64
