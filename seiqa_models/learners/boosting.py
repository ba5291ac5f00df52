"""Third-party gradient boosting, without what makes two equal fits differ."""

from __future__ import annotations

from typing import Any, Self

from catboost import CatBoostRegressor


class UndatedCatBoost(CatBoostRegressor):
    """CatBoost whose fitted model holds neither its time of training nor a random identifier.

    Parameters are those of ``catboost.CatBoostRegressor``.
    """

    def fit(self, *args: Any, **kwargs: Any) -> Self:
        """See ``catboost.CatBoostRegressor.fit``."""
        super().fit(*args, **kwargs)
        metadata = self.get_metadata()
        for name in ("train_finish_time", "model_guid"):
            metadata[name] = ""
        return self
