"""The pool: a registry of regressor factories, with settings suited to a few hundred rows.

To add a learner, write one function that returns a scikit-learn regressor and decorate it with
``@learner("name")``. A learner gets a finite float64 matrix [n, p] and float labels [n] and does
its own scaling. It must be deterministic for a given ``random_state``, handle more columns than
rows, and consist of parts that skops can save. If its ``fit`` (or that of a pipeline's last step)
has a parameter ``groups``, it also gets the code of each row's group; likewise ``kinds`` of
distortion if they are known, and ``collections``, if there are several.

A package of your own lists its factory in the entry point group ``seiqa.learners``. The contract
tests cover all entries.

The settings were chosen among a handful of alternatives each on held-out references of TID2013 and
KADID-10k, with tables of 21 to 130 columns; differences below .003 SROCC were treated as noise.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.feature_selection import SelectKBest, r_regression
from sklearn.linear_model import LinearRegression, RidgeCV
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVR

from seiqa_models.core.columns import RESULT_COLUMNS
from seiqa_models.core.errors import LearnerError
from seiqa_models.learners.as_is import AsIs
from seiqa_models.learners.consensus import Consensus
from seiqa_models.learners.kind_aware import KindAwareGP
from seiqa_models.learners.networks.factories import NETWORKS
from seiqa_models.learners.noise import NoiseAwareGP
from seiqa_models.learners.ordinal import OrdinalProcess
from seiqa_models.learners.oriented import MonotoneBoosting, OrientedLog, OrientedRanks
from seiqa_models.learners.runner_up import FACTORIES
from seiqa_models.learners.scaling import PartialWhitening, RankNormal
from seiqa_models.learners.trees import MAX_BIN
from seiqa_models.plugins.calls import described
from seiqa_models.plugins.registry import Registry
from seiqa_models.sampling import OnSample

LEARNERS = Registry("learner", group="seiqa.learners", reserved=RESULT_COLUMNS)
"""Every learner by name; the runner-up's are ``runner_up_...``."""

LEARNERS.update(FACTORIES)
LEARNERS.update(NETWORKS)

DEFAULT_POOL = (
    *("gp", "catboost", "xgboost", "lightgbm", "ranker", "svr", "extra_trees"),
    *("ridge", "monotone", "single", "consensus"),
    *("gp@8", "catboost@8", "ranker@8", "svr@8", "extra_trees@8"),
    *("gp@6", "catboost@6", "svr@6", "extra_trees@6"),
)
"""The default members of a stack; `learner@8` reads 8 components of the columns.

First those that do best on new scenes of the same study; then those that are robust when references
are few or a kind of distortion is new; then members of low rank, for pictures from anywhere.
``benchmarks/ablate_pool.py`` measures what each contributes.
"""


learner = LEARNERS.register


def make_learner(name: str, *, random_state: int, n_jobs: int = 1) -> Any:
    """A fresh, unfitted regressor of the pool.

    Raises
    ------
    ValueError
        No learner has this name; the nearest name and all names are given.
    LearnerError
        The factory raised an exception, perhaps because a library is missing; a subclass of
        ValueError.
    """
    factory = LEARNERS.find(name)
    try:
        return factory(random_state, n_jobs)
    except Exception as error:
        raise LearnerError(f"learner {name!r} cannot be made: {described(error)}") from error


def list_learners(pattern: str = "*") -> list[str]:
    """Names of the learners that match a pattern.

    >>> list_learners("*boost")
    ['catboost', 'runner_up_catboost', 'runner_up_xgboost', 'xgboost']
    """
    return LEARNERS.names(pattern)


@learner("catboost")
def catboost(random_state: int, n_jobs: int) -> Any:
    """Oblivious trees with ordered leaves; the column sampling decorrelates collinear metrics."""
    from seiqa_models.learners.boosting import UndatedCatBoost

    return UndatedCatBoost(
        iterations=400,
        learning_rate=0.05,
        depth=4,
        l2_leaf_reg=3.0,
        rsm=0.2,
        border_count=MAX_BIN,
        random_seed=random_state,
        thread_count=n_jobs,
        allow_writing_files=False,
        verbose=False,
    )


@learner("xgboost")
def xgboost(random_state: int, n_jobs: int) -> Any:
    """Depth-wise trees on sampled rows and columns."""
    from xgboost import XGBRegressor

    return XGBRegressor(
        n_estimators=300,
        learning_rate=0.05,
        max_depth=4,
        min_child_weight=3,
        subsample=0.7,
        colsample_bynode=0.2,
        max_bin=MAX_BIN,
        random_state=random_state,
        n_jobs=n_jobs,
    )


