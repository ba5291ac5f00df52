"""Adapters and steps, on a tiny random model of the real class."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from seiqa_features.extractors.multimodal.adapted import Ensemble, PairRegressor
from seiqa_features.extractors.multimodal.reading import load
from seiqa_features.pictures.views import View
from seiqa_models.finetune.members import _Pictures
from seiqa_models.finetune.training import predict, rate_at, train_step
from seiqa_models.learners.networks.losses import fidelity_loss

VISION = [
    f"visual.{layer}"
    for block in (0, 1)
    for layer in (
        f"blocks.{block}.attn.qkv", f"blocks.{block}.attn.proj",
        f"blocks.{block}.mlp.linear_fc1", f"blocks.{block}.mlp.linear_fc2",
    )
]  # fmt: skip
ALIGNER = [
    f"visual.{merger}.linear_fc{i}" for merger in ("merger", "deepstack_merger_list.0")
    for i in (1, 2)
]  # fmt: skip
LANGUAGE = [
    f"language_model.layers.{block}.{layer}"
    for block in (0, 1)
    for layer in (
        "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj",
        "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj",
    )
]  # fmt: skip


@pytest.fixture
def regressor(model, files):
    reader = load(model, files, "cpu", "float32")
    return PairRegressor(reader, rank=4, alpha=8, seed=0)


@pytest.fixture(scope="module")
def shown(pairs):
    pictures = _Pictures(pairs, View.parse("max64"))
    return [pictures(row) for row in range(len(pairs))]


@pytest.fixture(scope="module")
def target(pairs):
    return torch.tensor(pairs["mos"].to_numpy(np.float32))[:, None]


def test_adapters_are_on_every_linear_layer_and_nothing_else_is_trained(regressor):
    adapted = {
        name.removeprefix("network.base_model.model.").split(".lora_")[0]
        for name, _ in regressor.named_trained()
        if ".lora_" in name
    }
    assert adapted == {*VISION, *ALIGNER, *LANGUAGE}
    rest = [name for name, _ in regressor.named_trained() if ".lora_" not in name]
    assert rest == [f"head.{i}.{kind}" for i in (0, 1, 3) for kind in ("weight", "bias")]


def test_one_step_changes_what_is_trained_and_nothing_else(regressor, shown, target):
    before = {name: p.detach().clone() for name, p in regressor.named_parameters()}
    optimizer = torch.optim.AdamW(regressor.trained(), lr=1e-3)
    train_step(regressor, optimizer, shown, target)
    trained = {name for name, _ in regressor.named_trained()}
    for name, parameter in regressor.named_parameters():
        if name not in trained:
            assert torch.equal(parameter, before[name]), name
    changed = {name for name in trained if not torch.equal(
        dict(regressor.named_parameters())[name], before[name])}  # fmt: skip
    assert any("visual.blocks" in name for name in changed)
    assert any("visual.merger" in name for name in changed)
    assert any("language_model" in name for name in changed)
    assert any(name.startswith("head") for name in changed)


def test_pair_by_pair_gives_the_gradient_of_the_whole_batch(regressor, shown, target):
    """PLCC is no sum over rows: the step must not be a sum of losses of parts either."""
    whole = copy.deepcopy(regressor)
    predicted = torch.stack([whole(*pair) for pair in shown])
    fidelity_loss(predicted, target).backward()
    parts = torch.optim.SGD(regressor.trained(), lr=0.0)
    train_step(regressor, parts, shown, target)
    for (name, one), (_, other) in zip(
        regressor.named_trained(), whole.named_trained(), strict=True
    ):
        torch.testing.assert_close(one.grad, other.grad, rtol=1e-4, atol=1e-6, msg=name)
    halves = copy.deepcopy(whole)
    halves.zero_grad()
    for part in (slice(0, 4), slice(4, 8)):
        numbers = torch.stack([halves(*pair) for pair in shown[part]])
        (fidelity_loss(numbers, target[part]) / 2).backward()
    last = "head.3.weight"
    one, other = (dict(net.named_parameters())[last].grad for net in (whole, halves))
    assert not torch.allclose(one, other, rtol=0.05)


def test_layers_borders_alone_give_the_same_gradient(regressor, shown, target):
    """Gradient checkpointing, as in training."""
    plain = copy.deepcopy(regressor)
    regressor.save_memory()
    regressor.train()
    for network in (regressor, plain):
        train_step(network, torch.optim.SGD(network.trained(), lr=0.0), shown[:2], target[:2])
    for (name, one), (_, other) in zip(
        regressor.named_trained(), plain.named_trained(), strict=True
    ):
        torch.testing.assert_close(one.grad, other.grad, rtol=1e-4, atol=1e-6, msg=name)


def test_loss_falls_when_eight_pairs_are_learned_by_heart(regressor, shown, target):
    optimizer = torch.optim.AdamW(regressor.trained(), lr=3e-3)
    losses = [train_step(regressor, optimizer, shown, target) for _ in range(12)]
    assert losses[-1] < 0.6 * losses[0]


def test_saved_members_give_identical_numbers(regressor, model, files, shown, target, tmp_path):
    other = PairRegressor(load(model, files, "cpu", "float32"), rank=4, alpha=8, seed=1)
    kept = []
    for number, each in enumerate((regressor, other)):
        train_step(each, torch.optim.AdamW(each.trained(), lr=1e-2), shown, target)
        folder = tmp_path / str(number)
        folder.mkdir()
        each.save(folder)
        kept.append(predict(each, np.arange(3), lambda row: shown[row]))
        assert {path.suffix for path in folder.iterdir()} <= {".safetensors", ".json", ".md"}
    ensemble = Ensemble(load(model, files, "cpu", "float32"), [tmp_path / "0", tmp_path / "1"])
    with torch.inference_mode():
        for number in (0, 1, 0):
            again = [float(ensemble(number, *shown[row])) for row in range(3)]
            np.testing.assert_array_equal(again, kept[number])
    assert not np.array_equal(kept[0], kept[1])


def test_learning_rate_rises_and_falls():
    rates = [rate_at(share, 0.05) for share in np.linspace(0, 1, 41)]
    assert np.argmax(rates) == 2
    assert rates[2] == 1.0
    assert (np.diff(rates[2:]) < 0).all()
    assert rates[-1] == pytest.approx(0, abs=1e-12)
