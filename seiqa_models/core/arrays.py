"""Array types shared by the model half."""

from __future__ import annotations

import numpy as np
import pandas as pd

FloatVector = np.typing.NDArray[np.float64]
"""float64 [n]."""

FloatMatrix = np.typing.NDArray[np.float64]
"""float64 [n, columns]."""

Table = pd.DataFrame | FloatMatrix
"""Rows of columns: a DataFrame, or a plain matrix of scalars."""

Rows = np.typing.NDArray[np.intp]
"""Row positions, or codes that number groups or folds from 0."""

Names = np.typing.NDArray[np.object_]
"""Names of columns, an array of str."""
