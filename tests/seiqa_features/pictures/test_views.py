"""View names and what they do to a picture."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from seiqa_features.errors import DataError, UsageError
from seiqa_features.pictures.decoding import MAX_ASPECT, MAX_PIXELS, MIN_SIDE, check_size
from seiqa_features.pictures.registration import VERSION
from seiqa_features.pictures.views import View

Pixels = NDArray[np.uint8]


def prepare(name: str, pixels: Pixels, ref_size: tuple[int, int] | None = None) -> Pixels:
    """Crops uint8 [K, 3, H, W] of pixels [H, W, 3]."""
    image = Image.fromarray(pixels)
    return View.parse(name).prepare(image, ref_size or image.size, "bicubic")


@pytest.mark.parametrize(
    ("name", "ref_size", "resized"),
    [
        ("s256", (512, 384), (256, 256)),
        ("s256", (20, 30), (256, 256)),
        ("max512", (512, 384), (512, 384)),
        ("max512", (100, 50), (100, 50)),  # never enlarged
        ("max512", (1024, 768), (512, 384)),
        ("max512", (768, 1024), (384, 512)),
        ("max100", (301, 200), (100, 66)),
        ("max512", (2000, 16), (512, 16)),  # no side below what a picture must have
        ("full", (4000, 3000), (4000, 3000)),
        ("full", (30, 20), (30, 20)),
        ("c224", (512, 384), (298, 224)),
        ("c224", (100, 200), (224, 448)),
        ("grid224x4", (4000, 3000), (896, 672)),
        ("grid224x4", (500, 300), (500, 300)),
        ("grid224x4", (500, 100), (500, 224)),
        ("grid224x1", (500, 300), (224, 224)),
        ("tiles512", (4000, 3000), (4000, 3000)),
        ("tiles512", (100, 50), (100, 50)),
    ],
)
def test_size_of_the_whole_picture(
    name: str, ref_size: tuple[int, int], resized: tuple[int, int]
) -> None:
    assert View.parse(name).resized(ref_size) == resized


@pytest.mark.parametrize(
    "name", ["s224", "c224", "c518", "max512", "grid224x4", "grid518x9", "tiles512"]
)
@pytest.mark.parametrize("ref_size", [(MIN_SIDE, MAX_ASPECT * MIN_SIDE), (94_000, 940)])
def test_the_longest_strip_that_is_decoded_fits_in_memory(
    name: str, ref_size: tuple[int, int]
) -> None:
    """A strip of 16 × 1 000 000 pixels would be brought to 224 × 14 000 000, or 9 gigabytes."""
    check_size("ref", *ref_size)
    width, height = View.parse(name).resized(ref_size)
    assert width * height < MAX_PIXELS
    with pytest.raises(DataError, match="expected at most 100 times as long as wide; crop it"):
        check_size("ref", max(ref_size) + MAX_ASPECT, min(ref_size))


@pytest.mark.parametrize(
    "name",
    ["", "256", "Full", "full512", "s", "s0256", "S256", "max", "max5", "s99999", "s2 ", "grid224",
     "s224x2", "grid224x0", "s224_nearest", "s224_", "s224aligned", "s224_aligned_bicubic"],
)  # fmt: skip
def test_a_name_that_is_no_view(name: str) -> None:
    with pytest.raises(UsageError) as caught:
        View.parse(name)
    expected = (
        f"view {name!r} does not exist; expected e.g. s256, c224, max512, grid224x4 or tiles512"
    )
    assert str(caught.value) == expected
    assert caught.value.exit_code == 2


def test_an_aligned_view_names_the_version_of_the_alignment() -> None:
    plain, aligned = View.parse("max512_lanczos"), View.parse("max512_lanczos_aligned")
    assert (plain.aligned, aligned.aligned) == (False, True)
    assert aligned.resampling == "lanczos"
    assert "aligned" not in plain.described  # fingerprints of other views stay as they were
    assert aligned.described == {
        **plain.described, "name": "max512_lanczos_aligned", "aligned": VERSION
    }  # fmt: skip
    assert View.parse("full_aligned").resized((4000, 3000)) == (4000, 3000)


def test_unchanged_size_holds_the_pixels(texture: Callable[..., Pixels]) -> None:
    pixels = texture(0, height=20, width=30)
    crops = prepare("max512", pixels)
    assert crops.dtype == np.uint8
    assert crops.flags.c_contiguous
    assert np.array_equal(crops, pixels.transpose(2, 0, 1)[None])


def test_the_degraded_image_takes_the_size_of_the_reference() -> None:
    pixels = np.zeros((40, 60, 3), np.uint8)
    pixels[:, 30:] = (255, 0, 51)
    crops = prepare("max512", pixels, ref_size=(30, 20))
    assert crops.shape == (1, 3, 20, 30)
    assert np.array_equal(crops[0, :, 10, 2], (0, 0, 0))
    assert np.array_equal(crops[0, :, 10, -3], (255, 0, 51))


def test_shrinking_is_antialiased() -> None:
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 255
    assert np.abs(prepare("s16", stripes) - 127.5).max() < 13


def test_centre_crop_is_the_middle(texture: Callable[..., Pixels]) -> None:
    pixels = texture(0, height=32, width=48)
    crops = prepare("c32", pixels)
    assert np.array_equal(crops, pixels[:, 8:40].transpose(2, 0, 1)[None])


def test_centre_crop_agrees_with_torchvision(texture: Callable[..., Pixels]) -> None:
    """The transform CLIP models are trained and published with."""
    from torchvision.transforms import CenterCrop, Compose, InterpolationMode, Resize

    plain = Compose([Resize(64, InterpolationMode.BICUBIC), CenterCrop(64)])
    for height, width in ((90, 131), (131, 90), (33, 50), (77, 77)):
        pixels = texture(1, height=height, width=width)
        expected = np.asarray(plain(Image.fromarray(pixels))).transpose(2, 0, 1)
        assert np.array_equal(prepare("c64", pixels)[0], expected)


def test_another_filter_gives_other_pixels(texture: Callable[..., Pixels]) -> None:
    pixels = texture(2, height=60, width=80)
    crops = {name: prepare(name, pixels) for name in ("s40", "s40_bicubic", "s40_lanczos")}
    assert np.array_equal(crops["s40"], crops["s40_bicubic"])
    assert not np.array_equal(crops["s40"], crops["s40_lanczos"])


def test_grid_crops_cover_the_picture_in_reading_order(texture: Callable[..., Pixels]) -> None:
    pixels = texture(3, height=70, width=110)
    crops = prepare("grid32x4", pixels)
    assert crops.shape == (12, 3, 32, 32)  # 3 rows of 4; 70 and 110 are no multiples of 32
    rows, columns = (0, 19, 38), (0, 26, 52, 78)
    for crop, (y, x) in zip(crops, ((y, x) for y in rows for x in columns), strict=True):
        assert np.array_equal(crop, pixels[y : y + 32, x : x + 32].transpose(2, 0, 1))


def test_tiles_cover_the_picture_at_its_own_size(texture: Callable[..., Pixels]) -> None:
    pixels = texture(3, height=300, width=400)
    crops = prepare("tiles128", pixels)
    assert crops.shape == (12, 3, 128, 128)
    rows, columns = (0, 86, 172), (0, 91, 181, 272)
    for crop, (y, x) in zip(crops, ((y, x) for y in rows for x in columns), strict=True):
        assert np.array_equal(crop, pixels[y : y + 128, x : x + 128].transpose(2, 0, 1))


@pytest.mark.parametrize(("height", "width"), [(90, 70), (128, 128), (50, 128)])
def test_a_picture_of_one_tile_is_seen_as_it_is(
    texture: Callable[..., Pixels], height: int, width: int
) -> None:
    pixels = texture(3, height=height, width=width)
    assert np.array_equal(prepare("tiles128", pixels), prepare("full", pixels))


def test_tiles_of_a_strip_are_as_narrow_as_it(texture: Callable[..., Pixels]) -> None:
    pixels = texture(3, height=40, width=300)
    assert prepare("tiles128", pixels).shape == (3, 3, 40, 128)
    assert View.parse("tiles128").crops((300, 40)) == (3, 128, 40)


def test_the_degraded_picture_is_cut_like_the_reference(texture: Callable[..., Pixels]) -> None:
    small = texture(3, height=100, width=150)
    crops = prepare("tiles128", small, ref_size=(300, 200))
    whole = prepare("full", small, ref_size=(300, 200))[0]
    assert np.array_equal(crops[-1], whole[:, 72:, 172:])


def test_tiny_tiles_are_refused() -> None:
    with pytest.raises(UsageError, match="view 'tiles64': expected tiles of 128 pixels or more"):
        View.parse("tiles64")


def test_a_small_change_that_a_square_loses_fills_a_crop(texture: Callable[..., Pixels]) -> None:
    before = texture(4, height=600, width=800)
    after = before.copy()
    after[300:330, 500:530] = 255 - after[300:330, 500:530]

    def changed(name: str) -> float:
        """Largest share of changed pixels over the crops."""
        difference = np.abs(prepare(name, before).astype(int) - prepare(name, after)).max(axis=1)
        return float((difference > 8).mean(axis=(1, 2)).max())

    assert changed("grid64x8") > 5 * changed("s64")


@pytest.mark.parametrize(
    ("view", "size", "side"),
    [
        ("s224_aligned", (4000, 3000), 2048),
        ("max512_aligned", (4000, 3000), 2048),
        ("max512_aligned", (400, 300), 2048),
        ("s224_aligned", (6000, 600), 16384),  # its short side is what matters
        ("max1000_aligned", (4000, 3000), 4096),
        ("full_aligned", (4000, 3000), 16384),
    ],
)
def test_pictures_are_moved_back_at_a_few_sides(
    view: str, size: tuple[int, int], side: int
) -> None:
    assert View.parse(view).moving_side(size) == side
