"""Uploaded pictures: what is decoded, what is refused, and what is never read."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from pipelines.web.uploads import Upload, decode, is_animation, read_upload
from seiqa_features.errors import DataError
from seiqa_features.pictures.formats import FORMATS
from tests.pipelines.conftest import scene
from tests.pipelines.web.made import SMALL, encoded, png


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"%PDF-1.7 and so on", "not an image"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 99 99\n", "not an image"),  # Ghostscript's
        (b"", "empty file"),
        (png()[:200], "damaged or truncated"),
        (png()[:-60], "damaged or truncated"),
        (encoded(Image.new("L", (8, 300)), "PNG"), "at least 16"),
        (encoded(Image.new("1", (200, 200)), "PNG"), "at most 10000"),
        (encoded(Image.new("1", (20_000, 20_000)), "PNG"), "at most 10000"),
    ],
)
def test_picture_that_is_refused(content: bytes, line: str) -> None:
    with pytest.raises(DataError, match=f"^mine: .*{line}"):
        decode(Upload("mine", content), SMALL)


def test_decoder_that_breaks_is_a_message(monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(*_: Any, **__: Any) -> None:
        raise MemoryError

    monkeypatch.setattr("seiqa_features.pictures.png.decode", breaks)
    with pytest.raises(DataError, match="mine: needs more memory than there is; scale it down"):
        decode(Upload("mine", png()), SMALL)


@pytest.mark.parametrize("kind", [*FORMATS, "HEIF", "JXL"])
def test_what_the_command_line_decodes_the_page_does_too(kind: str) -> None:
    extra = {"HEIF": "pillow_heif", "JXL": "pillow_jxl"}.get(kind)
    if extra is not None:
        module = pytest.importorskip(extra)
        if kind == "HEIF":
            module.register_heif_opener()
    upload = Upload("mine", encoded(scene(0), kind))
    assert decode(upload, SMALL).size == scene(0).size
    assert not is_animation(upload)


def test_other_channels_and_animations_become_rgb() -> None:
    frames = [scene(n).convert("P") for n in range(2)]
    animation = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    for content in (animation, encoded(scene(0).convert("CMYK"), "JPEG")):
        assert decode(Upload("mine", content), SMALL).mode == "RGB"
    assert is_animation(Upload("mine", animation))
    assert not is_animation(Upload("mine", png()))


def test_only_uploaded_files_are_read(tmp_path: Path) -> None:
    folder = tmp_path / "uploads"
    folder.mkdir()
    (tmp_path / "secret").write_text("secret")
    (folder / "link").symlink_to(tmp_path / "secret")
    (folder / "a.png").write_bytes(b"x" * 100)
    good = read_upload({"path": str(folder / "a.png"), "orig_name": "mine.png"}, folder, SMALL)
    assert good == Upload("mine.png", b"x" * 100)
    os.mkfifo(folder / "fifo")
    impossible = (folder / ("x" * 5000), f"{folder}/a\0", f"{folder}/\ud800", folder / "fifo")
    outside = ("/etc/passwd", folder / "link", folder / "../secret", folder, "", None)
    for path in (*outside, *impossible):
        with pytest.raises(DataError, match="choose the file again"):
            read_upload({"path": path and str(path)}, folder, SMALL)
    with pytest.raises(DataError, match="nothing was uploaded"):
        read_upload(None, folder, SMALL)
    (folder / "a.png").write_bytes(b"x" * (SMALL.upload + 1))
    with pytest.raises(DataError, match="larger than"):
        read_upload({"path": str(folder / "a.png")}, folder, SMALL)
