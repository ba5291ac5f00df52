"""PairwiseRanker: a small network trained to put pairs of rows in the right order.

The recipe is the LoViF 2026 SeIQA runner-up's (arXiv 2604.11207), without its early stopping on
the fold whose predictions count. torch and skorch do the training and are only imported then; the
fitted network is kept as plain arrays, so predicting or loading a saved model needs neither.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted, validate_data

from seiqa_models.arrays import FloatVector

MSE_WEIGHT = 0.25
RANK_WEIGHT = 0.80


class PairwiseRanker(RegressorMixin, BaseEstimator):
    """MLP regressor (ReLU, dropout) whose loss orders the rows of a batch.

    With standardised target y and prediction f the loss of a batch is

        0.25 · mean (f_i - y_i)² + 0.80 · mean softplus(-(f_i - f_j) · sign(y_i - y_j)),

    the second mean over all pairs with y_i ≠ y_j. AdamW with a cosine schedule, a fixed number of
    epochs and no validation part. Inputs are standardised inside.

    Parameters
    ----------
    hidden : tuple of int
        Widths of the hidden layers.
    dropout : float
        Share of hidden units dropped in training, in [0, 1).
    learning_rate, weight_decay : float
        AdamW's settings; the rate falls to 0 along a half cosine.
    max_epochs : int
    batch_size : int
        Rows per step, and so the rows among which pairs are formed.
    random_state : int
        Seed of weights, dropout and batches.

    Attributes
    ----------
    coefs_, intercepts_ : list of ndarray
        Weights [in, out] and biases [out] of each layer, as in scikit-learn's MLPRegressor.
    scaler_ : StandardScaler; target_mean_, target_scale_ : float
    """

    def __init__(
        self,
        hidden: tuple[int, ...] = (192, 64),
        dropout: float = 0.12,
        learning_rate: float = 2e-3,
        weight_decay: float = 1e-4,
        max_epochs: int = 120,
        batch_size: int = 128,
        random_state: int = 0,
    ) -> None:
        self.hidden = hidden
        self.dropout = dropout
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: ArrayLike) -> PairwiseRanker:
        """Train on X float [n, p] and y float [n]; on one thread, whatever torch is set to."""
        X, y = validate_data(self, X, y, dtype=np.float64, y_numeric=True, ensure_min_samples=2)
        target: FloatVector = np.asarray(y, dtype=np.float64)
        self.scaler_ = StandardScaler()
        inputs = self.scaler_.fit_transform(X).astype(np.float32)
        self.target_mean_ = float(target.mean())
        self.target_scale_ = float(target.std()) or 1.0
        outputs = ((target - self.target_mean_) / self.target_scale_).astype(np.float32)[:, None]
        with _isolated_torch(self.random_state):
            layers = _trained_layers(self, inputs, outputs)
        self.coefs_ = [weight.T.astype(np.float64) for weight, _ in layers]
        self.intercepts_ = [bias.astype(np.float64) for _, bias in layers]
        return self

    def predict(self, X: ArrayLike) -> FloatVector:
        """Predicted labels float64 [n], in the unit of the training labels."""
        check_is_fitted(self, "coefs_")
        values = self.scaler_.transform(validate_data(self, X, dtype=np.float64, reset=False))
        for coef, intercept in zip(self.coefs_[:-1], self.intercepts_[:-1], strict=True):
            values = np.maximum(values @ coef + intercept, 0.0)
        output: FloatVector = (values @ self.coefs_[-1] + self.intercepts_[-1])[:, 0]
        return output * self.target_scale_ + self.target_mean_


def pairwise_loss(prediction: Any, target: Any) -> Any:
    """The loss of one batch; tensors [b, 1] → scalar tensor. See :class:`PairwiseRanker`."""
    from torch.nn import functional

    squared = functional.mse_loss(prediction, target)
    sign = (target - target.T).sign()
    ordered = sign != 0
    if not ordered.any():
        return MSE_WEIGHT * squared
    wrong_way = -(prediction - prediction.T) * sign
    return MSE_WEIGHT * squared + RANK_WEIGHT * functional.softplus(wrong_way[ordered]).mean()


def _trained_layers(
    ranker: PairwiseRanker,
    inputs: np.typing.NDArray[np.float32],
    outputs: np.typing.NDArray[np.float32],
) -> list[tuple[Any, Any]]:
    """Train the network and return (weight [out, in], bias [out]) of each linear layer."""
    import torch
    from skorch import NeuralNetRegressor
    from skorch.callbacks import LRScheduler

    # skorch wants the loss as a class, and this module must not need torch to be imported.
    class PairwiseLoss(torch.nn.Module):
        def forward(self, prediction: Any, target: Any) -> Any:
            return pairwise_loss(prediction, target)

    net = NeuralNetRegressor(
        _network(inputs.shape[1], ranker.hidden, ranker.dropout),
        criterion=PairwiseLoss,
        optimizer=torch.optim.AdamW,
        optimizer__weight_decay=ranker.weight_decay,
        lr=ranker.learning_rate,
        max_epochs=ranker.max_epochs,
        batch_size=ranker.batch_size,
        iterator_train__shuffle=True,
        train_split=None,
        callbacks=[
            LRScheduler(torch.optim.lr_scheduler.CosineAnnealingLR, T_max=ranker.max_epochs)
        ],
        callbacks__print_log=None,
        device="cpu",
    )
    net.fit(inputs, outputs)
    return [
        (layer.weight.detach().numpy(), layer.bias.detach().numpy())
        for layer in net.module_
        if isinstance(layer, torch.nn.Linear)
    ]


def _network(n_inputs: int, hidden: tuple[int, ...], dropout: float) -> Any:
    from torch import nn

    layers: list[Any] = []
    for width in hidden:
        layers += [nn.Linear(n_inputs, width), nn.ReLU(), nn.Dropout(dropout)]
        n_inputs = width
    return nn.Sequential(*layers, nn.Linear(n_inputs, 1))


@contextmanager
def _isolated_torch(seed: int) -> Iterator[None]:
    """Seed torch and use one thread, then restore the caller's generator and threads."""
    import torch

    threads = torch.get_num_threads()
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(threads)
