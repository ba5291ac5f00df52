"""Constants on a device that stands for a GPU: `meta`, whose tensors have no content."""

from __future__ import annotations

import torch
from torch.utils import _device

from seiqa_features.extractors.common.constants import MAKERS, Constants, computing_on

ODD = {"empty_quantized", "nested_tensor"}
"""Functions that no picture metric calls; nor any for sparse tensors."""


def test_numbers_are_sent_once_and_copied_after_that() -> None:
    mode = Constants("meta")
    with mode:
        one, other = (torch.tensor([0.1, 0.2]) for _ in range(2))
        wide = one.new_tensor([0.1, 0.2], dtype=torch.float64)
        picked = torch.zeros(2, 5, device="meta")[:, [0, 3]]
    assert one is not other
    assert {tensor.device.type for tensor in (one, other, wide, picked)} == {"meta"}
    assert wide.dtype == torch.float64
    assert picked.shape == (2, 2)
    assert len(mode._kept) == 3  # two types of the numbers, and the positions


def test_what_is_on_the_cpu_stays_as_it_is() -> None:
    with Constants("meta"):
        there = torch.zeros(3, 4, device="cpu")
        there[0, 1:3] = 2.5
        there[there > 2] = 7
        picked = there[:, [1, 3]]
        copied = torch.tensor(there.numpy(), device="cpu")
    assert there.tolist()[0] == [0, 7, 7, 0]
    assert picked.tolist()[0] == [7, 0]
    assert torch.equal(copied, there)


def test_new_tensors_are_there_unless_told_otherwise() -> None:
    with computing_on("meta"):
        made = torch.arange(3), torch.fft.fftfreq(4), torch.zeros(2, device=None)
        here = torch.arange(3, device="cpu")
    assert {tensor.device.type for tensor in made} == {"meta"}
    assert here.tolist() == [0, 1, 2]


def test_every_function_that_a_device_can_be_set_for_is_known() -> None:
    makers = _device._device_constructors() - MAKERS
    # transformers puts its own in place of one, which calls that.
    missing = {each.__name__ for each in makers if "transformers" not in str(each.__module__)}
    assert {name for name in missing if not name.startswith("sparse_")} == ODD


def test_a_context_for_the_cpu_does_nothing() -> None:
    with computing_on("cpu"):
        assert torch.tensor([1.0]).device.type == "cpu"
