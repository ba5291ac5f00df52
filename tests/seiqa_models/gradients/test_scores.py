"""A trained bundle as a loss: its score of tensors, with a gradient that raises it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from seiqa_features.datasets.pairs import Found
from seiqa_features.errors import DataError, UsageError
from seiqa_features.extraction.direct import compute_table, held
from seiqa_features.extraction.runtime import Runtime
from seiqa_features.table.recipe import Recipe
from seiqa_features.weights.files import WeightFiles
from seiqa_models.bundle import Bundle
from seiqa_models.scorer import Scorer
from seiqa_models.stack.regressor import SeiqaRegressor
from tests.seiqa_features.photographs import blur, jpeg, noise, photograph

FEATURES = {"gms": ["max64"], "mdsi": ["full"], "ssim": ["max64"], "haarpsi": ["s64"]}
LEARNERS = ("ridge", "ranker", "gp", "svr@3")
NAMES = ("astronaut", "coffee", "chelsea")


def scene(name: str) -> Image.Image:
    return photograph(name).crop((0, 0, 240, 180)).resize((96, 72))


def tensor(*pictures: Image.Image) -> torch.Tensor:
    """float32 [n, 3, H, W]"""
    pixels = np.stack([np.array(picture) for picture in pictures])
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255


@pytest.fixture(scope="module")
def scorer(tmp_path_factory: pytest.TempPathFactory) -> Scorer:
    """Trained on three scenes, each degraded in 12 ways, with the strength as label."""
    runtime = Runtime(WeightFiles(tmp_path_factory.mktemp("weights")))
    recipe, _ = runtime.bind(Recipe.parse(FEATURES))
    pairs, labels = {}, []
    for name in NAMES:
        ref = scene(name)
        for level in range(1, 5):
            damaged = (blur(ref, 0.4 * level), jpeg(ref, 80 - 18 * level), noise(ref, 5 * level))
            for number, dist in enumerate(damaged):
                pairs[f"{name}{level}{number}"] = held(ref), held(dist)
                labels.append(5.0 - level)
    table, failures = compute_table(pairs, recipe, runtime)
    assert not failures
    groups = np.repeat(NAMES, len(labels) // len(NAMES))
    stack = SeiqaRegressor(LEARNERS, n_splits=3, label_range=(0, 5)).fit(table, labels, groups)
    return Scorer(Bundle(stack, recipe.to_dict(), {}), workers=1, runtime=runtime)


@pytest.fixture(scope="module")
def batch() -> tuple[torch.Tensor, torch.Tensor]:
    """Degraded pictures and references [3, 3, 72, 96]; the last pair is two equal pictures."""
    refs = [scene(name) for name in ("coffee", "astronaut", "chelsea")]
    return tensor(jpeg(refs[0], 20), blur(refs[1], 1.2), refs[2]), tensor(*refs)


def test_scores_are_those_without_a_gradient(
    scorer: Scorer, batch: tuple[torch.Tensor, torch.Tensor]
) -> None:
    dist, ref = batch
    plain = scorer(dist, ref)
    learning = scorer(dist.clone().requires_grad_(), ref)
    assert learning.requires_grad
    assert learning.dtype == torch.float64
    torch.testing.assert_close(learning.detach(), plain, rtol=0, atol=1e-4)
    assert learning[2].item() == plain[2].item() == 5.0
    shared = scorer(dist.clone().requires_grad_(), ref[:1])
    torch.testing.assert_close(shared.detach(), scorer(dist, ref[:1]), rtol=0, atol=1e-4)


def test_each_picture_has_the_gradient_of_its_own_score(
    scorer: Scorer, batch: tuple[torch.Tensor, torch.Tensor]
) -> None:
    dist, ref = batch[0].clone().requires_grad_(), batch[1]
    scorer(dist, ref).sum().backward()
    assert dist.grad is not None
    assert dist.grad.isfinite().all()
    assert (dist.grad.flatten(1).abs().amax(dim=1) > 0).tolist() == [True, True, False]
    alone = batch[0][:1].clone().requires_grad_()
    scorer(alone, ref[:1]).sum().backward()
    torch.testing.assert_close(dist.grad[:1], alone.grad, rtol=1e-4, atol=1e-7)


def test_a_score_rises_along_its_gradient_as_it_says(scorer: Scorer) -> None:
    """Scores of 8-bit pictures, so the step is many levels: the slope is a mean over it."""
    ref = tensor(scene("coffee"))
    dist = (0.1 + 0.8 * tensor(blur(scene("coffee"), 0.8))).requires_grad_()
    [slope] = torch.autograd.grad(scorer(dist, ref).sum(), dist)
    along = slope / slope.abs().max()
    step = 6 / 255
    up, down = (scorer(dist.detach() + sign * step * along, ref).item() for sign in (1, -1))
    assert (up - down) / (2 * step) == pytest.approx((slope * along).sum().item(), rel=0.3)


def test_a_few_steps_of_an_optimiser_raise_the_score(scorer: Scorer) -> None:
    ref, dist = tensor(scene("astronaut")), tensor(jpeg(scene("astronaut"), 15)).requires_grad_()
    before = scorer.score(ref, dist.detach())
    optimizer = torch.optim.Adam([dist], lr=0.005)
    for _ in range(15):
        optimizer.zero_grad()
        (-scorer(dist.clamp(0, 1), ref)).sum().backward()
        optimizer.step()
    assert scorer.score(ref, dist.detach().clamp(0, 1)) > before + 0.3


def test_what_stands_in_the_way_is_named_in_one_line(
    scorer: Scorer, bundle: tuple[Path, Found], batch: tuple[torch.Tensor, torch.Tensor]
) -> None:
    dist, ref = batch[0].clone().requires_grad_(), batch[1]
    for other, message in (
        (Scorer.load(bundle[0], device="cpu"), r"because of colour \(delta_e, lightness_shift and"),
        (
            Scorer.load(device="cpu"),
            r"because of learner monotone, .* and \d+ more; score",
        ),
    ):
        with pytest.raises(UsageError, match=message) as raised:
            other(dist, ref)
        assert "\n" not in str(raised.value)
        with torch.no_grad():
            assert other(dist, ref).shape == (3,)
    with pytest.raises(UsageError, match=r"for dist only; pass ref.detach\(\)"):
        scorer(dist, ref.clone().requires_grad_())
    with pytest.raises(DataError, match=r"dist: .*\[3, 1, 72, 96\]; expected a float .*gradient"):
        scorer(dist[:, :1], ref)


def test_a_copy_of_it_in_another_process_has_gradients_too(
    scorer: Scorer, batch: tuple[torch.Tensor, torch.Tensor]
) -> None:
    make, arguments = scorer.__reduce__()[:2]
    again = make(*arguments)
    dist = batch[0][:1].clone().requires_grad_()
    assert again(dist, batch[1][:1]).item() == scorer(dist, batch[1][:1]).item()
