"""Whether this installation computes the features that a bundle was trained on."""

from __future__ import annotations

import logging
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from seiqa_features.errors import DataError, UsageError
from seiqa_features.extraction.runtime import Runtime
from seiqa_features.table.recipe import Recipe
from seiqa_features.table.table import column_dims
from seiqa_models.bundle import Bundle
from seiqa_models.inspection.soundness import expected_columns
from seiqa_models.stack.regressor import SeiqaRegressor

logger = logging.getLogger(__name__)


def matching_recipe(bundle: Bundle, runtime: Runtime) -> Recipe:
    """The bundle's recipe, if this installation computes the same features.

    A different extractor version, view or weights file is an error, and so is a missing column: the
    model would read different numbers from those it was trained on. Different library versions or
    arithmetic (GPU or CPU) only cause a warning. Outputs that the model does not read may be added
    or removed.

    Raises
    ------
    DataError
        The features differ, or the bundle was trained on a table.
    WeightsError
        Weights are missing, changed or damaged.
    """
    if "features" not in bundle.recipe:
        raise DataError(["bundle was trained on a table, not on pictures; use seiqa predict-table"])
    try:
        saved = _SavedRecipe.model_validate(bundle.recipe)
        recipe = Recipe.parse(saved.features)
    except ValidationError as error:
        where = ".".join(map(str, error.errors()[0]["loc"]))
        raise DataError([f"bundle's recipe: {where} has another type than it must have"]) from None
    except UsageError as error:
        raise DataError([f"bundle was trained on other features: {error}; train again"]) from None
    _require_columns(bundle.regressor, recipe)
    recipe, _ = runtime.bind(recipe)
    for block in recipe.blocks:
        then, now = dict(saved.blocks.get(block.name, {})), dict(block.ingredients)
        for ingredients in (then, now):
            ingredients.pop("outputs", None)  # the columns that the model reads were checked
        for name in ("libraries", "dtype"):
            before, after = then.pop(name, None), now.pop(name)
            if before != after:
                logger.warning(
                    "%s: the bundle was trained with %s %s, now %s; scores may differ slightly",
                    block.name, name, before, after,
                )  # fmt: skip
        if then != now:
            name = next(name for name in {**now, **then} if now.get(name) != then.get(name))
            raise DataError(
                [f"bundle was trained on {block.name} with {name} {then.get(name)}, this"
                 f" installation has {now.get(name)}; train again"]
            )  # fmt: skip
    return recipe


class _SavedRecipe(BaseModel):
    """A bundle's description of its features, as written by `Recipe.to_dict`."""

    model_config = ConfigDict(strict=True)

    features: dict[str, list[str]]
    blocks: dict[str, dict[str, Any]]


def _require_columns(regressor: SeiqaRegressor, recipe: Recipe) -> None:
    """Refuse a model that reads columns its recipe does not produce, before any extraction."""
    made = column_dims(recipe)
    for name, dim in expected_columns(regressor).items():
        if made.get(name) != dim:
            raise DataError(
                [f"bundle: its model reads {name} of {dim} values, its recipe makes"
                 f" {made.get(name, 'no such column')}; train again"]
            )  # fmt: skip
