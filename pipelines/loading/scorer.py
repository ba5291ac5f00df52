"""The scorer that options describe, loaded soon."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipelines.loading.helper import Helper
    from seiqa_features.extraction.runtime import Runtime
    from seiqa_models.scorer import Scorer


def make_runtime(cache: Path | None, device: str | None, weights: Path | None) -> Runtime:
    """The runtime described by the command line's options."""
    from seiqa_features.extraction.runtime import Runtime
    from seiqa_features.remote.places import as_path, local_side
    from seiqa_features.weights.files import DEFAULT_FOLDER, WeightFiles

    weight_files = WeightFiles(weights or DEFAULT_FOLDER)
    scratch = None if cache is None else local_side(as_path(cache)) / "scratch"
    return Runtime(weight_files, device=device or "auto", scratch=scratch)


def load_scorer(
    bundle: Path | None,
    runtime: Runtime,
    workers: int | None,
    score_as: str | None = None,
    helper: Helper | None = None,
) -> Scorer:
    """The scorer described by the command line's options; a helper tells the runtime's devices."""
    import_skops_quickly()

    from seiqa_features.remote.places import as_path
    from seiqa_models.bundle import load_built_in, load_bundle
    from seiqa_models.scorer import Scorer

    loaded = load_built_in() if bundle is None else load_bundle(as_path(bundle))
    if helper is not None and helper.answer is not None:
        runtime.devices = helper.answer.devices
    return Scorer(loaded, workers=workers, runtime=runtime, as_collection=score_as)


def import_skops_quickly() -> None:
    """Import skops without its list of scikit-learn's estimators, which takes two seconds.

    To make the list, skops imports all of scikit-learn. Bundles do not need it
    (`seiqa_models.trust`). Other code of the process might, so this is only for commands.

    skops also looks for each of SciPy's functions in every module imported before `scipy.special`:
    a call before other imports saves a quarter of a second.
    """
    import scipy.special  # noqa: F401
    import sklearn.utils

    listing = sklearn.utils.all_estimators
    sklearn.utils.all_estimators = list
    try:
        import skops.io  # noqa: F401
    finally:
        sklearn.utils.all_estimators = listing
