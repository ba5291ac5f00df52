"""Metrics on batches of tensors: the extractors' values, and gradients where they are promised."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch

from seiqa_features import Metric, create_metric, extract
from seiqa_features.errors import DataError, UsageError, WeightsError
from seiqa_features.extractors.registry import all_extractors
from seiqa_features.table.quantities import Quantity, find_quantities
from tests.seiqa_features.photographs import as_tensor, jpeg, photograph
from tests.seiqa_features.random_networks import (
    CONTENT,
    TINY_CLIP,
    TINY_VIT,
    register_tiny_clip,
    resources_for,
)

SLOW = ("mad", "lpips_vgg", "topiq_fr_pipal")  # MAD has its own test; others like them are here
TRANSFORMERS = ("timm/", "open_clip/", "Qwen/")
PUBLISHED = sorted(
    name
    for name, entry in all_extractors().items()
    if name not in SLOW
    and name not in CONTENT
    and not any(weight.name.startswith(TRANSFORMERS) for weight in entry.spec.weights)
)
NAMES = [*PUBLISHED, TINY_VIT, TINY_CLIP]

Weights = Callable[[str], dict[str, Path]]
Make = Callable[[Quantity], Metric]


@pytest.fixture(scope="module", autouse=True)
def _tiny_clip() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        register_tiny_clip(patch)
        yield


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Weights:
    """Files of random numbers for what an extractor needs, written once for all tests."""

    @cache
    def written(name: str) -> dict[str, Path]:
        return dict(resources_for(name, tmp_path_factory.mktemp("weights")).weights)

    return written


@pytest.fixture(scope="module")
def metric(weights: Weights) -> Make:
    """The metric of a quantity, with random weights."""
    return lambda found: create_metric(found.name, weights=weights(found.spec.name) or None)


def shape(name: str) -> tuple[int, int]:
    """Height and width that the extractor takes."""
    spec = find_quantities(name)[0].spec
    side = spec.sides[0] if spec.sides else 8 * spec.side_multiple
    if spec.sides or spec.side_multiple > 1:
        return side, side
    return (93, 101) if spec.weights else (177, 193)


def noise(name: str, count: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    ref = torch.rand(count, 3, *shape(name), generator=generator)
    return ref, 0.7 * ref + 0.3 * torch.rand(ref.shape, generator=generator)


# --- values ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["mdsi", "fsimc", "gmsd", "ms_ssim", "vif", "lpips", "dists"])
def test_values_are_those_of_extract(name: str, metric: Make, weights: Weights) -> None:
    ref, dist = photograph("chelsea"), jpeg(photograph("chelsea"), 20)
    [quantity] = find_quantities(name)
    expected = extract(name, ref, dist, weights=weights(quantity.spec.name) or None)[name]
    plain = metric(quantity)(as_tensor(dist), as_tensor(ref))
    assert plain.shape == (1,)
    assert plain.dtype == torch.float64
    assert plain.item() == pytest.approx(expected, rel=1e-5)
    learning = metric(quantity)(as_tensor(dist).requires_grad_(), as_tensor(ref))
    assert learning.requires_grad
    assert learning.item() == pytest.approx(expected, rel=1e-5)


def test_embeddings_are_paired_as_in_a_table(weights: Weights) -> None:
    ref, dist = (photograph(name).crop((0, 0, 224, 192)) for name in ("astronaut", "coffee"))
    side = shape(TINY_CLIP)[0]
    ref, dist = ref.resize((side, side)), dist.resize((side, side))
    names = [f"{TINY_CLIP}__image_{kind}" for kind in ("cosine", "l2", "l1")]
    expected = extract(names, ref, dist, weights=weights(TINY_CLIP))
    for name in names:
        found = create_metric(name, weights=weights(TINY_CLIP))(as_tensor(dist), as_tensor(ref))
        assert found.item() == pytest.approx(expected[name], rel=1e-5)


def test_a_batch_is_its_pairs_and_one_reference_may_serve_all() -> None:
    ref, dist = noise("haarpsi", 3)
    haarpsi = create_metric("HaarPSI")
    together = haarpsi(dist, ref)
    alone = torch.cat([haarpsi(dist[i : i + 1], ref[i : i + 1]) for i in range(3)])
    assert torch.equal(together, alone)
    expected = torch.cat([haarpsi(dist[i : i + 1], ref[:1]) for i in range(3)])
    assert torch.equal(haarpsi(dist, ref[:1]), expected)


@pytest.mark.parametrize("name", ["ssim", "gmsd", "lite0__embedding_cosine"])
def test_the_device_of_new_tensors_does_not_matter(name: str) -> None:
    metric = create_metric(name)
    ref = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    expected = metric(ref * 0.9, ref)
    with torch.device("meta"):
        assert torch.equal(metric(ref * 0.9, ref), expected)


@pytest.mark.parametrize("name", [None, 1, ["ssim"]])
def test_a_name_is_text(name: Any) -> None:
    with pytest.raises(UsageError, match=r"expected the name of a metric; list_extractors\(\)"):
        create_metric(name)


def test_another_default_type_is_refused() -> None:
    metric = create_metric("gmsd")
    ref = torch.rand(1, 3, 64, 64)
    torch.set_default_dtype(torch.float64)
    try:
        with pytest.raises(UsageError, match="PyTorch's default type is torch"):
            metric(ref * 0.9, ref)
    finally:
        torch.set_default_dtype(torch.float32)


def test_it_says_what_it_is() -> None:
    found = [create_metric(name) for name in ("MS-SSIM", "gmsd", "colour__lightness_shift")]
    assert [m.name for m in found] == ["ms_ssim", "gmsd", "colour__lightness_shift"]
    assert [m.better for m in found] == ["higher", "lower", None]
    assert [m.identity for m in found] == [1.0, 0.0, 0.0]
    assert [m.differentiable for m in found] == [True, True, False]
    assert repr(found[1]).startswith("Metric('gmsd', better='lower', source='Xue et al., Gradient")


# --- gradients -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_gradients_are_where_they_are_promised(name: str, metric: Make) -> None:
    for quantity in find_quantities(name, details=True):
        ref, dist = noise(name)
        dist.requires_grad_()
        value = metric(quantity)(dist, ref)
        assert value.requires_grad == quantity.facts.differentiable, quantity.name
        if value.requires_grad:
            value.sum().backward()
            assert dist.grad is not None
            assert dist.grad.isfinite().all(), quantity.name
            assert dist.grad.abs().max() > 0, quantity.name


@pytest.mark.parametrize("name", PUBLISHED)
def test_what_is_not_promised_of_a_metric_has_no_gradient(name: str, tmp_path: Path) -> None:
    """So that a metric that could be learned with says so."""
    for quantity in find_quantities(name, details=True):
        if quantity.facts.differentiable or not quantity.facts.metric:
            continue
        ref, dist = noise(name)
        work = all_extractors()[quantity.spec.name].build(resources_for(name, tmp_path))
        values = work(ref=ref, dist=dist.requires_grad_(), ref_index=torch.tensor([0]))
        assert not values[quantity.output].requires_grad, quantity.name


METRICS = [q for name in PUBLISHED for q in find_quantities(name, details=True) if q.facts.metric]


@pytest.mark.parametrize("quantity", METRICS, ids=lambda quantity: quantity.name)
def test_a_step_along_the_gradient_is_better(quantity: Quantity, metric: Make) -> None:
    """On a photograph with a flat region, where gradient magnitudes are 0 in both pictures."""
    if not quantity.facts.differentiable:
        pytest.skip("not differentiable")
    picture = photograph("astronaut").crop((0, 0, 200, 180))
    for image in (picture, degraded := jpeg(picture, 15)):
        image.paste((255, 255, 255), (20, 20, 90, 80))
    if quantity.spec.weights:  # a network takes a while
        picture, degraded = (image.crop((0, 0, 101, 93)) for image in (picture, degraded))
    ref, dist = as_tensor(picture), as_tensor(degraded).requires_grad_()
    before = metric(quantity)(dist, ref)
    before.sum().backward()
    assert dist.grad is not None
    assert dist.grad.isfinite().all()
    upwards = dist.grad if quantity.facts.better == "higher" else -dist.grad
    largest = upwards.abs().max()
    after = [
        metric(quantity)((dist + step / 255 * upwards / largest).detach().clamp(0, 1), ref).item()
        for step in (1, 4, 16)
    ]
    if quantity.facts.better == "higher":
        assert max(after) > before.item()
    else:
        assert min(after) < before.item()


def test_mad_has_a_gradient() -> None:
    ref = as_tensor(photograph("chelsea").crop((60, 20, 140, 90)))
    dist = (0.5 * ref).requires_grad_()
    create_metric("mad")(dist, ref).sum().backward()
    assert dist.grad is not None
    assert dist.grad.isfinite().all()
    assert dist.grad.abs().max() > 0


def test_a_picture_is_recovered_by_following_the_gradient() -> None:
    """Rounded luma and all: what it is for."""
    ref = as_tensor(photograph("chelsea").crop((60, 20, 140, 100)))
    generator = torch.Generator().manual_seed(0)
    dist = (ref + 0.1 * torch.randn(ref.shape, generator=generator)).clamp(0, 1).requires_grad_()
    ssim = create_metric("ssim")
    optimizer = torch.optim.Adam([dist], lr=0.01)
    start = ssim(dist, ref).item()
    for _ in range(30):
        optimizer.zero_grad()
        (-ssim(dist.clamp(0, 1), ref)).sum().backward()
        optimizer.step()
    assert ssim(dist.clamp(0, 1), ref).item() > start + 0.5 * (1 - start)


# --- what cannot be ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("gmsdd", "'gmsdd' does not exist; did you mean gmsd"),
        ("gms", "gms is an extractor of 9 numbers; name one: gmsd, gmsm, gms__patch_std"),
        ("ssim__cs9", "extractor ssim has no scalar output 'cs9'; did you mean ssim__cs5"),
        ("ssim__grid", "has no scalar output 'grid'"),
    ],
)
def test_names_that_mean_nothing(name: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        create_metric(name)


def test_missing_weights_show_at_once() -> None:
    with pytest.raises(WeightsError, match="torchvision/alexnet  244 MB  for lpips"):
        create_metric("lpips")


ONE = torch.zeros(1, 3, 64, 64)
Change = Callable[[torch.Tensor], torch.Tensor]


@pytest.mark.parametrize(
    ("dist", "ref", "message"),
    [
        (
            ONE[0],
            ONE,
            r"^dist: torch.float32 \[3, 64, 64\]; expected a float tensor \[B, 3, H, W\]$",
        ),
        (ONE, ONE.long(), r"^ref: torch.int64 \[1, 3, 64, 64\]; expected a float tensor"),
        (
            ONE,
            ONE[..., :32],
            r"^ref: \[1, 3, 64, 32\] for dist \[1, 3, 64, 64\]; expected the same",
        ),
        (ONE.expand(3, -1, -1, -1), ONE.expand(2, -1, -1, -1), r"^ref: \[2, 3, 64, 64\] for dist"),
        (ONE, ONE.to("meta"), "^ref is on meta, dist on cpu; expected one device"),
        (ONE[..., :12], ONE[..., :12], "^dist: 12×64 pixels; gms needs 16 a side"),
        (ONE.numpy(), ONE, r"^dist: a ndarray; expected a float tensor"),
        (ONE[:0], ONE[:0], r"^dist: torch.float32 \[0, 3, 64, 64\]; expected"),
        (ONE.to_sparse(), ONE, r"^dist: torch.float32 .* expected a float tensor"),
        (ONE + 255, ONE, "^dist: values 255 to 255; expected 0 to 1: divide by 255"),
        (ONE, ONE * torch.nan, "^ref: values nan to nan; expected 0 to 1"),
    ],
    ids=[
        "3-d",
        "integers",
        "sizes",
        "counts",
        "devices",
        "small",
        "array",
        "empty",
        "sparse",
        "range",
        "NaN",
    ],
)
def test_tensors_that_do_not_fit(dist: torch.Tensor, ref: torch.Tensor, message: str) -> None:
    with pytest.raises(DataError, match=message):
        create_metric("gmsd")(dist, ref)


def test_networks_say_which_squares_they_see(weights: Weights) -> None:
    for name, message in (
        (f"{TINY_VIT}__patch_mean", r"sees squares, a multiple of \d+ a side; resize them"),
        (f"{TINY_CLIP}__concept_jsd", r"sees squares, \d+ a side; resize them"),
    ):
        found = create_metric(name, weights=weights(name.rpartition("__")[0]))
        with pytest.raises(DataError, match=message):
            found(torch.zeros(1, 3, 64, 80), torch.zeros(1, 3, 64, 80))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("name", ["gmsd", "mdsi", "lpips"])
def test_tensors_on_a_gpu_keep_their_device_and_their_gradient(name: str, metric: Make) -> None:
    [quantity] = find_quantities(name)
    ref, dist = noise(name, 2)
    on_gpu = dist.cuda().requires_grad_()
    values = metric(quantity)(on_gpu, ref.cuda())
    assert values.device.type == "cuda"
    torch.testing.assert_close(values.cpu(), metric(quantity)(dist, ref), rtol=1e-3, atol=1e-5)
    values.sum().backward()
    assert on_gpu.grad is not None
    assert on_gpu.grad.isfinite().all()
