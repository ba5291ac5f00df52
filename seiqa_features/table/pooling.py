"""Pooling over the crops of a grid or of tiles: the values of a pair's crops, combined in one row.

A scalar with a fixed value for equal pictures is pooled to its mean over the crops and its worst
value, the one farthest from that fixed value. Embeddings are averaged, and the cosine between the
crops of the two pictures is kept as mean and worst, because the pooled embedding no longer shows
it.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from seiqa_features.extractors.specs import Output
from seiqa_features.table.pairing import PAIRED, pair_embeddings

Values = Mapping[str, NDArray[np.floating]]


def pooled_outputs(outputs: Mapping[str, Output]) -> dict[str, Output]:
    """The outputs of a view of several crops, given those of a single one."""
    pooled: dict[str, Output] = {}
    for name, output in outputs.items():
        if output.role == "value":
            pooled[f"{name}_mean"] = output
            if output.identity is not None and not output.dim:
                pooled[f"{name}_worst"] = output
        else:
            pooled[name] = output
            if output.role == "ref":
                stem = name.removesuffix("_ref")
                for kind in ("mean", "worst"):
                    pooled[f"{stem}_crop_cosine_{kind}"] = PAIRED["cosine"]
    return pooled


def pool(values: Values, outputs: Mapping[str, Output]) -> dict[str, NDArray[np.floating]]:
    """Pool the crops of one pair, each output [K] or [K, d], to scalars [] and blocks [d].

    `outputs` are those of a single crop. Undefined crops (NaN) are left out; if all are undefined,
    the result is NaN.
    """
    pooled: dict[str, NDArray[np.floating]] = {}
    for name, output in outputs.items():
        crops = values[name]
        if output.role == "value":
            pooled[f"{name}_mean"] = _mean(crops)
            if output.identity is not None and not output.dim:
                pooled[f"{name}_worst"] = _farthest(crops, output.identity)
        else:
            pooled[name] = _mean(crops).astype(np.float32)
            if output.role == "ref":
                stem = name.removesuffix("_ref")
                cosine = pair_embeddings(ref=crops, dist=values[f"{stem}_dist"])["cosine"]
                pooled[f"{stem}_crop_cosine_mean"] = _mean(cosine)
                pooled[f"{stem}_crop_cosine_worst"] = _farthest(cosine, 1.0)
    return pooled


def _mean(crops: NDArray[np.floating]) -> NDArray[np.floating]:
    # Not np.nanmean: to silence its warning would change the filters of all threads.
    values = crops.astype(np.float64)
    known = ~np.isnan(values)
    total, counts = np.where(known, values, 0.0).sum(axis=0), np.asarray(known.sum(axis=0))
    mean = np.full(counts.shape, np.nan)
    np.divide(total, counts, out=mean, where=counts > 0)
    return mean


def _farthest(crops: NDArray[np.floating], identity: float) -> NDArray[np.floating]:
    distance = np.abs(crops - identity)
    if np.isnan(distance).all():
        return np.asarray(np.nan)
    return np.asarray(crops[np.nanargmax(distance)])
