"""ScoreMetric: a scorer with the interface of a torchmetrics metric, for evaluation loops."""

from __future__ import annotations

from typing import Any

import numpy as np

from seiqa_models.scorer import Scorer


class ScoreMetric:
    """Mean score of all pairs passed to `update`.

    Parameters
    ----------
    scorer : Scorer, optional
        By default the scorer of the built-in model.

    Attributes
    ----------
    scores : list of float
        Scores of all pairs since the last reset, in order.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> clean = rng.random((2, 64, 64, 3))
    >>> metric = ScoreMetric()
    >>> metric.update(clean, clean)
    >>> metric.compute()
    5.0
    >>> metric.update(clean.mean(axis=-1), clean)
    >>> len(metric.scores), metric.compute() < 5.0
    (4, True)
    """

    def __init__(self, scorer: Scorer | None = None) -> None:
        self.scorer = scorer or Scorer.load()
        self.reset()

    def update(self, preds: Any, target: Any) -> None:
        """Score a batch.

        Parameters
        ----------
        preds, target : sequence of pictures
            Degraded or restored pictures, and their references: a tensor [B, C, H, W], an array [B,
            H, W, C], or a list of pictures that `Scorer` accepts.

        Raises
        ------
        DataError
            The numbers of pictures differ, or a picture is unusable.
        """
        self.scores += self.scorer.score_many(target, preds)["score"].tolist()

    def compute(self) -> float:
        """Mean of all scores since the last reset.

        Raises
        ------
        ValueError
            There are none.
        """
        if not self.scores:
            raise ValueError("no pair has been scored yet: call update before compute")
        return float(np.mean(self.scores))

    def reset(self) -> None:
        """Forget all pairs."""
        self.scores: list[float] = []
