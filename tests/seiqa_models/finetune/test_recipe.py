"""What is said about memory, time and devices before anything is loaded."""

from __future__ import annotations

from contextlib import nullcontext

import numpy as np
import pytest
import torch

from seiqa_features.errors import DeviceError, UsageError
from seiqa_features.extractors.multimodal.models import PRESETS
from seiqa_models.finetune.recipe import (
    Needs,
    Recipe,
    line_to_label,
    needs_of,
    require_device,
    speed_of,
)

NEEDS = Needs(14.0, 0.5, 160_000_000)
MODEL = PRESETS["qwen3_vl_4b"]


@pytest.fixture
def gpu(monkeypatch):
    """`gpu(free_gb, bf16=True)`: as if there were such a GPU."""

    def make(free_gb, bf16=True):
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "Old Card")
        monkeypatch.setattr(torch.cuda, "device", lambda _: nullcontext())
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: bf16)
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (free_gb * 1e9, 24e9))

    return make


def test_the_recipe_is_the_winners():
    recipe = Recipe()
    assert (recipe.rank, recipe.alpha) == (64, 128)
    assert (recipe.learning_rate, recipe.batch, recipe.warmup) == (1e-4, 16, 0.05)
    assert 1 <= recipe.epochs <= 3


def test_too_little_memory_is_said_with_what_would_fit(gpu):
    gpu(8.5)
    with pytest.raises(DeviceError) as caught:
        require_device(Recipe(), MODEL, "cuda:0", NEEDS)
    assert str(caught.value) == (
        "device cuda:0 (Old Card): 8.5 GB are free, fine-tuning qwen3_vl_4b needs about 14.0 GB;"
        " try finetune.four_bit: true or finetune.base: qwen3_vl_2b"
    )
    gpu(1.0)
    with pytest.raises(DeviceError, match="try a larger GPU"):
        require_device(Recipe(four_bit=True), MODEL, "cuda:0", NEEDS)
    gpu(14.5)
    require_device(Recipe(), MODEL, "cuda:0", NEEDS)


def test_a_gpu_without_bfloat16_is_named(gpu):
    gpu(80.0, bf16=False)
    with pytest.raises(DeviceError, match=r"\(Old Card\) has no bfloat16"):
        require_device(Recipe(), MODEL, "cuda:0", NEEDS)


def test_four_bits_need_a_gpu():
    require_device(Recipe(), MODEL, "cpu", NEEDS)
    with pytest.raises(UsageError, match="four_bit needs a GPU"):
        require_device(Recipe(four_bit=True), MODEL, "cpu", NEEDS)


def test_needs_grow_with_the_work_and_shrink_with_four_bits(tiny):
    from transformers import Qwen3VLConfig

    config = Qwen3VLConfig.from_pretrained(tiny)

    def needs(recipe, pairs=100):
        return needs_of(recipe, config, pairs=pairs, folds=3, operations_per_second=1e12)

    plain = needs(Recipe())
    assert needs(Recipe(), pairs=200).hours == pytest.approx(2 * plain.hours)
    assert needs(Recipe(four_bit=True)).gigabytes < plain.gigabytes
    assert needs(Recipe(rank=128)).trained == 2 * plain.trained
    # Two layers and two blocks of width 32 and 48, merger and deepstack merger.
    language = 2 * ((32 + 32) + 2 * (32 + 16) + (32 + 32) + 3 * (32 + 48))
    vision = 2 * ((32 + 96) + (32 + 32) + 2 * (32 + 48))
    aligner = 2 * ((128 + 128) + (128 + 32))
    assert plain.trained == 64 * (language + vision + aligner)


def test_speed_is_measured():
    assert speed_of("cpu") > 1e7


def test_lines_to_the_label():
    numbers, label = np.array([-2.0, 0.0, 2.0]), np.array([0.0, 3.0, 4.0])
    slope, intercept = line_to_label(numbers, label, (0.0, 5.0), "min_max")
    np.testing.assert_allclose(slope * numbers + intercept, [0, 2.5, 5])
    slope, intercept = line_to_label(numbers, label, (0.0, 5.0), "line")
    np.testing.assert_allclose([slope, intercept], np.polyfit(numbers, label, 1))
    assert line_to_label(np.ones(3), label, (0.0, 5.0), "line") == (0.0, pytest.approx(7 / 3))
