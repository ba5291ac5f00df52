"""Leakage trap: labels shuffled across groups cannot be predicted by an honest fine-tuning.

A stand-in for the multimodal model, small enough to be trained dozens of times, sees which group a
pair is of and learns the groups' labels by heart. Everything else is the real fine-tuning.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch import nn

from seiqa_features.extractors.multimodal import adapted, reading
from seiqa_features.pictures.decoding import load_rgb, pixel_key
from seiqa_models.core.metrics import srocc
from seiqa_models.core.splits import make_folds
from seiqa_models.finetune.members import Work, finetune
from seiqa_models.finetune.recipe import Recipe

GROUPS, FOLDS, SHUFFLES = 40, 2, 12
SIDE = 16


class Linear(nn.Module):
    """A linear regressor on the degraded picture's pixels that is used like a `PairRegressor`."""

    def __init__(self, reader, *, rank, alpha, seed):  # noqa: ARG002
        super().__init__()
        torch.manual_seed(seed)
        self.head = nn.Linear(3 * SIDE**2, 1)

    def forward(self, ref, dist):  # noqa: ARG002
        return self.head(torch.from_numpy(dist).float().flatten() / 128 - 1)

    def trained(self):
        return list(self.parameters())

    def named_trained(self):
        return list(self.named_parameters())

    def save_memory(self):
        pass

    def save(self, folder):
        pass


@pytest.fixture(scope="module")
def shown_twice(tmp_path_factory):
    """Pictures of noise, two nearly equal ones of each group."""
    folder = tmp_path_factory.mktemp("noise")
    rng = np.random.default_rng(0)
    rows = []
    for group in range(GROUPS):
        base = rng.integers(0, 256, (SIDE, SIDE, 3))
        for time in range(2):
            near = np.clip(base + rng.integers(-8, 9, base.shape), 0, 255)
            path = folder / f"{group}-{time}.png"
            Image.fromarray(near.astype(np.uint8)).save(path)
            key = pixel_key(load_rgb(path))
            row = {"pair_id": path.stem, "group_id": str(group), "time": time}
            rows.append(
                row | dict.fromkeys(("ref_path", "dist_path"), str(path))
                | dict.fromkeys(("ref_key", "dist_key"), key)
            )  # fmt: skip
    return pd.DataFrame(rows)


@pytest.fixture
def mean_srocc(shown_twice, model, files, tmp_path, monkeypatch):
    """`mean_srocc(column, shuffles)`: within held-out folds that keep the column's values whole."""
    monkeypatch.setattr(adapted, "PairRegressor", Linear)
    monkeypatch.setattr(reading, "load", lambda *_, **__: None)
    recipe = Recipe(
        base=model.name, view=f"max{SIDE}", epochs=3, batch=4, learning_rate=0.03, scale="line"
    )

    def mean(column, shuffles):
        found = []
        for seed in range(shuffles):
            of_group = np.random.default_rng(seed).permutation(GROUPS) / 8
            labelled = shown_twice.assign(mos=of_group[shown_twice["group_id"].astype(int)])
            folds = make_folds(shown_twice[column], n_splits=FOLDS, seed=seed)
            work = Work(recipe, model, files, labelled, folds, (0.0, 5.0), seed)
            done = finetune(
                work, tmp_path / column / str(seed), "cpu",
                on_pair=lambda *_: None, on_epoch=lambda _: None,
            )  # fmt: skip
            found += [
                srocc(fold["mos"].to_numpy(), fold["score"].to_numpy())
                for _, fold in done.groupby("fold")
            ]
        assert len(found) == FOLDS * shuffles
        return np.mean(found)

    return mean


def test_labels_shuffled_across_groups_are_not_predicted(mean_srocc):
    """SROCC of n unrelated values has the standard error 1 / √(n − 1); n is a fold's groups."""
    error = (SHUFFLES * FOLDS * (GROUPS / FOLDS - 1)) ** -0.5
    assert 3 * error < 0.15
    assert abs(mean_srocc("group_id", SHUFFLES)) < 3 * error


def test_the_trap_catches_folds_that_divide_groups(mean_srocc):
    assert mean_srocc("time", 2) > 0.5