@learner("lightgbm")
def lightgbm(random_state: int, n_jobs: int) -> Any:
    """Leaf-wise trees, small leaves allowed because rows are few."""
    from lightgbm import LGBMRegressor

    return LGBMRegressor(
        n_estimators=400,
        learning_rate=0.04,
        num_leaves=8,
        min_child_samples=5,
        subsample=0.7,
        subsample_freq=1,
        colsample_bytree=0.25,
        max_bin=MAX_BIN - 1,
        reg_lambda=1.0,
        random_state=random_state,
        n_jobs=n_jobs,
        deterministic=True,
        force_row_wise=True,
        verbose=-1,
    )


@learner("svr")
def svr(random_state: int, n_jobs: int) -> Any:  # noqa: ARG001
    """Support vector regression with an RBF kernel, inputs by rank, target standardised.

    Time to fit grows with the square of the rows.
    """
    machine = SVR(C=3.0, epsilon=0.1, gamma="scale")
    scaled = TransformedTargetRegressor(machine, transformer=StandardScaler())
    return make_pipeline(RankNormal(), OnSample(scaled, 5000, random_state))


@learner("ridge")
def ridge(random_state: int, n_jobs: int) -> Any:  # noqa: ARG001
    """Linear model on standardised inputs, penalty by leave-one-out error."""
    return make_pipeline(StandardScaler(), RidgeCV(alphas=np.logspace(0, 4, 9)))


@learner("gp")
def gp(random_state: int, n_jobs: int) -> Any:  # noqa: ARG001
    """Gaussian process on distances between rows and, if known, between their kinds."""
    return _by_distance(KindAwareGP, random_state)


@learner("noise_aware")
def noise_aware(random_state: int, n_jobs: int) -> Any:  # noqa: ARG001
    """The Gaussian process with less weight on labels that the other rows contradict."""
    return _by_distance(NoiseAwareGP, random_state)


@learner("ordinal")
def ordinal(random_state: int, n_jobs: int) -> Any:  # noqa: ARG001
    """Gaussian process for labels that are ordered levels."""
    return _by_distance(OrdinalProcess, random_state)


def _by_distance(process: type, random_state: int) -> Any:
    """A process on the columns' ranks, plain values, and distances from their best value.

    On each scale the columns are partly decorrelated. All three together gained .000 to .002 over
    ranks alone on held-out references of TID2013 (table and pictures) and KADID-10k, and lost
    nothing on average on unseen kinds of distortion. There, the other two did as well without the
    ranks, which are kept because outliers cannot dominate distances between ranks.
    """
    scales = (RankNormal(), StandardScaler(), make_pipeline(OrientedLog(), StandardScaler()))
    whitened = [make_pipeline(scale, PartialWhitening()) for scale in scales]
    return make_pipeline(
        make_union(*whitened), process(n_scales=len(scales), random_state=random_state)
    )


@learner("monotone")
def monotone(random_state: int, n_jobs: int) -> Any:
    """Trees that may use a column in one direction only."""
    return MonotoneBoosting(random_state=random_state, n_jobs=n_jobs)


@learner("nonnegative")
def nonnegative(random_state: int, n_jobs: int) -> Any:  # noqa: ARG001
    """Least squares with non-negative weights on oriented ranks."""
    return make_pipeline(OrientedRanks(), LinearRegression(positive=True))


@learner("single")
def single(random_state: int, n_jobs: int) -> Any:  # noqa: ARG001
    """The one column whose oriented ranks follow the label best, mapped linearly to it."""
    best = SelectKBest(r_regression, k=1)
    return make_pipeline(OrientedRanks(), best, LinearRegression(positive=True))


@learner("as_is")
def as_is(random_state: int, n_jobs: int) -> Any:  # noqa: ARG001
    """The column closest to the labels, unchanged; for a column that is a score already."""
    return AsIs()


@learner("consensus")
def consensus(random_state: int, n_jobs: int) -> Any:  # noqa: ARG001
    """The columns' first component, mapped to the label by a rising curve of few knots."""
    return Consensus()


@learner("extra_trees")
def extra_trees(random_state: int, n_jobs: int) -> Any:
    """Trees with random cut points, which depend less on single rows.

    They are fully grown, so that their size grows with the rows.
    """
    trees = ExtraTreesRegressor(
        150, min_samples_leaf=2, max_features=0.5, random_state=random_state, n_jobs=n_jobs
    )
    return OnSample(trees, 10_000, random_state)
