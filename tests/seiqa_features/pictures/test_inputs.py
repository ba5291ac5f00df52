"""Pictures as a program has them: every form is the file's picture, and what is none is named."""

from __future__ import annotations

import io
import re
import struct
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from seiqa_features.errors import DataError
from seiqa_features.path_texts import path_text
from seiqa_features.pictures.colour import warn_clamped
from seiqa_features.pictures.decoding import load_rgb
from seiqa_features.pictures.inputs import as_rgb, is_picture
from seiqa_features.pictures.pair_inputs import both_batches, both_sides

Texture = Callable[..., NDArray[np.uint8]]
FORMS: dict[str, Callable[[NDArray[np.uint8]], object]] = {
    "array": lambda pixels: pixels,
    "read-only view": lambda pixels: np.broadcast_to(pixels, (1, *pixels.shape))[0],
    "turned array": lambda pixels: np.asfortranarray(pixels),
    "float64": lambda pixels: pixels / 255,
    "float32": lambda pixels: pixels.astype(np.float32) / np.float32(255),
    "float16": lambda pixels: (pixels / 255).astype(np.float16),
    "Pillow": Image.fromarray,
    "tensor": lambda pixels: planes(pixels),
    "float tensor": lambda pixels: planes(pixels).float() / 255,
    "double tensor": lambda pixels: planes(pixels).double() / 255,
    "half tensor": lambda pixels: (planes(pixels).float() / 255).half(),
    "tensor with gradient": lambda pixels: (planes(pixels).float() / 255).requires_grad_(),
}


def planes(pixels: NDArray[np.uint8]) -> torch.Tensor:
    tensor = torch.from_numpy(pixels.copy())
    return tensor.permute(2, 0, 1) if pixels.ndim == 3 else tensor


def with_channels(texture: Texture, channels: int) -> NDArray[np.uint8]:
    """Grey, RGB, or RGB with an opacity that varies."""
    pixels = texture(3, 24, 40)
    return {
        1: pixels[..., 0].copy(),
        3: pixels,
        4: np.dstack([pixels, texture(4, 24, 40)[..., :1]]),
    }[channels]


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_the_files_picture(
    form: str, channels: int, texture: Texture, tmp_path: Path
) -> None:
    pixels = with_channels(texture, channels)
    Image.fromarray(pixels).save(tmp_path / "picture.png")
    expected = load_rgb(tmp_path / "picture.png")
    for path in (tmp_path / "picture.png", str(tmp_path / "picture.png")):
        assert as_rgb(path, name="ref") == expected
    found = as_rgb(FORMS[form](pixels), name="ref")  # type: ignore[arg-type]
    assert found.mode == "RGB"
    assert found.tobytes() == expected.tobytes()


