"""PairwiseRanker: a small network trained to put pairs of rows in the right order.

The recipe is that of the LoViF 2026 SeIQA runner-up (arXiv 2604.11207), except that early stopping,
if enabled, monitors rows split off the training part and never those whose predictions are
evaluated, and that constructed orders may be learned as well. torch and skorch are imported only
for training; the fitted network is stored as plain arrays, so prediction and loading a saved model
need neither.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import validate_data

from seiqa_models.core.arrays import FloatMatrix, FloatVector
from seiqa_models.core.frames import known_rows
from seiqa_models.learners.networks.losses import fidelity_loss, softplus_loss
from seiqa_models.learners.networks.training import (
    FloatRows,
    dropout,
    linear,
    on_one_core,
    trained,
)

LOSSES = {"softplus": softplus_loss, "fidelity": fidelity_loss}
"""The runner-up's loss and the winner's, by their names for ``PairwiseRanker(loss=...)``."""

MOST_STEPS = 4000
"""Steps that are enough for any number of rows: the time to train stops growing with them."""

ORDER_WEIGHT = 0.03
"""Weight of constructed orders in the loss."""

Ordered = tuple[FloatMatrix, NDArray[np.intp]]
"""Rows [m, p] without labels, and pairs [k, 2] of their positions: the first is above."""

_VALIDATION_SHARE = 0.2
"""Share of the training rows that early stopping monitors."""


class PairwiseRanker(RegressorMixin, BaseEstimator):
    """MLP regressor (ReLU, dropout) whose loss orders the rows of a batch.

    Trained on the standardised target by AdamW with a cosine schedule. Inputs must be scaled to
    about unit size, as in the pool's pipelines.

    Parameters
    ----------
    loss : {"softplus", "fidelity"}
        See `seiqa_models.learners.networks.losses`. The output scale under ``fidelity`` is
        arbitrary, so its output is mapped to the label by a straight line fitted on the training
        rows.
    hidden : tuple of int
        Widths of the hidden layers.
    dropout : float
        Share of hidden units dropped in training, in [0, 1).
    learning_rate, weight_decay : float
        AdamW's settings; the rate falls to 0 along a half cosine.
    max_epochs : int
        Passes over the rows; fewer with so many rows that `MOST_STEPS` are reached before.
    patience : int, optional
        Stop after this many epochs without a lower loss on a random fifth of the rows, which are
        excluded from training, and keep the best epoch. By default all rows and epochs are used.
    batch_size : int
        Rows per step, among which pairs are formed.
    random_state : int
        Seed of weights, dropout, batches and the monitored fifth.

    Attributes
    ----------
    coefs_, intercepts_ : list of ndarray
        Weights [in, out] and biases [out] of each layer, as in scikit-learn's MLPRegressor.
    slope_, intercept_ : float
        From the network's output to the label.
    """

    def __init__(
        self,
        loss: str = "softplus",
        hidden: tuple[int, ...] = (192, 64),
        dropout: float = 0.12,
        learning_rate: float = 2e-3,
        weight_decay: float = 1e-4,
        max_epochs: int = 120,
        patience: int | None = None,
        batch_size: int = 128,
        random_state: int = 0,
    ) -> None:
        self.loss = loss
        self.hidden = hidden
        self.dropout = dropout
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.max_epochs = max_epochs
        self.patience = patience
        self.batch_size = batch_size
        self.random_state = random_state

    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        collections: ArrayLike | None = None,
        orders: Ordered | None = None,
    ) -> PairwiseRanker:
        """Train on X float [n, p] and y float [n].

        The result depends on neither PyTorch's number of threads nor its global generator, and both
        are left unchanged.

        Parameters
        ----------
        X, y
        collections : array-like of int [n], optional
            Code of the collection of each row; only rows of the same collection are compared.
        orders : (float [m, p], int [k, 2]), optional
            Rows without labels and constructed orders among them. Every step adds to the loss
            `ORDER_WEIGHT` · mean softplus(f_below − f_above) over as many pairs as there are rows
            in a batch, drawn at random.

        Raises
        ------
        ValueError
            The loss is unknown.
        """
        if self.loss not in LOSSES:
            raise ValueError(f"loss is {self.loss!r}, expected one of {sorted(LOSSES)}")
        checked = validate_data(self, X, y, dtype=np.float64, y_numeric=True, ensure_min_samples=2)
        values: FloatMatrix = checked[0]
        label: FloatVector = checked[1].astype(np.float64)
        centre, scale = float(label.mean()), float(label.std()) or 1.0
        target = ((label - centre) / scale).astype(np.float32)[:, None]
        if collections is not None:
            target = np.column_stack([target, np.asarray(collections)]).astype(np.float32)
        layers = _trained_layers(self, values.astype(np.float32), target, orders)
        self.coefs_ = [weight.T.astype(np.float64) for weight, _ in layers]
        self.intercepts_ = [bias.astype(np.float64) for _, bias in layers]
        self.slope_, self.intercept_ = scale, centre
        if self.loss == "fidelity":
            self.slope_, self.intercept_ = _line(self._output(values), label)
        return self

    def predict(self, X: ArrayLike) -> FloatVector:
        """Predicted labels float64 [n], in the unit of the training labels."""
        values = known_rows(self, X, "coefs_")
        return self._output(values) * self.slope_ + self.intercept_

    def _output(self, values: FloatMatrix) -> FloatVector:
        for coef, intercept in zip(self.coefs_[:-1], self.intercepts_[:-1], strict=True):
            values = np.maximum(values @ coef + intercept, 0.0)
        output: FloatVector = (values @ self.coefs_[-1] + self.intercepts_[-1])[:, 0]
        return output


def _line(x: FloatVector, y: FloatVector) -> tuple[float, float]:
    """Slope and intercept of the least-squares line; the mean of y if x is constant."""
    spread = x.var()
    slope = float(np.mean((x - x.mean()) * (y - y.mean())) / spread) if spread > 0 else 0.0
    return slope, float(y.mean() - slope * x.mean())


@on_one_core
def _trained_layers(
    ranker: PairwiseRanker,
    inputs: FloatRows,
    outputs: FloatRows,
    orders: Ordered | None,
) -> list[tuple[Any, Any]]:
    """Train the network and return (weight [out, in], bias [out]) of each linear layer."""
    import torch
    from skorch.callbacks import EarlyStopping
    from skorch.dataset import ValidSplit
    from skorch.utils import noop

    def loss(prediction: Any, target: Any) -> Any:
        label, collection = target[:, :1], target[:, 1:]
        together = (collection == collection.T,) if collection.shape[1] else ()
        return LOSSES[ranker.loss](prediction, label, *together) + wrongly_ordered()

    callbacks, split = [], None
    if ranker.patience is not None:
        split = ValidSplit(_VALIDATION_SHARE, random_state=ranker.random_state)
        callbacks = [EarlyStopping(patience=ranker.patience, load_best=True, sink=noop)]
    draws = torch.Generator().manual_seed(ranker.random_state)
    network = _network(inputs.shape[1], ranker.hidden, ranker.dropout, draws)
    wrongly_ordered = _order_loss(network, orders, ranker.batch_size, draws)
    network = trained(
        ranker,
        network,
        loss,
        draws,
        inputs,
        outputs,
        most_steps=MOST_STEPS,
        callbacks=callbacks,
        split=split,
    )
    return [
        (layer.weight.detach().numpy(), layer.bias.detach().numpy())
        for layer in network
        if isinstance(layer, torch.nn.Linear)
    ]


def _order_loss(
    network: Any, orders: Ordered | None, n_pairs: int, draws: Any
) -> Callable[[], Any]:
    """What constructed orders add to the loss of a batch; 0 without any."""
    import torch
    from torch.nn import functional

    if orders is None or not len(orders[1]):
        return lambda: 0.0
    rows = torch.from_numpy(orders[0].astype(np.float32))
    pairs = torch.from_numpy(orders[1])

    def wrongly_ordered() -> Any:
        drawn = pairs[torch.randint(len(pairs), (n_pairs,), generator=draws)]
        above, below = network(rows[drawn.T.reshape(-1)])[:, 0].chunk(2)
        return ORDER_WEIGHT * functional.softplus(below - above).mean()

    return wrongly_ordered


def _network(n_inputs: int, hidden: tuple[int, ...], share: float, draws: Any) -> Any:
    """Layers whose weights and dropout come from one generator, in PyTorch's order of drawing."""
    from torch import nn

    layers: list[Any] = []
    for width in hidden:
        layers += [linear(n_inputs, width, draws), nn.ReLU(), dropout(share, draws)]
        n_inputs = width
    return nn.Sequential(*layers, linear(n_inputs, 1, draws))
