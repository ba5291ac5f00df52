"""Fine-tuning one member: steps whose loss sees a whole batch, epochs that survive a kill."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from seiqa_features.extractors.multimodal.adapted import PairRegressor
from seiqa_features.extractors.multimodal.reading import Pixels
from seiqa_features.spending import spending
from seiqa_features.writing import replacing, write_whole
from seiqa_models.core.arrays import FloatVector, Rows
from seiqa_models.core.metrics import srocc
from seiqa_models.finetune.recipe import Recipe
from seiqa_models.learners.networks.losses import fidelity_loss

Pictures = Callable[[int], tuple[Pixels, Pixels]]
"""Reference and degraded picture of a row, uint8 [3, H, W] in the recipe's view."""

STATE, EPOCHS = "state.pt", "epochs.json"


@dataclass(frozen=True)
class Epoch:
    """One line of the log.

    Attributes
    ----------
    loss : float
        Mean over the steps.
    srocc : float
        Of the held-out rows; nothing is chosen by it.
    seconds, gigabytes, gpu_gigabytes : float
        See `seiqa_features.spending.Spent`.
    """

    epoch: int
    loss: float
    srocc: float
    seconds: float
    gigabytes: float
    gpu_gigabytes: float


def train_step(
    regressor: PairRegressor,
    optimizer: torch.optim.Optimizer,
    pairs: Sequence[tuple[Pixels, Pixels]],
    target: torch.Tensor,
) -> float:
    """One step on a batch, in the memory of a single pair; returns the loss.

    PLCC and fidelity are not sums over rows, so the losses of parts of a batch must not be added.
    The predictions of all rows are computed first, without gradients; the loss of the whole batch
    gives the gradient with respect to each prediction, with which the pairs are then read again one
    by one (Gao et al., Scaling Deep Contrastive Learning Batch Size, 2021). The result is that of
    the batch at once, since nothing is drawn at random in between.

    Parameters
    ----------
    pairs : sequence of (Pixels, Pixels)
        Two or more.
    target : torch.Tensor
        Float32 [b, 1], the labels.
    """
    with torch.no_grad(), _arithmetic(regressor):
        predicted = torch.stack([regressor(*pair) for pair in pairs])
    predicted.requires_grad_()
    loss = fidelity_loss(predicted, target)
    (gradient,) = torch.autograd.grad(loss, predicted)
    optimizer.zero_grad(set_to_none=True)
    for pair, slope in zip(pairs, gradient, strict=True):
        with _arithmetic(regressor):
            number = regressor(*pair)
        number.backward(slope)
    optimizer.step()
    return float(loss.detach())


def predict(regressor: PairRegressor, rows: Rows, pictures: Pictures) -> FloatVector:
    """The network's numbers for rows, float64 [n]."""
    with torch.inference_mode(), _arithmetic(regressor):
        return np.array([float(regressor(*pictures(int(row)))) for row in rows])


def train_member(
    regressor: PairRegressor,
    recipe: Recipe,
    pictures: Pictures,
    y: FloatVector,
    train: Rows,
    test: Rows,
    folder: Path,
    *,
    seed: int,
    on_pair: Callable[[int], None],
    on_epoch: Callable[[Epoch], None],
) -> list[Epoch]:
    """Train on the rows `train`; continue after the last finished epoch in `folder`.

    Batches are a function of seed and epoch, so a run that was killed ends like one that was not.

    Parameters
    ----------
    y : float64 [n]
        Labels of all rows.
    test : int [held-out rows]
        Only for the log.
    folder : Path
        Where the state is kept.
    on_pair : callable
        Called with the number of pairs that were read for training since the last call.
    on_epoch : callable
        Called after every epoch that is not from an earlier run.
    """
    optimizer = torch.optim.AdamW(
        regressor.trained(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay
    )
    steps = len(_batches(train, recipe.batch, seed=seed, epoch=0))
    done = _restore(folder, regressor, optimizer)
    for _ in done:
        on_pair(len(train))
    regressor.save_memory()
    device = next(regressor.parameters()).device
    for epoch in range(len(done), recipe.epochs):
        with spending() as spent:
            losses = []
            regressor.train()
            for number, rows in enumerate(_batches(train, recipe.batch, seed=seed, epoch=epoch)):
                share = (epoch * steps + number) / (recipe.epochs * steps)
                for group in optimizer.param_groups:
                    group["lr"] = recipe.learning_rate * rate_at(share, recipe.warmup)
                target = torch.tensor(y[rows], dtype=torch.float32, device=device)[:, None]
                pairs = [pictures(int(row)) for row in rows]
                losses.append(train_step(regressor, optimizer, pairs, target))
                on_pair(len(rows))
            regressor.eval()
            found = srocc(y[test], predict(regressor, test, pictures))
            done.append(Epoch(epoch + 1, float(np.mean(losses)), float(found), **asdict(spent())))
        _keep(folder, regressor, optimizer, done)
        on_epoch(done[-1])
    regressor.eval()
    return done


def rate_at(share: float, warmup: float) -> float:
    """Share of the highest learning rate after this share of the steps.

    >>> rate_at(0.0, 0.05) > 0, rate_at(0.05, 0.05), round(rate_at(1.0, 0.05), 6)
    (True, 1.0, 0.0)
    """
    if share < warmup:
        return max(share / warmup, 0.1)
    return (1 + math.cos(math.pi * (share - warmup) / (1 - warmup))) / 2


def _batches(rows: Rows, size: int, *, seed: int, epoch: int) -> list[Rows]:
    """The rows in a random order, in batches of at least two."""
    order = np.random.default_rng([seed, epoch]).permutation(rows)
    parts = [order[i : i + size] for i in range(0, len(order), size)]
    if len(parts) > 1 and len(parts[-1]) < 2:
        parts[-2:] = [np.concatenate(parts[-2:])]
    return parts


def _arithmetic(regressor: PairRegressor) -> AbstractContextManager[object]:
    """bfloat16 on a GPU, float32 on a CPU."""
    device = next(regressor.parameters()).device.type
    return nullcontext() if device == "cpu" else torch.autocast(device, torch.bfloat16)


def _keep(
    folder: Path, regressor: PairRegressor, optimizer: torch.optim.Optimizer, done: list[Epoch]
) -> None:
    """Write what the next epoch starts from; the log inside it says how far it is."""
    trained = {name: parameter.detach().cpu() for name, parameter in regressor.named_trained()}
    log = [asdict(epoch) for epoch in done]
    state = {"trained": trained, "optimizer": optimizer.state_dict(), "epochs": log}
    with replacing(folder / STATE) as path:
        torch.save(state, path)
    write_whole(folder / EPOCHS, json.dumps(log, indent=1))


def _restore(
    folder: Path, regressor: PairRegressor, optimizer: torch.optim.Optimizer
) -> list[Epoch]:
    """Continue from the state in the folder; the finished epochs, none if there is no state."""
    path = folder / STATE
    if not path.is_file():
        return []
    state = torch.load(path, map_location="cpu", weights_only=True)
    with torch.no_grad():
        for name, parameter in regressor.named_trained():
            parameter.copy_(state["trained"][name])
    optimizer.load_state_dict(state["optimizer"])
    return [Epoch(**entry) for entry in state["epochs"]]
