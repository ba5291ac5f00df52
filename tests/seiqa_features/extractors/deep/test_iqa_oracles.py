"""The pretrained IQA metrics with their real weights: against published values and the library.

They are skipped where the weights are not on this machine. `pytest -m network --force-enable-socket
tests/seiqa_features/test_iqa_oracles.py` fetches them (2.3 GB).
"""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

from seiqa_features.errors import WeightsError
from seiqa_features.extractors.registry import get_extractor
from seiqa_features.extractors.specs import Extract, Resources, Weight
from seiqa_features.pictures.decoding import load_rgb
from seiqa_features.weights.files import DEFAULT_FOLDER, WeightFiles
from tests.seiqa_features import iqa_weights

pytestmark = pytest.mark.network

Images = tuple[torch.Tensor, torch.Tensor]  # reference and degraded image, [1, 3, H, W]
Files = Mapping[Weight, Path]

PICTURES = ("I03", "I04", "I06", "I08", "I19")
PUBLISHED = [
    ("lpips.value", "results_official", "lpips", 2e-4),  # four digits; pyiqa's own are 1e-4 off
    ("dists.value", "results_official", "dists", 1e-4),  # four digits
    # MUSIQ's authors resize pictures by another filter than pyiqa does, whom we follow.
    ("musiq.dist", "results_official", "musiq", 1.2),
    ("musiq.dist", "calibration_summary", "musiq(ours)", 0.01),
]


@pytest.fixture(scope="module")
def files(request: pytest.FixtureRequest) -> Callable[[str], Files]:
    """`files(name)` finds an extractor's files, or fetches them where sockets are open."""
    weight_files = WeightFiles(Path(os.environ.get("SEIQA_WEIGHTS", DEFAULT_FOLDER)))

    def find(name: str) -> Files:
        weights = get_extractor(name).spec.weights
        if request.config.getoption("--force-enable-socket"):
            try:
                weight_files.fetch(weights)
            except WeightsError as error:
                pytest.skip(str(error))
        if missing := weight_files.missing(weights):
            pytest.skip(f"not on this machine: {', '.join(weight.name for weight in missing)}")
        return {weight: path for weight in weights if (path := weight_files.find(weight))}

    return find


@pytest.fixture(scope="module")
def built(files: Callable[[str], Files]) -> Callable[[str], Extract]:
    def build(name: str) -> Extract:
        found = {weight.name: path for weight, path in files(name).items()}
        return get_extractor(name).build(Resources(weights=found))

    return cache(build)


@pytest.fixture(scope="module")
def images(calibration: Path) -> Callable[[str], Images]:
    """A pair of TID2013 at its full size, 512×384: what the view max512 leaves as it is."""

    def load(name: str) -> Images:
        ref, dist = (
            torch.from_numpy(np.array(load_rgb(calibration / side / f"{name}.bmp")))
            for side in ("ref_dir", "dist_dir")
        )
        return (ref.permute(2, 0, 1)[None] / 255, dist.permute(2, 0, 1)[None] / 255)

    return cache(load)


def value(extract: Extract, images: Images, output: str) -> float:
    with torch.inference_mode():
        values = extract(ref=images[0], dist=images[1], ref_index=torch.tensor([0]))
    return float(values[output])


@pytest.mark.parametrize("picture", PICTURES)
@pytest.mark.parametrize(("feature", "table", "row", "tolerance"), PUBLISHED)
def test_published_value(
    feature: str,
    table: str,
    row: str,
    tolerance: float,
    picture: str,
    built: Callable[[str], Extract],
    images: Callable[[str], Images],
    calibration: Path,
) -> None:
    name, output = feature.split(".")
    with (calibration / f"{table}.csv").open() as file:
        published = {line["Method"]: line for line in csv.DictReader(file)}
    ours = value(built(name), images(picture), output)
    assert ours == pytest.approx(float(published[row][f"{picture}.bmp"]), abs=tolerance)


@pytest.mark.parametrize("name", sorted(iqa_weights.METRICS))
def test_agrees_with_the_library(
    name: str,
    built: Callable[[str], Extract],
    files: Callable[[str], Files],
    images: Callable[[str], Images],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ours = built(name)
    for weight, path in files(name).items():
        link = iqa_weights.place(weight, tmp_path)
        link.parent.mkdir(exist_ok=True)
        link.symlink_to(path.resolve())
    metric = iqa_weights.library_metric(name, tmp_path, monkeypatch)
    ref, dist = images("I06")
    with torch.inference_mode():
        if "dist" in get_extractor(name).spec.outputs:
            theirs, output = metric(dist).item(), "dist"
        else:
            theirs, output = metric(dist, ref).item(), "value"
    assert value(ours, (ref, dist), output) == pytest.approx(theirs, rel=1e-4, abs=1e-6)
