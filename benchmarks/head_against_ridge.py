"""Is DSS-SQA's head better than ridge regression on the same embeddings? Measures, asserts nothing.

    python benchmarks/head_against_ridge.py RUN [--seeds 5] [--network NAME]

RUN is the folder of a `seiqa features` on labelled pairs, with at least one network that has
embeddings: for the figures in the documentation, tid.csv of `shared_pictures.py` with the features
`lite0: [min224]` and `timm:vit_tiny_patch16_224.augreg_in21k_ft_in1k: [s224]`. For every network by
itself, and for all of them, each seed draws 5 folds of whole groups; every row is predicted by
models that never saw its group. The candidates read the same numbers:

- `ridge`: linear on standardised columns, penalty by leave-one-out error, as in the pool;
- `ordinal_head`: DSS-SQA's network on standardised columns, 40 epochs, as in the pool;
- `ridge_unscaled`: linear on the columns as they are, penalty likewise;
- `dss_sqa`: the network with all of the original's constants (columns as they are, 10 epochs),
  without the gate, which needs CLIP's cosine, and without mirrored pictures.

Each network is compared with the linear model that reads its columns in the same way.

Printed are the means over the seeds, and the difference to that model with a 95 % bootstrap
interval over groups, for the mean prediction of all seeds. Scores are final = 0.6·SROCC + 0.4·PLCC.
"""
# ruff: noqa: T201

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.linear_model import RidgeCV

from pipelines.runs.folder import FEATURES, PAIRS
from seiqa_features.commits import current
from seiqa_features.table.table import read_table
from seiqa_models.core.columns import split_columns
from seiqa_models.core.metrics import final_score, plcc, srocc
from seiqa_models.core.splits import make_folds
from seiqa_models.core.threads import one_core
from seiqa_models.evaluation.compare import compare
from seiqa_models.learners.registry import make_learner
from seiqa_models.stack.dense import DenseBlocks

UNSCALED, ORIGINAL = "ridge_unscaled", "dss_sqa"
CANDIDATES = ("ridge", "ordinal_head", UNSCALED, ORIGINAL)
RIVALS = {"ordinal_head": "ridge", ORIGINAL: UNSCALED}
PENALTIES = np.logspace(-6, 4, 21)
FOLDS = 5


def main() -> None:
    """Print a table for every network, and for all of them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, help="folder of a `seiqa features`")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--network", help="only this one of the run's networks")
    options = parser.parse_args()
    pairs = pd.read_parquet(current(options.run / PAIRS)).dropna(subset="mos")
    table = read_table(current(options.run / FEATURES)).loc[pairs["pair_id"]]
    _, blocks = split_columns(table)
    by_network: dict[str, list[str]] = {}
    for block in blocks:
        network = block.partition("__")[0]
        if options.network in (None, network):
            by_network.setdefault(network, []).append(block)
    if not by_network:
        raise SystemExit(f"{options.run}: no dense blocks; extract a network with embeddings")
    if len(by_network) > 1:
        by_network["all"] = blocks
    for network, columns in by_network.items():
        numbers = DenseBlocks().fit(table[columns])
        sizes = ", ".join(f"{name.partition('__')[2]} {width}" for name, width in numbers.blocks_)
        print(f"\n{network} ({sizes})")
        report(numbers.transform(table[columns]), pairs, range(options.seeds))


def report(values: np.ndarray, pairs: pd.DataFrame, seeds: Iterable[int]) -> None:
    """One line for every candidate."""
    label, groups = pairs["mos"].to_numpy(), pairs["group_id"].to_numpy()
    found = {
        name: np.array([held_out(name, values, label, groups, seed) for seed in seeds])
        for name in CANDIDATES
    }
    print(f"  {'candidate':14} {'SROCC':>7} {'PLCC':>7} {'final':>7} {'least':>7} {'most':>7}")
    for name, rows in found.items():
        finals = [final_score(label, row) for row in rows]
        ranks, lines = (np.mean([score(label, row) for row in rows]) for score in (srocc, plcc))
        line = f"  {name:14} {ranks:7.4f} {lines:7.4f} {np.mean(finals):7.4f} {min(finals):7.4f}" \
               f" {max(finals):7.4f}"  # fmt: skip
        if name in RIVALS:
            rival = found[RIVALS[name]]
            lead = compare(label, rows.mean(axis=0), rival.mean(axis=0), groups)
            low, high = lead["interval"]
            wins = sum(
                final_score(label, ours) > final_score(label, theirs)
                for ours, theirs in zip(rows, rival, strict=True)
            )
            line += (
                f"   {lead['difference']:+.4f} ({low:+.4f} to {high:+.4f}), p ="
                f" {lead['p_value']:.3f}, better with {wins} of {len(rows)} seeds"
            )
        print(line, flush=True)


def held_out(
    name: str, values: np.ndarray, label: np.ndarray, groups: np.ndarray, seed: int
) -> np.ndarray:
    """Every row's prediction by a model that never saw its group."""
    scores = np.empty(len(label))
    for train, test in make_folds(groups, n_splits=FOLDS, seed=seed):
        if name == UNSCALED:
            learner = RidgeCV(alphas=PENALTIES)
        else:
            learner = make_learner(name, random_state=seed)
        if name == ORIGINAL:
            learner.set_params(gate=None, blocks=[("all", values.shape[1])])
        with one_core():
            scores[test] = learner.fit(values[train], label[train]).predict(values[test])
    return scores


if __name__ == "__main__":
    main()
