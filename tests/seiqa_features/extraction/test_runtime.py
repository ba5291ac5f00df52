"""Runtime: weights and device are settled before any image is decoded."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import torch

from seiqa_features.errors import DeviceError, WeightsError
from seiqa_features.extraction import devices
from seiqa_features.extraction.devices import existing_devices
from seiqa_features.extraction.runtime import Runtime
from seiqa_features.table.recipe import Recipe
from seiqa_features.weights import files as weights
from seiqa_features.weights.files import WeightFiles, file_stem
from tests.seiqa_features import pretend

RECIPE_FEATURES = {"pretend": ["s32", "grid32x2"], "gms": ["max512"]}


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pretend.register(monkeypatch)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "torch"))


def test_bound_recipe_carries_the_checksum(tmp_path: Path) -> None:
    first = pretend.weights_in(tmp_path / "a", 2.0)
    second = pretend.weights_in(tmp_path / "b", 3.0)
    recipe = Recipe.parse(RECIPE_FEATURES)
    (one, unavailable), (other, _) = Runtime(first).bind(recipe), Runtime(second).bind(recipe)
    assert unavailable == {}
    assert dict(one.blocks[0].checksums) == {"test/factor": first.checksum(pretend.WEIGHT)}
    assert one.blocks[0].fingerprint != other.blocks[0].fingerprint
    assert one.blocks[2].fingerprint == other.blocks[2].fingerprint == recipe.blocks[2].fingerprint


def test_missing_weights_are_named_with_size_user_and_mend(tmp_path: Path) -> None:
    with pytest.raises(WeightsError) as caught:
        Runtime(WeightFiles(tmp_path)).bind(Recipe.parse(RECIPE_FEATURES))
    first, listed, mend = str(caught.value).splitlines()
    assert first.startswith("weights are missing: 1 files, 7 MB; cannot download: offline")
    assert listed == "  test/factor  7 MB  for pretend"
    for way in ("seiqa weights fetch", "--config classical", "--skip-unavailable"):
        assert way in mend
    assert caught.value.exit_code == 4


def test_missing_weights_are_fetched_where_there_is_a_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weight_files = WeightFiles(tmp_path / "weights")
    monkeypatch.setattr(weights, "online", lambda _: True)
    monkeypatch.setattr(weights, "download", lambda _: pretend.weights_in(weight_files.folder))
    recipe, unavailable = Runtime(weight_files).bind(Recipe.parse(RECIPE_FEATURES))
    assert len(recipe.blocks) == 3
    assert unavailable == {}


def test_skipping_leaves_out_and_says_why_without_asking_the_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weights, "online", lambda _: pytest.fail("the network was asked"))
    runtime = Runtime(WeightFiles(tmp_path))
    recipe, unavailable = runtime.bind(Recipe.parse(RECIPE_FEATURES), skip_unavailable=True)
    assert [block.name for block in recipe.blocks] == ["gms__max512"]
    assert unavailable == {"pretend": "weights test/factor are missing"}
    with pytest.raises(WeightsError, match="no feature is left without them"):
        runtime.bind(Recipe.parse({"pretend": ["s32"]}), skip_unavailable=True)


@pytest.mark.parametrize("content", [b"", b"no weights at all", None], ids=["empty", "text", "cut"])
def test_a_damaged_file_is_one_line(tmp_path: Path, content: bytes | None) -> None:
    weight_files = pretend.weights_in(tmp_path)
    path = tmp_path / f"{file_stem(pretend.WEIGHT)}.pth"
    path.write_bytes(path.read_bytes()[:-40] if content is None else content)
    with pytest.raises(WeightsError) as caught:
        Runtime(weight_files).work("pretend")
    assert str(caught.value).startswith(f"{path}: not usable as weights of pretend (")
    assert str(caught.value).endswith("; expected the files of test/factor")
    assert len(str(caught.value).splitlines()) == 1


def test_a_file_of_another_architecture_is_one_line(tmp_path: Path) -> None:
    torch.save({"other": 1.0}, tmp_path / f"{file_stem(pretend.WEIGHT)}.pth")
    with pytest.raises(WeightsError, match=r"weights of pretend \(KeyError: 'factor'"):
        Runtime(WeightFiles(tmp_path)).work("pretend")


def test_work_is_built_once(tmp_path: Path) -> None:
    runtime = Runtime(pretend.weights_in(tmp_path))
    assert runtime.work("pretend") is runtime.work("pretend")


def test_weights_are_hashed_when_they_are_loaded(tmp_path: Path) -> None:
    weight_files = pretend.weights_in(tmp_path)
    weight_files.checksum(pretend.WEIGHT)
    lock = tmp_path / weights.LOCK_FILE
    entries = json.loads(lock.read_text())
    for entry in entries.values():
        entry["sha256"] = "0" * 64
    lock.write_text(json.dumps(entries))
    with pytest.raises(WeightsError, match="changed since they were first used"):
        Runtime(weight_files).work("pretend")


@pytest.mark.parametrize("device", ["cuda", "cuda:0", "cuda:99", "cpu,cuda:99"])
def test_a_gpu_that_is_not_there(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(DeviceError, match=r"device cuda.*: not available, PyTorch sees 0 GPUs"):
        _ = Runtime(WeightFiles(Path("none")), device=device).device


@pytest.mark.parametrize("device", ["gpu", "cuda:one", "mps", ""])
def test_a_device_of_no_known_kind(device: str) -> None:
    with pytest.raises(DeviceError, match="is unknown; expected auto, cpu, cuda or cuda:<number>"):
        _ = Runtime(WeightFiles(Path("none")), device=device).device


def test_auto_takes_every_gpu_or_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert Runtime(WeightFiles(Path("none")), device="auto").devices == ("cuda:0", "cuda:1")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert Runtime(WeightFiles(Path("none")), device="auto").devices == ("cpu",)


def test_without_a_driver_pytorch_is_not_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "_driver_exists", lambda: False)
    monkeypatch.setitem(sys.modules, "torch", None)  # an import would raise
    with pytest.raises(ImportError):
        existing_devices("auto")
    monkeypatch.delitem(sys.modules, "torch")
    assert existing_devices("auto") == ("cpu",)
    assert "torch" not in sys.modules


def test_on_a_gpu_only_what_is_pretrained_changes_its_arithmetic(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    runtime = Runtime(pretend.weights_in(tmp_path), device="cuda")
    recipe, _ = runtime.bind(Recipe.parse(RECIPE_FEATURES))
    assert [block.dtype for block in recipe.blocks] == ["bfloat16", "bfloat16", "float32"]
    assert [runtime.on_gpu(block.spec) for block in recipe.blocks] == [True, True, True]


@pytest.mark.parametrize(
    ("device", "precision", "expected"),
    [
        ("cpu", "auto", "float32"), ("cpu", "mixed", "bfloat16"), ("cpu", "float32", "float32"),
        ("cuda", "auto", "bfloat16"), ("cuda", "mixed", "bfloat16"), ("cuda", "float32", "float32"),
    ],
)  # fmt: skip
def test_arithmetic_is_the_users_choice(
    device: str, precision: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    runtime = Runtime(pretend.weights_in(tmp_path), device=device, precision=precision)
    recipe, _ = runtime.bind(Recipe.parse(RECIPE_FEATURES))
    assert [block.dtype for block in recipe.blocks] == [expected, expected, "float32"]


def test_the_memory_ceiling_is_set_on_the_device(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Properties:
        total_memory = 40e9

    shares: list[float] = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: Properties())
    monkeypatch.setattr(
        torch.cuda, "set_per_process_memory_fraction", lambda share, _: shares.append(share)
    )
    assert Runtime(WeightFiles(tmp_path), device="cuda", gpu_memory=10).device == "cuda:0"
    assert shares == [0.25]
