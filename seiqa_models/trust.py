"""The types a bundle may hold: those listed here, and those of installed plugin packages.

skops rebuilds objects from a description and runs no code from the file, but it imports the modules
of their types and sets their state. So a type must be known: skops itself trusts it (types of
scikit-learn, NumPy or SciPy), it is in :data:`TRUSTED_TYPES`, or it belongs to a learner, a fusion
or a representation that an installed package provides by an entry point. All types defined in such
a package are allowed; types from elsewhere that its estimators consist of are listed in an
attribute of the factory:

    @some_factory
    def ngboost(random_state, n_jobs): ...

    ngboost.bundle_types = ("ngboost.ngboost.NGBRegressor",)
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from importlib.metadata import packages_distributions

import skops.io
from sklearn.base import BaseEstimator

from seiqa_models.fusions import FUSIONS
from seiqa_models.learners.registry import LEARNERS
from seiqa_models.plugins.registry import Registry
from seiqa_models.stack.representations import REPRESENTATIONS

TRUSTED_TYPES = (
    "collections.OrderedDict",
    "lightgbm.basic.Booster",
    "lightgbm.sklearn.LGBMRegressor",
    "seiqa_models.fusions.bagged.BaggedFusion",
    "seiqa_models.fusions.bounded.BoundedFusion",
    "seiqa_models.fusions.stacking.StackingFusion",
    "seiqa_models.fusions.weighted.BestSingleFusion",
    "seiqa_models.fusions.weighted.GreedyFusion",
    "seiqa_models.fusions.weighted.MeanFusion",
    "seiqa_models.learners.as_is.AsIs",
    "seiqa_models.learners.boosting.UndatedCatBoost",
    "seiqa_models.learners.components.OrientedComponents",
    "seiqa_models.learners.consensus.Consensus",
    "seiqa_models.learners.consensus.Fallback",
    "seiqa_models.learners.gaussian_process.ExponentialGP",
    "seiqa_models.learners.kind_aware.KindAwareGP",
    "seiqa_models.learners.networks.ordinal_head.OrdinalHead",
    "seiqa_models.learners.networks.ranker.PairwiseRanker",
    "seiqa_models.learners.noise.NoiseAwareGP",
    "seiqa_models.learners.ordinal.OrdinalProcess",
    "seiqa_models.learners.oriented.MonotoneBoosting",
    "seiqa_models.learners.oriented.OrientedLog",
    "seiqa_models.learners.oriented.OrientedRanks",
    "seiqa_models.learners.runner_up.Neighbours",
    "seiqa_models.learners.scaling.PartialWhitening",
    "seiqa_models.learners.scaling.RankNormal",
    "seiqa_models.learners.trees.BoostedTrees",
    "seiqa_models.sampling.OnSample",
    "seiqa_models.stack.blend.Blend",
    "seiqa_models.stack.calibration.MonotoneCalibration",
    "seiqa_models.stack.collections.observers.Observers",
    "seiqa_models.stack.dense.DenseBlocks",
    "seiqa_models.stack.displacement.DisplacementCost",
    "seiqa_models.stack.edited.EditedGate",
    "seiqa_models.stack.intervals.ConformalInterval",
    "seiqa_models.stack.meta.RidgeMeta",
    "seiqa_models.stack.preparation.Preparation",
    "seiqa_models.stack.regressor.SeiqaRegressor",
    "seiqa_models.stack.unrelated.UnrelatedGate",
    "sklearn.feature_selection._univariate_selection.r_regression",
    "sklearn.tree._tree.Tree",
    "xgboost.core.Booster",
    "xgboost.sklearn.XGBRegressor",
)
"""Types beyond skops's own list (numpy, scipy, scikit-learn) that a bundle may hold."""


def trusted_types(model: bytes) -> list[str]:
    """Types that may be rebuilt from a skops archive, beyond those that skops itself trusts.

    Parameters
    ----------
    model : bytes
        The archive. Plugin packages are consulted only about its types that are not already
        trusted.
    """
    unknown = _not_ours(model)
    return [*TRUSTED_TYPES, *filter(_is_estimator, unknown), *_of_packages(unknown)]


def refused_types(model: bytes) -> list[str]:
    """Types in a skops archive that may not be rebuilt, sorted."""
    unknown = [name for name in _not_ours(model) if not _is_estimator(name)]
    return sorted(set(unknown) - set(_of_packages(unknown)))


def _not_ours(model: bytes) -> list[str]:
    return [name for name in skops.io.get_untrusted_types(data=model) if name not in TRUSTED_TYPES]


def _is_estimator(name: str) -> bool:
    """Whether a type is one of scikit-learn's estimators.

    skops trusts these by a list, which is empty where `import_skops_quickly` imported skops.
    """
    module, _, kind = name.rpartition(".")
    if not module.startswith("sklearn.") or ".tests" in module:
        return False
    try:
        found = getattr(import_module(module), kind, None)
    except ImportError:
        return False
    return isinstance(found, type) and issubclass(found, BaseEstimator)


def _of_packages(types: list[str]) -> list[str]:
    """The types that belong to what installed packages register."""
    registries = (LEARNERS, FUSIONS, REPRESENTATIONS)
    points = [(registry, point) for registry in registries for point in registry.plugins]
    if not types or not points:
        return []
    installed = {registry.plugins[name].dist for registry, name in points}
    theirs = {package.name for package in installed if package is not None}
    owners = packages_distributions()
    named = {name for registry, point in points for name in _named_types(registry, point)}
    return [
        name
        for name in types
        if name in named or theirs & set(owners.get(name.partition(".")[0], ()))
    ]


def _named_types(registry: Registry, name: str) -> Iterable[str]:
    """``bundle_types`` of a package's factory; none if it cannot be imported."""
    try:
        factory = registry.find(name)
    except ValueError:
        return ()
    return tuple(getattr(factory, "bundle_types", ()))
