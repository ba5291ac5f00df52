"""What a scorer is to Python: a call on batches of tensors, a text, and something to pickle."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Self

import pandas as pd

from seiqa_features.extraction.runtime import Runtime
from seiqa_features.pictures.inputs import Picture
from seiqa_features.pictures.pair_inputs import both_batches
from seiqa_features.table.recipe import Recipe
from seiqa_models.bundle import Bundle

if TYPE_CHECKING:
    import torch


class ScorerInterface(ABC):
    """Adds to a scorer of many pairs the call of metrics in PyTorch libraries, repr and pickle."""

    bundle: Bundle
    workers: int
    runtime: Runtime
    recipe: Recipe
    as_collection: str | None

    @abstractmethod
    def score_many(
        self, pairs: pd.DataFrame | Sequence[Picture], dist: Sequence[Picture] | None = None
    ) -> pd.DataFrame:
        """A table with a row and a `score` for each pair."""

    def __call__(self, dist: torch.Tensor, ref: torch.Tensor) -> torch.Tensor:
        """The score of each pair, with a gradient if `dist` requires one.

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
            A gradient is wanted, but a learner or a feature of the bundle has none.
        """
        import torch

        refs, dists = both_batches(dist, ref)
        if torch.is_grad_enabled() and (dist.requires_grad or ref.requires_grad):
            from seiqa_models.gradients.scores import scores_with_gradient

            return scores_with_gradient(
                dist,
                ref,
                regressor=self.bundle.regressor,
                recipe=self.recipe,
                runtime=self.runtime,
                collection=self.as_collection,
            )
        scores = self.score_many(refs, dists)["score"].to_numpy(copy=True)
        return torch.from_numpy(scores).to(dist.device)

    def scoring_as(self, collection: str | None) -> Self:
        """This scorer for the observers of another collection; all else is shared, not copied.

        Parameters
        ----------
        collection : str | None
            One of the bundle's collections; None: what all have in common.

        Raises
        ------
        TableError
            The bundle has no such collection.
        """
        self.bundle.regressor.require_collection(collection)
        other = object.__new__(type(self))
        vars(other).update(vars(self), as_collection=collection)
        return other

    @property
    def scale(self) -> tuple[float, float]:
        """The lowest and the highest score of the bundle."""
        low, high = self.bundle.regressor.label_range_
        return float(low), float(high)

    def __repr__(self) -> str:
        low, high = self.scale
        name = self.bundle.card.get("name", "a bundle without a name")
        features = ", ".join(dict.fromkeys(block.spec.name for block in self.recipe.blocks))
        where = f"device {self.runtime.device}; scale {low:g} to {high:g}"
        return f"Scorer({name}; features {features}; {where})"

    def __reduce__(self) -> tuple[Any, ...]:
        """Give another process the bundle and the settings; it builds the networks by itself."""
        names = ("workers", "runtime", "as_collection")
        settings = {name: getattr(self, name) for name in names}
        return partial(type(self), **settings), (self.bundle,)
