"""Threads with one core to a kernel: the same bits whatever PyTorch's threads are set to."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import pytest
import torch
from torch.nn import functional as F

from seiqa_features.threads import on_one_core, one_core_threads
from tests.busy_process import process_uses, unrest

T = TypeVar("T")

IMAGE = torch.rand(1, 3, 64, 93, generator=torch.Generator().manual_seed(0))
KERNELS = torch.randn(64, 3, 11, 11, generator=torch.Generator().manual_seed(1))


def convolve() -> torch.Tensor:
    """AlexNet's first layer; where it runs on two threads its last bits are others."""
    with torch.inference_mode():
        return F.conv2d(IMAGE, KERNELS, stride=4, padding=2)


def in_new_thread(call: Callable[[], T]) -> T:
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(call).result()


@pytest.fixture(scope="module")
def alone() -> torch.Tensor:
    with process_uses(1):
        return convolve()


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_kernels_use_one_core_whatever_the_process_uses(threads: int, alone: torch.Tensor) -> None:
    with process_uses(threads), one_core_threads(2) as pool:
        numbers = list(pool.map(lambda _: torch.get_num_threads(), range(8)))
        results = list(pool.map(lambda _: convolve(), range(8)))
    assert set(numbers) == {1}
    assert all(torch.equal(result, alone) for result in results)


def test_the_first_kernel_of_a_thread_is_no_exception(alone: torch.Tensor) -> None:
    """oneDNN does not ask PyTorch how many threads it may use in a thread that is new."""
    with process_uses(2):
        assert all(torch.equal(on_one_core(convolve)(), alone) for _ in range(5))


def test_the_process_keeps_its_number_of_threads() -> None:
    with process_uses(3):
        for _ in range(3):
            on_one_core(convolve)()
            assert torch.get_num_threads() == 3
            assert in_new_thread(torch.get_num_threads) == 3


def test_pools_at_the_same_time_do_not_disturb_each_other(alone: torch.Tensor) -> None:
    with process_uses(4):
        with ThreadPoolExecutor(4) as callers:
            results = list(callers.map(lambda _: on_one_core(convolve)(), range(40)))
        assert in_new_thread(torch.get_num_threads) == 4
    assert all(torch.equal(result, alone) for result in results)


def test_others_may_set_the_number_meanwhile(alone: torch.Tensor) -> None:
    with process_uses(2), unrest(), one_core_threads(2) as pool:
        results = list(pool.map(lambda _: convolve(), range(40)))
    assert all(torch.equal(result, alone) for result in results)


def test_a_function_keeps_its_name_its_arguments_and_its_errors() -> None:
    @on_one_core
    def ratio(a: int, *, b: int) -> float:
        """a over b."""
        return a / b

    assert ratio(6, b=3) == 2.0
    assert (ratio.__name__, ratio.__doc__) == ("ratio", "a over b.")
    with pytest.raises(ZeroDivisionError):
        ratio(1, b=0)
