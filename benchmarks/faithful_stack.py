"""The runner-up's model half the way its authors run it (arXiv 2604.11207), with its flaws.

One shuffled split into five serves everything: the Ridge meta-features of the dense blocks, the
out-of-fold predictions of the thirteen learners, and the ranking network, which stops early on the
very fold it then predicts. SLSQP searches the weights on SROCC itself. Everything is then fitted
once more on all rows; how long the network trains there no source says: here as long as it did in
the five folds on average.

For comparing cost. ``CONFIG=runner_up`` is the same pool in our stack, without the leaks.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pandas as pd
import torch
from scipy.optimize import minimize
from scipy.stats import pearsonr, spearmanr
from sklearn.linear_model import Ridge
from sklearn.model_selection import KFold
from sklearn.preprocessing import MinMaxScaler
from torch import nn

from seiqa_models.core.arrays import FloatMatrix, FloatVector
from seiqa_models.core.columns import dense_matrix, scalar_matrix, split_columns
from seiqa_models.core.splits import Fold
from seiqa_models.learners.networks.losses import softplus_loss
from seiqa_models.learners.registry import make_learner
from seiqa_models.learners.runner_up import FACTORIES

RANKER = "runner_up_ranker"
LEARNERS = tuple(name for name in FACTORIES if name != RANKER)
META_ALPHA = 500.0
MAX_WEIGHT, SHRINKAGE, SROCC_SHARE = 0.35, 0.15, 0.75
EPOCHS, PATIENCE = 380, 35


class FaithfulStack:
    """Meta-features → thirteen learners → SLSQP, on tables without missing values.

    Attributes
    ----------
    seconds
        Part → CPU seconds so far; each learner is a part.
    """

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed
        self.seconds: dict[str, float] = defaultdict(float)

    def fit(self, X: pd.DataFrame, y: FloatVector) -> FaithfulStack:
        """Fit on all rows; X holds float columns and dense blocks."""
        folds = list(KFold(5, shuffle=True, random_state=self.seed).split(y))
        self.scalars, self.blocks = split_columns(X)
        with self._timed("meta-features"):
            values = np.column_stack([scalar_matrix(X, self.scalars), *self._fit_meta(X, y, folds)])
        oof = np.empty((len(y), len(LEARNERS) + 1))
        self.learners = {}
        for column, name in enumerate(LEARNERS):
            with self._timed(name):
                for train, test in folds:
                    fitted = self._learner(name).fit(values[train], y[train])
                    oof[test, column] = fitted.predict(values[test])
                self.learners[name] = self._learner(name).fit(values, y)
        with self._timed(RANKER):
            self.ranker = self._fit_ranker(values, y, folds, oof[:, -1])
        with self._timed("fusion"):
            self.weights = slsqp_weights(oof, y)
        return self

    def predict(self, X: pd.DataFrame) -> FloatVector:
        """Scores float64 [n]."""
        with self._timed("predicting"):
            meta = [self.meta[name].predict(dense_matrix(X[name])) for name in self.blocks]
            values = np.column_stack([scalar_matrix(X, self.scalars), *meta])
            columns = [learner.predict(values) for learner in self.learners.values()]
            fused: FloatVector = np.column_stack([*columns, self.ranker.predict(values)])
            return fused @ self.weights

    def _learner(self, name: str):  # type: ignore[no-untyped-def]  # scikit-learn has no types
        return make_learner(name, random_state=self.seed)

    def _fit_meta(self, X: pd.DataFrame, y: FloatVector, folds: list[Fold]) -> list[FloatVector]:
        columns = []
        self.meta = {}
        for name in self.blocks:
            matrix = dense_matrix(X[name])
            column = np.empty(len(y))
            for train, test in folds:
                column[test] = Ridge(META_ALPHA).fit(matrix[train], y[train]).predict(matrix[test])
            self.meta[name] = Ridge(META_ALPHA).fit(matrix, y)
            columns.append(column)
        return columns

    def _fit_ranker(
        self, values: FloatMatrix, y: FloatVector, folds: list[Fold], oof: FloatVector
    ) -> Ranker:
        epochs = []
        for train, test in folds:
            ranker = Ranker(EPOCHS, self.seed).fit(values[train], y[train], values[test], y[test])
            oof[test] = ranker.predict(values[test])
            epochs.append(ranker.epochs)
        return Ranker(round(np.mean(epochs)), self.seed).fit(values, y)

    @contextmanager
    def _timed(self, part: str) -> Iterator[None]:
        started = time.process_time()
        yield
        self.seconds[part] += time.process_time() - started


class Ranker:
    """The 192-64-1 network in a plain loop, one batch of all rows an epoch."""

    def __init__(self, epochs: int, seed: int) -> None:
        self.epochs = epochs
        self.seed = seed

    def fit(
        self,
        X: FloatMatrix,
        y: FloatVector,
        watched: FloatMatrix | None = None,
        watched_y: FloatVector | None = None,
    ) -> Ranker:
        """Train; with watched rows, stop on their loss and keep the best epoch."""
        torch.manual_seed(self.seed)
        self.scaler = MinMaxScaler().fit(X)
        self.mean, self.scale = y.mean(), y.std()
        inputs, target = self._inputs(X), self._target(y)
        self.net = nn.Sequential(
            nn.Linear(X.shape[1], 192), nn.ReLU(), nn.Dropout(0.12),
            nn.Linear(192, 64), nn.ReLU(), nn.Dropout(0.12), nn.Linear(64, 1),
        )  # fmt: skip
        optimizer = torch.optim.AdamW(self.net.parameters(), lr=2e-3, weight_decay=1e-4)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, EPOCHS)
        best, best_epoch, best_state = np.inf, self.epochs, None
        for epoch in range(1, self.epochs + 1):
            self.net.train()
            optimizer.zero_grad()
            softplus_loss(self.net(inputs), target).backward()
            optimizer.step()
            schedule.step()
            if watched is None or watched_y is None:
                continue
            loss = float(softplus_loss(self._output(watched), self._target(watched_y)))
            if loss < best:
                best, best_epoch = loss, epoch
                best_state = {name: value.clone() for name, value in self.net.state_dict().items()}
            elif epoch - best_epoch >= PATIENCE:
                break
        if best_state is not None:
            self.net.load_state_dict(best_state)
        self.epochs = best_epoch
        return self

    def predict(self, X: FloatMatrix) -> FloatVector:
        """Scores float64 [n]."""
        return np.asarray(self._output(X)[:, 0].double().numpy() * self.scale + self.mean)

    def _output(self, X: FloatMatrix) -> torch.Tensor:
        self.net.eval()
        with torch.no_grad():
            output: torch.Tensor = self.net(self._inputs(X))
        return output

    def _inputs(self, X: FloatMatrix) -> torch.Tensor:
        return torch.from_numpy(self.scaler.transform(X)).float()

    def _target(self, y: FloatVector) -> torch.Tensor:
        return torch.from_numpy((y - self.mean) / self.scale).float()[:, None]


def slsqp_weights(predictions: FloatMatrix, y: FloatVector) -> FloatVector:
    """Their fusion: SLSQP with numeric gradients, from equal weights."""
    m = predictions.shape[1]
    uniform = np.full(m, 1 / m)

    def cost(weights: FloatVector) -> float:
        fused = predictions @ weights
        score = SROCC_SHARE * spearmanr(y, fused)[0] + (1 - SROCC_SHARE) * pearsonr(y, fused)[0]
        return float(SHRINKAGE * np.sum((weights - uniform) ** 2) - score)

    found = minimize(
        cost,
        uniform,
        method="SLSQP",
        bounds=[(0, MAX_WEIGHT)] * m,
        constraints={"type": "eq", "fun": lambda weights: weights.sum() - 1},
    )
    weights: FloatVector = found.x
    return weights