def test_bytes_and_open_files_are_the_files_picture(texture: Texture, tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    Image.fromarray(texture(1, 24, 40)).save(path)
    expected, content = load_rgb(path), path.read_bytes()
    for form in (content, bytearray(content), memoryview(content), io.BytesIO(content)):
        assert is_picture(form)
        assert as_rgb(form, name="ref") == expected
    with path.open("rb") as file:
        assert [as_rgb(file, name="ref") for _ in range(2)] == [expected] * 2
    with pytest.raises(DataError, match=r"^ref: an open file that cannot be read \(.*closed"):
        as_rgb(file, name="ref")


def test_a_networks_overshoot_is_clamped_and_reported_once(texture: Texture) -> None:
    pixels = texture(1, 24, 40) / 255
    pixels[0, 0], pixels[0, 1] = 1, 0
    expected = as_rgb(pixels, name="ref")
    pixels[0, 0], pixels[0, 1] = 1.02, -0.01
    warn_clamped.cache_clear()
    with pytest.warns(UserWarning, match=r"clamped, up to 0\.05 beyond"):
        assert as_rgb(pixels, name="ref") == expected
    assert as_rgb(pixels, name="ref") == expected  # a second warning would be an error
    warn_clamped.cache_clear()


def test_one_channel_may_have_its_axis(texture: Texture) -> None:
    grey = with_channels(texture, 1)
    expected = as_rgb(grey, name="ref")
    assert as_rgb(grey[..., None], name="ref") == expected
    assert as_rgb(torch.from_numpy(grey)[None], name="ref") == expected


def test_a_camera_picture_is_turned_as_its_file_is(texture: Texture, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(texture(1, 24, 40)).save(tmp_path / "turned.jpg", exif=exif)
    expected = load_rgb(tmp_path / "turned.jpg")
    assert expected.size == (24, 40)
    with Image.open(tmp_path / "turned.jpg") as image:
        assert as_rgb(image, name="ref") == expected


def test_the_callers_array_is_neither_kept_nor_changed(texture: Texture) -> None:
    pixels = texture(1, 24, 40)
    before = pixels.copy()
    image = as_rgb(pixels, name="ref")
    assert (pixels == before).all()
    pixels[:] = 0
    assert (np.asarray(image) == before).all()


GOOD = np.full((32, 32, 3), 0.5, np.float32)


def changed(value: float) -> NDArray[np.float32]:
    other = GOOD.copy()
    other[3, 4, 1] = value
    return other


@pytest.mark.parametrize(
    ("picture", "expected"),
    [
        ({"a": 1}, "a dict; expected a path, an open file or its bytes, a Pillow"),
        (None, "a NoneType; expected a path"),
        (b"a.png", "not an image"),
        (io.StringIO("a.png"), 'a file opened as text; open it with mode "rb"'),
        (io.BytesIO(), "empty file"),
        (GOOD.tolist(), "a list; expected a path"),
        (changed(np.nan), "NaN among the values; expected 0 to 1"),
        (changed(np.inf), "float values 0.5 to inf; expected 0 to 1"),
        (
            changed(1.06),
            "float values 0.5 to 1.06; expected 0 to 1 .*; up to 0.05 beyond is clamped",
        ),
        (changed(-0.1), "float values -0.1 to 0.5; expected 0 to 1"),
        (255 * GOOD, r"float values 127\.5 to 127\.5; expected 0 to 1 \(of uint8: 0 to 255\)"),
        (torch.full((3, 32, 32), torch.nan), "NaN among the values"),
        (GOOD.astype(np.int64), "values of type int64; expected uint8 in 0..255 or float in 0..1"),
        (GOOD > 0, "values of type bool; expected uint8"),
        (torch.zeros(3, 32, 32, dtype=torch.int32), "values of type int32; expected uint8"),
        (np.zeros((32, 32, 2)), r"shape \[32, 32, 2\]; expected \[H, W, C\] with 1, 3 or 4"),
        (np.zeros((3, 32, 32)), r"shape \[3, 32, 32\]; expected \[H, W, C\]"),
        (np.zeros((1, 32, 32, 3)), r"shape \[1, 32, 32, 3\]; expected \[H, W, C\]"),
        (torch.zeros(32, 32, 3), r"shape \[32, 32, 3\]; expected \[C, H, W\]"),
        (torch.zeros(2, 3, 32, 32), r"shape \[2, 3, 32, 32\]; expected \[C, H, W\]"),
        (np.ma.masked_less(GOOD, 0.6), "some values are masked; fill them"),
        (torch.eye(32).to_sparse(), r"a tensor without plain pixels \(.*Sparse"),
        (torch.zeros(3, 32, 32, device="meta"), r"a tensor without plain pixels \(.*no data"),
        (torch.zeros(32, 32, dtype=torch.complex64).conj(), "a tensor without plain pixels"),
        (np.zeros(()), r"shape \[\]; expected"),
        (np.zeros((0, 0, 3)), "0×0 pixels; expected at least 16"),
        (np.zeros((32, 0)), "0×32 pixels; expected at least 16"),
        (torch.zeros(3, 0, 32), "32×0 pixels; expected at least 16"),
        (np.zeros((15, 32, 3)), "32×15 pixels; expected at least 16"),
        (Image.new("RGB", (8, 40)), "8×40 pixels; expected at least 16"),
        (Image.new("F", (32, 32), 255), "float values 255 to 255; expected 0 to 1"),
        (Image.new("I", (32, 32), 255), "32-bit integers do not say which of them is white"),
        (Image.new("I;16", (32, 32), 255), "16-bit samples of 0 to 255, black in 8 bits"),
        (Image.new("LAB", (32, 32)), "its mode is LAB; convert it to RGB"),
        (Image.new("RGB", (2000, 19)), "2000×19 pixels; expected at most 100 times as long"),
        ("a" * 300, "cannot be read"),
        ("a\0b.png", "cannot be read"),
    ],
)
def test_what_is_no_picture_is_named(picture: object, expected: str) -> None:
    with pytest.raises(DataError, match=f"^dist: .*{expected}") as raised:
        as_rgb(picture, name="dist")  # type: ignore[arg-type]
    assert len(raised.value.problems) == 1
    assert "\n" not in str(raised.value)


def test_rounding_of_float_arithmetic_is_let_through() -> None:
    assert as_rgb(changed(1 + 1e-7), name="ref") == as_rgb(changed(1.0), name="ref")


@pytest.mark.parametrize("form", ["array", "tensor", "Pillow"])
def test_too_large_is_refused_before_it_is_copied(form: str) -> None:
    side = 20_000
    pixels = np.broadcast_to(np.zeros((), np.float32), (side, side))  # takes no memory
    picture = {
        "array": lambda: pixels,
        "tensor": lambda: torch.zeros(1).expand(side, side),
        "Pillow": lambda: Image.fromarray(np.zeros((1_000, 100_000), np.uint8)),
    }[form]()
    with pytest.raises(DataError, match=r"^ref: \d+×\d+ pixels; expected at most 89478485"):
        as_rgb(picture, name="ref")  # type: ignore[arg-type]


def test_files_that_are_no_pictures_name_argument_and_file(tmp_path: Path) -> None:
    for name, bytes_, expected in (
        ("document.png", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<< >>\nendobj\n%%EOF", "not an"),
        ("empty.png", b"", "empty file"),
    ):
        (tmp_path / name).write_bytes(bytes_)
        with pytest.raises(DataError, match=f"^ref: {tmp_path / name}: {expected}"):
            as_rgb(tmp_path / name, name="ref")
    with pytest.raises(DataError, match=f"^dist: {tmp_path / 'gone.png'}: no such file$"):
        as_rgb(tmp_path / "gone.png", name="dist")
    with pytest.raises(DataError, match=f"^dist: {tmp_path}: "):
        as_rgb(tmp_path, name="dist")


def test_a_decompression_bomb_is_not_unpacked(tmp_path: Path) -> None:
    Image.new("L", (32, 32)).save(tmp_path / "bomb.png")
    png = bytearray((tmp_path / "bomb.png").read_bytes())
    for side in (9_500, 20_000):  # just above our limit, and far above Pillow's own
        png[16:24] = struct.pack(">II", side, side)
        png[29:33] = struct.pack(">I", zlib.crc32(png[12:29]))
        (tmp_path / "bomb.png").write_bytes(png)
        with pytest.raises(DataError, match=r"^dist: .*bomb\.png: .*89478485"):
            as_rgb(tmp_path / "bomb.png", name="dist")


def test_a_pair_table_names_its_files_as_text() -> None:
    odd = Path(r"p\x41.png")
    names = [path_text(odd)]
    table = pd.DataFrame({"pair_id": ["a"], "ref_path": names, "dist_path": names})
    index, refs, dists = both_sides(table, None)
    assert (list(index), refs, dists) == (["a"], [odd], [odd])


def test_both_sides_come_from_a_table_or_from_two_sequences() -> None:
    table = pd.DataFrame({"ref": ["a", "b"], "dist": ["c", "d"], "note": [1, 2]}, index=[7, 9])
    index, refs, dists = both_sides(table, None)
    assert index.tolist() == [7, 9]
    assert (refs, dists) == (["a", "b"], ["c", "d"])
    index, refs, dists = both_sides(np.zeros((2, 16, 16)), ["c", "d"])  # type: ignore[arg-type]
    assert index.tolist() == [0, 1]
    assert [ref.shape for ref in refs] == [(16, 16)] * 2  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((pd.DataFrame({"ref": ["a"]}), None), "no column dist"),
        ((pd.DataFrame({"x": ["a"]}), None), "no column ref and dist"),
        ((["a"], None), "expected a DataFrame with columns ref and dist, or two sequences"),
        ((pd.DataFrame({"ref": ["a"], "dist": ["b"]}), ["c"]), "expected a DataFrame"),
        ((["a", "b"], ["c"]), "2 references but 1 degraded"),
        (("a.png", "b.png"), "ref: a str; expected a sequence of pictures"),
        (
            (pd.DataFrame([["a", "b", "c"]], columns=["ref", "dist", "dist"]), None),
            "several columns dist; rename or drop the others",
        ),
    ],
)
def test_half_a_batch_is_refused(arguments: tuple[object, object], expected: str) -> None:
    with pytest.raises(DataError, match=expected):
        both_sides(*arguments)  # type: ignore[arg-type]


class Reader:
    """Something that only reads like a file."""

    def __init__(self, answer: object) -> None:
        self._answer = answer

    def read(self) -> object:
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer


def test_a_reader_that_cannot_seek_is_read_from_where_it_is() -> None:
    file = io.BytesIO()
    Image.new("RGB", (20, 20), "red").save(file, "PNG")
    for content in (file.getvalue(), bytearray(file.getvalue())):
        assert as_rgb(Reader(content), name="ref").getpixel((0, 0)) == (255, 0, 0)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (EOFError("the archive ended"), "cannot be read (the archive ended)"),
        (zlib.error("bad\nblock"), "cannot be read (bad block)"),
        (KeyError(), "cannot be read (KeyError)"),
        (None, "gave a NoneType; expected bytes"),
        ("text", "opened as text"),
    ],
)
def test_whatever_reading_raises_is_one_line(answer: object, said: str) -> None:
    with pytest.raises(DataError, match=re.escape(said)) as refused:
        as_rgb(Reader(answer), name="ref")  # type: ignore[arg-type]
    assert len(refused.value.problems) == 1


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="no such device")
def test_an_open_device_is_not_read() -> None:
    with (
        Path("/dev/zero").open("rb") as file,
        pytest.raises(DataError, match="may have no end"),
    ):
        as_rgb(file, name="ref")


