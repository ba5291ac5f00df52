"""Statistics of patch tokens, against plain definitions and hand-made maps."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.ndimage
import scipy.stats
import torch
from torch.nn import functional as F

from seiqa_features.extractors.common.maps import (
    map_statistics,
    worst_regions,
    worst_regions_at_once,
)
from seiqa_features.extractors.common.tokens import MIDDLE_LAYERS, compare, cosine, unit

Features = dict[str, torch.Tensor]
WIDTH = 6  # of the embeddings


def made_up(seed: int, pictures: int, side: int = 5) -> Features:
    """Features as an encoder gives them."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(pictures, *shape, generator=generator)

    features = {name: unit(normal(side**2, WIDTH)) for name in ("last", *MIDDLE_LAYERS)}
    features |= {"cls": unit(normal(WIDTH)), "mean": unit(normal(WIDTH))}
    return {**features, "attention": normal(side**2).softmax(dim=1)}


def nudged(features: Features, seed: int) -> Features:
    """Features of pictures that are much the same."""
    other = made_up(seed, len(features["cls"]))
    mixed = {name: unit(value + 0.3 * other[name]) for name, value in features.items()}
    return {**mixed, "attention": 0.7 * features["attention"] + 0.3 * other["attention"]}


def test_cosine_is_the_cosine() -> None:
    generator = torch.Generator().manual_seed(0)
    a, b = torch.randn(2, 50, 7, generator=generator, dtype=torch.float64)
    plain = (a * b).sum(dim=1) / (a.norm(dim=1) * b.norm(dim=1))
    torch.testing.assert_close(cosine(unit(a), unit(b)), plain, atol=1e-6, rtol=0)


def test_cosine_keeps_differences_that_a_float32_sum_of_products_loses() -> None:
    turned = torch.tensor([[1.0, 1e-4]])
    deficit = 1 - cosine(unit(torch.tensor([[1.0, 0.0]])), unit(turned))
    assert deficit.item() == pytest.approx(0.5e-8, rel=1e-3)
    assert 1 - unit(turned)[0, 0].item() == 0


def test_equal_features_give_the_identity_to_the_bit() -> None:
    same = made_up(1, 2)
    values = compare(ref=same, dist=same, ref_index=torch.tensor([0, 1]))
    zeros = {
        "patch_std", "patch_skewness", "patch_kurtosis", "patch_gap", "region_share",
        "region_deficit", "attention_shift", "mid1_std", "mid2_std", "mid3_std",
        "last_transport",
    }  # fmt: skip
    weighted = {"attention_cosine", "ref_attention_cosine"}  # of weights that sum to 1 but rounding
    for name, value in values.items():
        expected = torch.full_like(value, 0.0 if name in zeros else 1.0)
        if name in weighted:
            torch.testing.assert_close(value, expected, atol=1e-6, rtol=0)
        else:
            assert torch.equal(value, expected), name


def test_statistics_are_those_of_scipy_and_numpy() -> None:
    field = 1 - 0.1 * torch.rand(3, 49, generator=torch.Generator().manual_seed(2)).double() ** 3
    values = {name: value.numpy() for name, value in map_statistics(field).items()}
    plain = field.numpy()
    expected = {
        "mean": plain.mean(axis=1),
        "std": plain.std(axis=1),
        "min": plain.min(axis=1),
        "skewness": scipy.stats.skew(plain, axis=1),
        "kurtosis": scipy.stats.kurtosis(plain, axis=1, fisher=False),
        **{f"q{q:02d}": np.percentile(plain, q, axis=1) for q in (1, 5, 10, 25)},
    }
    assert values.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(values[name], value, rtol=1e-4, err_msg=name)


def test_rounding_noise_has_no_shape() -> None:
    noise = 1 - 1e-7 * torch.rand(1, 256, generator=torch.Generator().manual_seed(3)).double()
    values = map_statistics(noise)
    assert abs(values["skewness"].item()) < 1e-6
    assert abs(values["kurtosis"].item()) < 1e-6


def region(rows: list[list[float]]) -> tuple[float, ...]:
    values = worst_regions(torch.tensor([rows], dtype=torch.float64))
    return tuple(values[f"region_{name}"].item() for name in ("cosine", "share", "deficit"))


def test_worst_region_has_the_largest_deficit_not_the_lowest_patch() -> None:
    # Median 1, minimum .2: patches below .6. Two of .5 side by side lose more than one of .2.
    rows = [[0.2, 1, 1, 1], [1, 1, 1, 1], [1, 1, 0.5, 0.5], [1, 1, 1, 0.7]]
    assert region(rows) == pytest.approx((0.5, 2 / 16, 1.0 / 16))


