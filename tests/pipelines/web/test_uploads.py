"""Uploaded pictures: what is decoded, what is refused, and what is never read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from pipelines.web.uploads import Upload, decode, is_animation, read_upload
from seiqa_features.errors import DataError
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

    monkeypatch.setattr("pipelines.web.uploads.read_rgb", breaks)
    with pytest.raises(DataError, match=r"mine: damaged image \(MemoryError\)"):
        decode(Upload("mine", png()), SMALL)


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
    for path in ("/etc/passwd", folder / "link", folder / "../secret", folder, "", None):
        with pytest.raises(DataError, match="choose the file again"):
            read_upload({"path": path and str(path)}, folder, SMALL)
    with pytest.raises(DataError, match="nothing was uploaded"):
        read_upload(None, folder, SMALL)
    (folder / "a.png").write_bytes(b"x" * (SMALL.upload + 1))
    with pytest.raises(DataError, match="larger than"):
        read_upload({"path": str(folder / "a.png")}, folder, SMALL)
