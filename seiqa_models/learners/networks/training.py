"""What the small networks share: seeded layers, batches, and training on one core.

Weights, dropout and batches of a fit are drawn from one generator, so that its result depends on
neither PyTorch's global generator nor its number of threads. torch and skorch are imported only for
training; a fitted network is stored as plain arrays.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from seiqa_features.threads import on_one_core

__all__ = ["Batches", "FloatRows", "dropout", "linear", "on_one_core", "trained"]

FloatRows = np.typing.NDArray[np.float32]


class Batches:
    """The rows of a skorch data set in batches, indexed from one tensor; shuffled if given draws.

    torch's own loader fetches a batch row by row, which took longer than the training step itself,
    and draws from the global generator.

    Parameters
    ----------
    dataset : skorch.dataset.Dataset or Subset of it
    batch_size : int
    draws : torch.Generator, optional
        Shuffles the rows before each epoch.
    versions : int
        Number of equally good versions of each row, which are side by side in the data set's
        columns; a batch has one of them per row, drawn at random.
    least : int
        A last batch of fewer rows is joined to the one before it.
    """

    def __init__(
        self, dataset: Any, batch_size: int, draws: Any = None, versions: int = 1, least: int = 1
    ) -> None:
        whole, rows = getattr(dataset, "dataset", dataset), getattr(dataset, "indices", slice(None))
        self.inputs, self.outputs = whole.X[rows], whole.y[rows]
        self.batch_size = batch_size
        self.draws = draws
        self.versions = versions
        self.least = least

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        import torch

        inputs, outputs = torch.from_numpy(self.inputs), torch.from_numpy(self.outputs)
        inputs = inputs.view(len(inputs), self.versions, -1)
        order = torch.arange(len(inputs))
        if self.draws is not None:
            order = torch.randperm(len(inputs), generator=self.draws)
        parts = list(torch.split(order, self.batch_size))
        if len(parts) > 1 and len(parts[-1]) < self.least:
            parts[-2:] = [torch.cat(parts[-2:])]
        for rows in parts:
            version: Any = 0
            if self.versions > 1:
                version = torch.randint(self.versions, (len(rows),), generator=self.draws)
            yield inputs[rows, version], outputs[rows]


def trained(
    learner: Any,
    network: Any,
    loss: Callable[[Any, Any], Any],
    draws: Any,
    inputs: FloatRows,
    outputs: FloatRows,
    *,
    most_steps: int | None = None,
    callbacks: Sequence[Any] = (),
    split: Any = None,
    **batches: int,
) -> Any:
    """The network, trained by AdamW with a cosine schedule.

    Parameters
    ----------
    learner : estimator
        Its max_epochs, batch_size, learning_rate and weight_decay are used.
    network : torch.nn.Module
    loss : callable
        Of predictions and targets of a batch.
    draws : torch.Generator
        Shuffles the rows.
    inputs, outputs : float32 [n, columns]
    most_steps : int, optional
        Steps after which fewer epochs than the learner's max_epochs are enough.
    callbacks : sequence
        Further callbacks of skorch.
    split : skorch.dataset.ValidSplit, optional
        Rows that are kept for validation.
    batches : int
        Further parameters of `Batches` for training.
    """
    import torch
    from skorch import NeuralNetRegressor
    from skorch.callbacks import LRScheduler

    # skorch requires the loss as a class, and importing this module must not require torch.
    class Loss(torch.nn.Module):
        def forward(self, prediction: Any, target: Any) -> Any:
            return loss(prediction, target)

    epochs = learner.max_epochs
    if most_steps is not None:
        epochs = min(epochs, math.ceil(most_steps * learner.batch_size / len(inputs)))
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR
    net = NeuralNetRegressor(
        network,
        criterion=Loss,
        optimizer=torch.optim.AdamW,
        optimizer__weight_decay=learner.weight_decay,
        lr=learner.learning_rate,
        max_epochs=epochs,
        batch_size=learner.batch_size,
        iterator_train=Batches,
        iterator_train__draws=draws,
        **{f"iterator_train__{name}": value for name, value in batches.items()},
        iterator_valid=Batches,
        train_split=split,
        callbacks=[LRScheduler(schedule, T_max=epochs), *callbacks],
        callbacks__print_log=None,
        device="cpu",
    )
    return net.fit(inputs, outputs).module_


def linear(n_in: int, n_out: int, draws: Any) -> Any:
    """A linear layer initialised as PyTorch does, but from the generator `draws`."""
    from torch import nn

    layer = nn.Linear(n_in, n_out, device="meta").to_empty(device="cpu")  # draws nothing
    nn.init.kaiming_uniform_(layer.weight, a=math.sqrt(5), generator=draws)
    nn.init.uniform_(layer.bias, -1 / math.sqrt(n_in), 1 / math.sqrt(n_in), generator=draws)
    return layer


def dropout(share: float, draws: Any) -> Any:
    """Like `torch.nn.Dropout`, which supports only the global generator."""
    import torch

    class Dropout(torch.nn.Module):
        def forward(self, values: Any) -> Any:
            if not self.training or not share:
                return values
            kept = torch.empty_like(values).bernoulli_(1 - share, generator=draws)
            return values * kept.div_(1 - share)

    return Dropout()
