"""Scores of batches of tensors, with the call of metrics in PyTorch libraries."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

from seiqa_features.errors import UsageError
from seiqa_features.pictures.inputs import Picture, both_batches

if TYPE_CHECKING:
    import torch


class OnBatches(ABC):
    """Gives a scorer of many pairs a call on two batches."""

    @abstractmethod
    def score_many(
        self, pairs: pd.DataFrame | Sequence[Picture], dist: Sequence[Picture] | None = None
    ) -> pd.DataFrame:
        """A table with a row and a `score` for each pair."""

    def __call__(self, dist: torch.Tensor, ref: torch.Tensor) -> torch.Tensor:
        """The score of each pair.

        Parameters
        ----------
        dist : torch.Tensor
            [B, C, H, W] on any device, values as for a single tensor.
        ref : torch.Tensor
            As many, or [1, C, H, W] for all pairs; its pictures may have another size.

        Returns
        -------
        torch.Tensor
            float64 [B], on the device of `dist`.

        Raises
        ------
        DataError
            Lists everything wrong with the pictures.
        UsageError
            A gradient is wanted. Scores have none, because no learner of the registry is written
            in PyTorch from its input to its output.
        """
        import torch

        refs, dists = both_batches(dist, ref)
        if torch.is_grad_enabled() and (dist.requires_grad or ref.requires_grad):
            raise UsageError(
                "scores have no gradient, because the learners of a stack are not differentiable;"
                " score under torch.no_grad(), and use seiqa_features.create_metric('mdsi') or"
                " another metric as a loss"
            )
        scores = self.score_many(refs, dists)["score"].to_numpy(copy=True)
        return torch.from_numpy(scores).to(dist.device)
