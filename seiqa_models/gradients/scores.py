"""Scores of two batches of pictures with a gradient, so that a trained bundle can be a loss."""

from __future__ import annotations

import torch

from seiqa_features.api.gradients import features_of, without_gradient
from seiqa_features.errors import DataError, UsageError
from seiqa_features.extraction.runtime import Runtime
from seiqa_features.pictures.decoding import pixel_key
from seiqa_features.pictures.inputs import as_rgb
from seiqa_features.table.recipe import Recipe
from seiqa_models.gradients.stack import columns_read, obstacles, stack_form
from seiqa_models.stack.regressor import SeiqaRegressor

NAMED = 6
"""Obstacles named in an error; of more, the number is."""


def scores_with_gradient(
    dist: torch.Tensor,
    ref: torch.Tensor,
    *,
    regressor: SeiqaRegressor,
    recipe: Recipe,
    runtime: Runtime,
    collection: str | None,
) -> torch.Tensor:
    """The score of each pair, with a gradient to the degraded picture.

    Parameters
    ----------
    dist, ref : torch.Tensor
        As for `seiqa_features.api.gradients.features_of`.
    regressor : SeiqaRegressor
        Of a bundle.
    recipe : Recipe
        The bundle's, bound to `runtime`.
    collection : str, optional
        As for `SeiqaRegressor.predict`.

    Returns
    -------
    torch.Tensor
        float64 [B] on the device of `dist`. A pair of equal pixels has the top of the scale and no
        gradient.

    Raises
    ------
    UsageError
        The reference needs a gradient, or a learner or a feature has none; each is named.
    DataError
        A batch is no float tensor [B, 3, H, W], or a picture is unusable.
    """
    columns = columns_read(regressor)
    _require_gradient(regressor, recipe, columns)
    if ref.requires_grad:
        raise UsageError("scores have a gradient for dist only; pass ref.detach()")
    for name, batch in (("dist", dist), ("ref", ref)):
        if batch.shape[1] != 3 or not batch.is_floating_point():
            found = f"{batch.dtype} {list(batch.shape)}"
            raise DataError(
                [f"{name}: {found}; expected a float tensor [B, 3, H, W], for a gradient"]
            )
    keys = [[pixel_key(as_rgb(each, name="")) for each in side.detach()] for side in (dist, ref)]
    refs = keys[1] * len(dist) if len(ref) == 1 else keys[1]
    rows = [i for i, (own, other) in enumerate(zip(keys[0], refs, strict=True)) if own != other]
    top = float(regressor.label_range_[1])
    scores = torch.full((len(dist),), top, dtype=torch.float64) + 0 * dist.sum().cpu()
    if rows:
        features = features_of(
            dist[rows],
            ref if len(ref) == 1 else ref[rows],
            recipe=recipe,
            columns=columns,
            runtime=runtime,
        )
        different = stack_form(regressor, collection)(features)
        scores = scores.index_copy(0, torch.tensor(rows), different)
    return scores.to(dist.device)


def _require_gradient(regressor: SeiqaRegressor, recipe: Recipe, columns: set[str]) -> None:
    """Raise UsageError if a part of the bundle has no gradient."""
    found = [*obstacles(regressor), *without_gradient(recipe, columns)]
    if not found:
        return
    rest = f" and {len(found) - NAMED} more" if len(found) > NAMED else ""
    raise UsageError(
        f"scores of this bundle have no gradient, because of {', '.join(found[:NAMED])}{rest};"
        " score under torch.no_grad(), train a bundle without them, or use a metric as a loss"
        " (seiqa_features.create_metric)"
    )