def test_a_nested_tensor_is_refused() -> None:
    nested = torch.nested.nested_tensor([torch.zeros(3, 20, 20)], layout=torch.jagged)
    with pytest.raises(DataError, match="nested tensor"):
        as_rgb(nested, name="ref")


sides = st.lists(st.integers(0, 40), max_size=5)
kinds = st.sampled_from(["u1", "i1", "u2", "i8", "f2", "f4", "f8", "c8", "?", "O", "M8[s]", "U3"])


@settings(max_examples=80, deadline=None, derandomize=True)
@given(shape=sides, kind=kinds, value=st.sampled_from([0, 1, 0.5, -1, 300, np.nan, np.inf]))
def test_any_array_or_tensor_is_pixels_or_one_line(
    shape: list[int], kind: str, value: float
) -> None:
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        array = np.full(shape, value).astype(kind)
    forms: list[object] = [array]
    if array.dtype.kind in "uifcb" and kind != "u2":
        forms.append(torch.from_numpy(array))
    for form in forms:
        try:
            rgb = as_rgb(form, name="ref")  # type: ignore[arg-type]
        except DataError as error:
            (line,) = error.problems
            assert line.startswith("ref: ")
        else:
            assert rgb.mode == "RGB"


@settings(max_examples=60, deadline=None, derandomize=True)
@given(dist=sides, ref=sides)
def test_any_two_batches_are_pairs_or_refused(dist: list[int], ref: list[int]) -> None:
    fit = len(dist) == len(ref) == 4 and ref[0] in (1, dist[0])
    batches = torch.zeros(dist), torch.zeros(ref)
    if fit:
        refs, dists = both_batches(*batches)
        assert len(refs) == len(dists) == dist[0]
    else:
        with pytest.raises(DataError, match="expected"):
            both_batches(*batches)