def test_patches_that_touch_at_a_corner_are_two_regions() -> None:
    rows = [[0.2, 1, 1, 1], [1, 0.3, 1, 1], [1, 1, 1, 1], [1, 1, 1, 1]]
    assert region(rows) == pytest.approx((0.2, 1 / 16, 0.8 / 16))
    joined = [[0.2, 0.3, 1, 1], *rows[1:]]
    assert region(joined) == pytest.approx((0.8 / 3, 3 / 16, 2.2 / 16))


def test_the_midpoint_is_between_minimum_and_median_not_mean() -> None:
    rows = [[0.0, 0.0, 0.45], [1, 1, 1], [0.4, 1, 1]]  # the mean's midpoint would be .33
    assert region(rows) == pytest.approx((0.15, 3 / 9, 2.55 / 9))


def test_an_even_map_has_no_region() -> None:
    assert region([[0.6, 0.6], [0.6, 0.6]]) == (0.6, 0.0, 0.0)
    assert region([[1.0, 1.0, 1.0], [1.0, 1 - 9e-5, 1.0]]) == (1 - 9e-5, 0.0, 0.0)
    assert region([[1.0, 1.0, 1.0], [1.0, 1 - 2e-4, 1.0]])[1] == pytest.approx(1 / 6)


def test_attention_weighs_the_patches() -> None:
    ref, dist = made_up(4, 1), made_up(5, 1)
    for features, place in ((ref, 3), (dist, 17)):
        features["attention"] = F.one_hot(torch.tensor([place]), 25).float()
    field = cosine(ref["last"], dist["last"])[0]
    values = compare(ref=ref, dist=dist, ref_index=torch.tensor([0]))
    assert values["attention_cosine"].item() == pytest.approx((field[3] + field[17]).item() / 2)
    assert values["ref_attention_cosine"].item() == pytest.approx(field[3].item())
    assert values["attention_shift"].item() == 1.0


def test_grid_is_the_map_in_reading_order() -> None:
    ref, dist = made_up(6, 1, side=16), made_up(6, 1, side=16)
    dist["last"] = dist["last"].clone()
    dist["last"][0, 2 * 16 + 5] *= -1  # row 2, column 5 → cell (1, 2) of 8×8, a quarter of it
    grid = compare(ref=ref, dist=dist, ref_index=torch.tensor([0]))["grid"].view(8, 8)
    expected = torch.ones(8, 8)
    expected[1, 2] = (3 * 1 + -1) / 4
    torch.testing.assert_close(grid, expected, atol=1e-6, rtol=0)


def test_pairs_have_the_same_bits_in_any_company() -> None:
    refs, dists = made_up(7, 2), nudged(made_up(7, 2), 8)
    more = {name: value[[0, 1, 0, 1, 1]] for name, value in dists.items()}
    together = compare(ref=refs, dist=more, ref_index=torch.tensor([0, 1, 1, 0, 1]))
    alone = compare(
        ref={name: value[1:] for name, value in refs.items()},
        dist={name: value[1:] for name, value in dists.items()},
        ref_index=torch.tensor([0]),
    )
    for name, value in alone.items():
        assert torch.equal(together[name][1:2], value), name
        assert torch.equal(together[name][4:5], value), name


def test_swapping_the_pictures_changes_only_what_the_reference_weighs() -> None:
    one, other, index = made_up(9, 1), nudged(made_up(9, 1), 10), torch.tensor([0])
    there, back = (
        compare(ref=one, dist=other, ref_index=index),
        compare(ref=other, dist=one, ref_index=index),
    )
    assert [name for name in there if not torch.equal(there[name], back[name])] == [
        "ref_attention_cosine"
    ]


@pytest.mark.parametrize("side", [1, 2, 7, 16])
def test_a_gpu_finds_the_same_worst_regions(side: int) -> None:
    """By another algorithm, here on the CPU: on smooth and on rough maps, and on an even one."""
    rng = np.random.default_rng(side)
    maps = [scipy.ndimage.gaussian_filter(rng.random((side, side)), blur) for blur in range(6)]
    fields = torch.from_numpy(np.stack([*maps, np.ones((side, side))]))
    expected = torch.stack(list(worst_regions(fields).values()))
    torch.testing.assert_close(worst_regions_at_once(fields), expected, atol=1e-12, rtol=0)
