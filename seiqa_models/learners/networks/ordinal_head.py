"""OrdinalHead: a small network that chooses among levels of quality, after DSS-SQA.

The recipe is that of DSS-SQA, fifth in the LoViF 2026 SeIQA challenge (arXiv 2604.11207): 256 units
with batch normalisation, 128 units, one logit per level; the score is the expected level. As in
`seiqa_models.learners.networks.ranker`, the fitted network is stored as plain arrays, so prediction
needs neither torch nor skorch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit, softmax
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import validate_data

from seiqa_models.core.arrays import FloatMatrix, FloatVector
from seiqa_models.core.frames import known_rows
from seiqa_models.learners.networks.losses import ordinal_loss
from seiqa_models.learners.networks.training import (
    FloatRows,
    dropout,
    linear,
    on_one_core,
    trained,
)

MIRRORED = "_mirrored"
"""Ending of the name of a block that describes the mirrored pictures of another block."""

GATE = (0.40, 12.0)
"""DSS-SQA's gate: a cosine below .40 adds 12 to the logit of the lowest level."""

_LEAST_BATCH = 2
"""Batch normalisation needs two rows."""


class OrdinalHead(RegressorMixin, BaseEstimator):
    """Classifier of levels whose prediction is the expected label.

    Labels are divided into levels at equal distances from the lowest to the highest training label.
    Training minimises `seiqa_models.learners.networks.losses.ordinal_loss` by AdamW with a cosine
    schedule.

    Parameters
    ----------
    levels : int
        Number of levels.
    hidden : (int, int)
        Widths of the hidden layers; batch normalisation follows the first.
    dropout : (float, float)
        Share of hidden units dropped in training after each of them, in [0, 1).
    learning_rate, weight_decay : float
        AdamW's settings; the rate falls to 0 along a half cosine.
    max_epochs : int
    batch_size : int
        Rows per step.
    max_gradient : float
        The gradient is shortened to this norm.
    raw_blocks : bool
        Whether dense blocks are read unchanged, as DSS-SQA does. Otherwise every column is
        standardised, and so are columns that are not part of a block.
    gate : (float, float), optional
        Threshold and strength: where the last number of the last block is below the threshold, the
        strength is added to the logit of the lowest level, in prediction only. Without blocks there
        is no gate. See `GATE`.
    blocks : sequence of (str, int), optional
        Name and width of the dense blocks whose numbers are the columns, in this order; set by the
        pool if the learner reads the representation ``dense``. A block named like another one with
        the ending ``_mirrored`` is no input of its own: it describes the same pairs with both
        pictures mirrored, and in training each row of a batch is drawn from one of the two.
    random_state : int
        Seed of weights, dropout, batches and drawn versions.

    Attributes
    ----------
    coefs_, intercepts_ : list of ndarray
        Weights float32 [in, out] and biases float64 [out] of each layer, with standardisation and
        batch normalisation included.
    columns_ : int ndarray
        Columns of X that are inputs.
    low_, high_ : float
        Labels of the lowest and the highest level.
    """

    def __init__(
        self,
        levels: int = 6,
        hidden: tuple[int, int] = (256, 128),
        dropout: tuple[float, float] = (0.5, 0.2),
        learning_rate: float = 2e-4,
        weight_decay: float = 0.01,
        max_epochs: int = 10,
        batch_size: int = 32,
        max_gradient: float = 1.0,
        raw_blocks: bool = False,
        gate: tuple[float, float] | None = None,
        blocks: Sequence[tuple[str, int]] | None = None,
        random_state: int = 0,
    ) -> None:
        self.levels = levels
        self.hidden = hidden
        self.dropout = dropout
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.max_gradient = max_gradient
        self.raw_blocks = raw_blocks
        self.gate = gate
        self.blocks = blocks
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: ArrayLike) -> OrdinalHead:
        """Train on X float [n, p] and y float [n].

        The result depends on neither PyTorch's number of threads nor its global generator, and both
        are left unchanged.
        """
        checked = validate_data(self, X, y, dtype=np.float64, y_numeric=True, ensure_min_samples=2)
        values: FloatMatrix = checked[0]
        label: FloatVector = checked[1].astype(np.float64)
        self.low_, self.high_ = float(label.min()), float(label.max())
        self.columns_, mirrored = _inputs(self.blocks, values.shape[1])
        inputs = values[:, self.columns_]
        centre, scale = np.zeros(inputs.shape[1]), np.ones(inputs.shape[1])
        if self.blocks is None or not self.raw_blocks:
            centre, scale = inputs.mean(axis=0), inputs.std(axis=0)
            scale[scale == 0] = 1.0
        sides = [inputs] if mirrored is None else [inputs, values[:, mirrored]]
        versions = np.hstack([(side - centre) / scale for side in sides])
        spread = (self.high_ - self.low_) or 1.0
        level = (label - self.low_) / spread * (self.levels - 1)
        first, *rest = _trained_layers(
            self, versions.astype(np.float32), level.astype(np.float32)[:, None], len(sides)
        )
        weight = first[0] / scale[:, None]
        layers = [(weight, first[1] - centre @ weight), *rest]
        self.coefs_ = [weight.astype(np.float32) for weight, _ in layers]
        self.intercepts_ = [bias for _, bias in layers]
        return self

    def predict(self, X: ArrayLike) -> FloatVector:
        """Expected labels float64 [n], between the lowest and the highest training label."""
        values = known_rows(self, X, "coefs_")
        values = values[:, self.columns_]
        logits = values
        for coef, intercept in zip(self.coefs_[:-1], self.intercepts_[:-1], strict=True):
            logits = logits @ coef.astype(np.float64) + intercept
            logits = logits * expit(logits)  # SiLU
        logits = logits @ self.coefs_[-1].astype(np.float64) + self.intercepts_[-1]
        if self.gate is not None and self.blocks is not None:
            threshold, strength = self.gate
            logits[values[:, -1] < threshold, 0] += strength
        expected: FloatVector = softmax(logits, axis=1) @ np.linspace(0, 1, self.levels)
        return self.low_ + expected * (self.high_ - self.low_)


