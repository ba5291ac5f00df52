"""The representation ``dense``: the numbers of all dense blocks, instead of their meta-features."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from seiqa_models.core.arrays import FloatMatrix
from seiqa_models.core.columns import dense_matrix, split_columns
from seiqa_models.core.errors import TableError

DENSE = "dense"
"""Name of the representation, as in ``ordinal_head@dense``."""


class DenseBlocks(TransformerMixin, BaseEstimator, auto_wrap_output_keys=None):  # type: ignore[call-arg]
    """Dense blocks of a feature table side by side, unchanged; scalars are left out.

    Unlike other representations it reads the feature table, not the prepared columns.

    Attributes
    ----------
    blocks_ : list of (str, int)
        Name and width of each block, in the order of the table's columns.
    medians_ : float64 [sum of widths]
    """

    def fit(self, X: pd.DataFrame) -> DenseBlocks:
        """Note the blocks of X.

        Raises
        ------
        TableError
            There are none, or one has missing values.
        """
        _, names = split_columns(X)
        if not names:
            raise TableError(
                f"a learner reads the representation {DENSE!r}, but the table has no dense blocks:"
                f" leave out the learners that end in @{DENSE}, or extract embeddings"
            )
        parts = [dense_matrix(X[name]) for name in names]
        self.blocks_ = [(name, part.shape[1]) for name, part in zip(names, parts, strict=True)]
        self.medians_ = np.concatenate([np.median(part, axis=0) for part in parts]).astype(
            np.float64
        )
        return self

    def transform(self, X: pd.DataFrame) -> FloatMatrix:
        """The blocks' numbers, float64 [n, sum of widths]; blocks are found by name.

        Raises
        ------
        TableError
            A block has missing values, or differs in width from fit.
        """
        check_is_fitted(self, "blocks_")
        return np.hstack([_block(X[name], width) for name, width in self.blocks_])


def _block(series: pd.Series, width: int) -> FloatMatrix:
    matrix = dense_matrix(series)
    if matrix.shape[1] != width:
        raise TableError(
            f"dense block {series.name!r} has {matrix.shape[1]} values a row, the model was trained"
            f" with {width}: extract the same features"
        )
    return matrix.astype(np.float64)
