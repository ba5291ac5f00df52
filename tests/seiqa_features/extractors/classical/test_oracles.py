"""Our metrics against published values and against the library.

Two collections of published values lie in the development material: piq's (mostly the authors'
MATLAB codes) and pyiqa's calibration (official codes, five TID2013 pairs). Tolerances are what the
values are published with, or tighter; where one is wider, the note beside it says whose definition
we follow and why.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

import numpy as np
import piq
import pytest
import torch
from PIL import Image
from torch.nn import functional as F

from seiqa_features.extractors.common import tensors
from seiqa_features.extractors.registry import get_extractor
from seiqa_features.extractors.specs import Extract, Resources
from seiqa_features.pictures.decoding import load_rgb

Images = tuple[torch.Tensor, torch.Tensor]  # reference and degraded image, [1, 3, H, W]


@cache
def built(name: str) -> Extract:
    return get_extractor(name).build(Resources())


def value(feature: str, images: Images, work: Extract | None = None) -> float:
    """One output, named `<extractor>.<output>`, of one pair."""
    name, output = feature.split(".")
    with torch.inference_mode():
        values = (work or built(name))(ref=images[0], dist=images[1], ref_index=torch.tensor([0]))
    return float(values[output])


def to_tensor(image: Image.Image) -> torch.Tensor:
    pixels = np.asarray(image.convert("RGB")).transpose(2, 0, 1)
    return torch.from_numpy(np.ascontiguousarray(pixels, np.float32) / np.float32(255))[None]


def load(path: Path) -> torch.Tensor:
    return to_tensor(load_rgb(path))


# --- piq's collection ------------------------------------------------------------------------

GOLDHILL, I01 = "goldhill.gif", "I01.BMP"  # a grey and a colour picture
PIQ = [
    ("DSS", GOLDHILL, "dss.value", 1e-7),
    ("DSS", I01, "dss.value", 3e-5),
    ("FSIM", GOLDHILL, "fsim.value", 5e-6),
    ("FSIM", I01, "fsim.value", 5e-6),
    ("FSIMc", I01, "fsim.chromatic", 3e-5),
    ("GMSD", GOLDHILL, "gms.gmsd", 1e-7),
    # The published value reads luma as it comes; GMSD's authors, whom we follow, read 8-bit grey
    # (their values in the calibration below need it). Without rounding we are at 1e-7 too, see
    # test_gmsd_differs_from_piq_by_rounding_only.
    ("GMSD", I01, "gms.gmsd", 2e-5),
    ("HaarPSI", I01, "haarpsi.value", 3e-5),
    ("IW-SSIM", GOLDHILL, "iw_ssim.value", 1e-6),
    # Known to be loose: neither rounded nor plain luma meets it. On the grey picture, where there
    # is nothing to convert, the same code is right to 1e-7, so the metric itself is followed.
    ("IW-SSIM", I01, "iw_ssim.value", 6e-4),
    ("MDSI-sum", GOLDHILL, "mdsi.value", 1e-7),
    ("MDSI-sum", I01, "mdsi.value", 1e-7),
    ("VSI", I01, "vsi.value", 6e-6),
    ("VIFp", GOLDHILL, "vif_p.value", 5e-5),
    ("VIFp", I01, "vif_p.value", 5e-5),
    # The library's SR-SIM is near the authors' but not the same, on the grey picture too, so it is
    # not the conversion. No nearer code is at hand; the library is followed.
    ("SR-SIM", GOLDHILL, "srsim.value", 3e-4),
    ("SR-SIM", I01, "srsim.value", 8e-4),
    ("SR-SIMc", I01, "srsim.chromatic", 5e-6),
]


@pytest.fixture(scope="module")
def piq_images(shared: Path) -> Callable[[str], Images]:
    assets = shared / "data" / "oracles" / "piq_assets" / "tests" / "assets"
    degraded = {GOLDHILL: "goldhill_jpeg.gif", I01: "i01_01_5.bmp"}
    return cache(lambda name: (load(assets / name), load(assets / degraded[name])))


@pytest.fixture(scope="module")
def piq_values(shared: Path) -> dict[tuple[str, str], float]:
    with (shared / "data" / "oracles" / "piq_assets" / "piq_oracles.csv").open() as file:
        return {
            (row["metric"], row["reference"]): float(row["value"]) for row in csv.DictReader(file)
        }


@pytest.mark.parametrize(("metric", "picture", "feature", "tolerance"), PIQ)
def test_value_published_by_piq(
    metric: str,
    picture: str,
    feature: str,
    tolerance: float,
    piq_images: Callable[[str], Images],
    piq_values: dict[tuple[str, str], float],
) -> None:
    ours = value(feature, piq_images(picture))
    assert ours == pytest.approx(piq_values[metric, picture], abs=tolerance)


def test_gmsd_differs_from_piq_by_rounding_only(
    piq_images: Callable[[str], Images],
    piq_values: dict[tuple[str, str], float],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tensors, "grey", tensors.luma)
    unrounded = get_extractor("gms").build(Resources())
    ours = value("gms.gmsd", piq_images(I01), unrounded)
    assert ours == pytest.approx(piq_values["GMSD", I01], abs=1e-7)


def test_ssim_differs_from_piq_by_shrinking_only(
    piq_images: Callable[[str], Images],
    piq_values: dict[tuple[str, str], float],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """MATLAB's later ssim.m halves pictures of this size first.

    The paper, which we follow, and the official values of the calibration do not: views choose the
    size.

    Our code on the halved picture (unrounded, as there) gives the published value. The other row,
    a mean over colour channels, is another metric.
    """
    monkeypatch.setattr(tensors, "grey", tensors.luma)
    unrounded = get_extractor("ssim").build(Resources())
    ref, dist = piq_images(GOLDHILL)
    ours = value("ssim.value", (F.avg_pool2d(ref, 2), F.avg_pool2d(dist, 2)), unrounded)
    assert ours == pytest.approx(piq_values["SSIM", GOLDHILL], abs=5e-5)


# --- pyiqa's calibration ---------------------------------------------------------------------

PICTURES = ("I03", "I04", "I06", "I08", "I19")
OFFICIAL = [
    ("psnr", "psnr.value", 5e-3),  # published with two digits
    # The library's values, which ours equal (below), are as far from the official ones on the three
    # strongly degraded pictures. The paper's formula is followed.
    ("ssim", "ssim.value", 5e-4),
    # The same, and five scales multiply it; the calibration's own summary lists .6707 and .8418 for
    # the library where the official values are .6733 and .8462.
    ("ms_ssim", "ssim.ms_value", 4.5e-3),
    ("cw_ssim", "cw_ssim.value", 5e-5),  # published with four digits
    ("fsim", "fsim.chromatic", 1e-4),  # the official fsim column is FSIMc
    ("gmsd", "gms.gmsd", 3e-6),
    # On 8-bit luma as the authors' code reads it. The library reads unrounded luma and is off by a
    # quarter on nearly equal pictures (I04: .0139 for .0195).
    ("nlpd", "nlpd.value", 1.2e-3),
    ("vif", "vif.value", 5e-5),
    # Contradicted by piq's value from the authors' MATLAB code, which ours meets to 6e-6: that one
    # is followed. The calibration's own summary finds the same values as we do, not this column's.
    ("vsi", "vsi.value", 1.3e-2),
]


@pytest.fixture(scope="module")
def official_images(calibration: Path) -> Callable[[str], Images]:
    def load_pair(name: str) -> Images:
        ref, dist = (load(calibration / side / f"{name}.bmp") for side in ("ref_dir", "dist_dir"))
        return ref, dist

    return cache(load_pair)


@pytest.fixture(scope="module")
def official_values(calibration: Path) -> dict[str, dict[str, float]]:
    with (calibration / "results_official.csv").open() as file:
        return {
            row.pop("Method"): {name.removesuffix(".bmp"): float(row[name]) for name in row}
            for row in csv.DictReader(file)
        }


@pytest.mark.parametrize("picture", PICTURES)
@pytest.mark.parametrize(("metric", "feature", "tolerance"), OFFICIAL)
def test_official_value(
    metric: str,
    feature: str,
    tolerance: float,
    picture: str,
    official_images: Callable[[str], Images],
    official_values: dict[str, dict[str, float]],
) -> None:
    ours = value(feature, official_images(picture))
    assert ours == pytest.approx(official_values[metric][picture], abs=tolerance)


@pytest.mark.parametrize("picture", ["I04", "I06"])
def test_nlpd_is_right_where_rounding_matters(
    picture: str,
    official_images: Callable[[str], Images],
    official_values: dict[str, dict[str, float]],
) -> None:
    ours = value("nlpd.value", official_images(picture))
    assert ours == pytest.approx(official_values["nlpd"][picture], abs=4e-5)


@pytest.mark.slow
def test_official_value_of_mad(
    official_images: Callable[[str], Images], official_values: dict[str, dict[str, float]]
) -> None:
    """One pair of the five: it takes a quarter of a minute."""
    ours = value("mad.value", official_images("I06"))
    assert ours == pytest.approx(official_values["mad"]["I06"], abs=1e-3)


# --- the library -----------------------------------------------------------------------------

LIBRARY = [
    ("ssim", "ssim.value", 1e-6),
    ("ms_ssim", "ssim.ms_value", 1e-6),
    ("gmsd", "gms.gmsd", 1e-7),
    ("cw_ssim", "cw_ssim.value", 1e-7),
    ("vif", "vif.value", 3e-5),  # the library inverts covariances in float32
    ("piq fsim", "fsim.value", 1e-6),
    ("piq fsimc", "fsim.chromatic", 1e-6),
    ("piq srsim", "srsim.value", 1e-6),
    ("piq srsimc", "srsim.chromatic", 1e-6),
]
PIQ = {
    "piq fsim": partial(piq.fsim, chromatic=False),
    "piq fsimc": piq.fsim,
    "piq srsim": piq.srsim,
    "piq srsimc": partial(piq.srsim, chromatic=True),
}
# Luma is a multiple of .001, so one pixel in a thousand lies on a half, where the last bit of the
# conversion decides how it is rounded; the library adds up in another order than we do.
HALVES = 3e-5
SHAPES = [(192, 256), (181, 203), (200, 177), (179, 256), (176, 176)]


@cache
def library_metric(name: str) -> Callable[..., torch.Tensor]:
    import pyiqa

    if name in PIQ:
        return PIQ[name]
    metric: Callable[..., torch.Tensor] = pyiqa.create_metric(name, device="cpu")
    return metric


@pytest.mark.parametrize("grey", [True, False], ids=["grey", "colour"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize(("metric", "feature", "tolerance"), LIBRARY)
def test_our_own_metric_equals_the_librarys(
    metric: str,
    feature: str,
    tolerance: float,
    shape: tuple[int, int],
    grey: bool,
    texture: Callable[..., np.ndarray],
) -> None:
    height, width = shape
    mode = "L" if grey else "RGB"
    ref = Image.fromarray(texture(height, height, width)).convert(mode)
    blurred = ref.resize((width // 2, height // 2)).resize((width, height))
    noise = np.random.default_rng(width).normal(scale=12, size=np.shape(ref))
    noisy = np.clip(np.asarray(blurred) + noise, 0, 255).astype(np.uint8)
    images = tuple(to_tensor(image) for image in (ref, Image.fromarray(noisy)))
    with torch.inference_mode():
        theirs = float(library_metric(metric)(images[1], images[0]))
    ours = value(feature, images)
    assert 0.01 < ours < 0.999
    assert ours == pytest.approx(theirs, abs=tolerance if grey else HALVES)