def _inputs(
    blocks: Sequence[tuple[str, int]] | None, width: int
) -> tuple[np.typing.NDArray[np.intp], np.typing.NDArray[np.intp] | None]:
    """Columns that are inputs, and the columns of their mirrored version, None if there is none.

    A block without a mirrored one is its own mirrored version.
    """
    if blocks is None:
        return np.arange(width), None
    ends = np.cumsum([size for _, size in blocks])
    place = {
        name: np.arange(end - size, end) for (name, size), end in zip(blocks, ends, strict=True)
    }
    own = [
        name
        for name in place
        if not (name.endswith(MIRRORED) and name.removesuffix(MIRRORED) in place)
    ]
    columns = np.concatenate([place[name] for name in own])
    if len(own) == len(place):
        return columns, None
    return columns, np.concatenate([place.get(f"{name}{MIRRORED}", place[name]) for name in own])


@on_one_core
def _trained_layers(
    head: OrdinalHead, inputs: FloatRows, outputs: FloatRows, versions: int
) -> list[tuple[FloatMatrix, FloatVector]]:
    """Train the network and return (weight [in, out], bias [out]) of each linear layer, float64.

    The first layer includes batch normalisation.
    """
    import torch
    from skorch.callbacks import GradientNormClipping

    draws = torch.Generator().manual_seed(head.random_state)
    network = trained(
        head,
        _network(inputs.shape[1] // versions, head, draws),
        ordinal_loss,
        draws,
        inputs,
        outputs,
        callbacks=[GradientNormClipping(head.max_gradient)],
        versions=versions,
        least=_LEAST_BATCH,
    )
    parts: list[Any] = [
        part for part in network if isinstance(part, torch.nn.Linear | torch.nn.BatchNorm1d)
    ]
    first, normalise, second, last = parts
    layers = [_arrays(layer.weight.T, layer.bias) for layer in (first, second, last)]
    gain, shift = _arrays(normalise.weight, normalise.bias)
    mean, variance = _arrays(normalise.running_mean, normalise.running_var)
    gain = gain / np.sqrt(variance + normalise.eps)
    layers[0] = (layers[0][0] * gain, (layers[0][1] - mean) * gain + shift)
    return layers


def _arrays(*tensors: Any) -> tuple[FloatMatrix, FloatVector]:
    one, other = (tensor.detach().numpy().astype(np.float64) for tensor in tensors)
    return one, other


def _network(n_inputs: int, head: OrdinalHead, draws: Any) -> Any:
    """The layers, with weights and dropout from one generator."""
    from torch import nn

    first, second = head.hidden
    return nn.Sequential(
        linear(n_inputs, first, draws),
        nn.BatchNorm1d(first),
        nn.SiLU(),
        dropout(head.dropout[0], draws),
        linear(first, second, draws),
        nn.SiLU(),
        dropout(head.dropout[1], draws),
        linear(second, head.levels, draws),
    )
