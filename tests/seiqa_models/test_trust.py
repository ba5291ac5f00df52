"""A package of somebody's own: found by its entry points, saved in a bundle, refused without it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import skops.io
from sklearn.linear_model import LinearRegression

from seiqa_models.bundle import load_bundle, save_bundle
from seiqa_models.core.errors import TableError
from seiqa_models.core.persistence import canonical_dump
from seiqa_models.stack.regressor import SeiqaRegressor
from seiqa_models.trust import _is_estimator, refused_types, trusted_types

MODULE = """
import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin, TransformerMixin
from sklearn.linear_model import LinearRegression
from seiqa_models.stack.representations import representation
from seiqa_pocket_parts import Part


class Pocket(LinearRegression):
    pass


class Middle(RegressorMixin, BaseEstimator):
    def fit(self, P, y, groups=None):
        self.part_ = Part()
        return self

    def predict(self, P):
        return np.median(np.asarray(P), axis=1)


def pocket(random_state, n_jobs):
    return Pocket()


@representation("half")
class Half(TransformerMixin, BaseEstimator):
    def fit(self, X, y=None):
        return self

    def transform(self, X):
        return X[:, :2]


Middle.bundle_types = ("seiqa_pocket_parts.Part",)
"""

TRAIN = """
import sys
import numpy as np, pandas as pd
from seiqa_models.bundle import load_bundle, save_bundle
from seiqa_models.fusions import FUSIONS, make_fusion
from seiqa_models.evaluation.trial import try_fusion, try_learner
from seiqa_models.learners.registry import LEARNERS
from seiqa_models.stack.regressor import SeiqaRegressor

assert "pocket" in LEARNERS and "middle" in FUSIONS
try_learner("pocket")
try_fusion(make_fusion("middle"))
rng = np.random.default_rng(0)
X = pd.DataFrame(rng.normal(size=(24, 3)), columns=list("abc"))
stack = SeiqaRegressor(("pocket", "ridge@half"), n_splits=2, fusion="middle")
stack.fit(X, X["a"], groups=np.arange(24) // 4)
assert stack.weights_ is None
save_bundle(sys.argv[1], stack, recipe={}, card={"label_kind": "MOS"})
again = load_bundle(sys.argv[1]).regressor
assert (again.predict(X) == stack.predict(X)).all()
"""


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A folder with an installed package, and beside it a library that the package uses."""
    folder = tmp_path / "site"
    info = folder / "seiqa_pocket-1.0.dist-info"
    info.mkdir(parents=True)
    (folder / "seiqa_pocket.py").write_text(MODULE)
    (folder / "seiqa_pocket_parts.py").write_text("class Part:\n    size = 1\n")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: seiqa-pocket\nVersion: 1.0\n")
    (info / "RECORD").write_text("seiqa_pocket.py,,\n")
    (info / "entry_points.txt").write_text(
        "[seiqa.learners]\npocket = seiqa_pocket:pocket\n"
        "[seiqa.fusions]\nmiddle = seiqa_pocket:Middle\n"
        "[seiqa.representations]\nhalf = seiqa_pocket:Half\n"
    )
    return folder


def python(code: str, *arguments: str, path: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_bundle_with_an_installed_packages_parts(package: Path, tmp_path: Path) -> None:
    bundle = tmp_path / "bundle"
    trained = python(TRAIN, str(bundle), path=[str(package), *sys.path])
    assert trained.returncode == 0, trained.stderr
    load = "import sys; from seiqa_models.bundle import load_bundle; load_bundle(sys.argv[1])"
    elsewhere = python(load, str(bundle), path=sys.path)
    assert "TableError" in elsewhere.stderr.splitlines()[-1]
    parts = ("seiqa_pocket.Pocket", "seiqa_pocket.Middle", "seiqa_pocket.Half")
    for name in (*parts, "seiqa_pocket_parts.Part"):
        assert name in elsewhere.stderr.splitlines()[-1]


class Stray(LinearRegression):
    """Of no installed package."""


def test_a_type_of_no_installed_package_is_refused_before_anything_is_written(
    tmp_path: Path, make_table
) -> None:
    X, y, groups = make_table()
    stack = SeiqaRegressor(("ridge",), n_splits=2).fit(X, y, groups)
    stack.learners_["ridge"] = Stray().fit(X, y)
    with pytest.raises(TableError, match=r"is not written: the model holds \S*test_trust\.Stray"):
        save_bundle(tmp_path / "bundle", stack, recipe={}, card={"label_kind": "MOS"})
    assert not (tmp_path / "bundle").exists()
    model = canonical_dump(stack.learners_)
    (name,) = refused_types(model)
    assert name not in trusted_types(model)
    assert set(skops.io.get_untrusted_types(data=model)) - set(trusted_types(model)) == {name}


def test_scikit_learns_estimators_are_trusted_without_skops_list_of_them(
    tmp_path: Path, make_table, monkeypatch
) -> None:
    X, y, groups = make_table()
    monkeypatch.setattr(skops.io._general, "SKLEARN_ESTIMATOR_TYPE_NAMES", [])
    stack = SeiqaRegressor(("ridge",), n_splits=2).fit(X, y, groups)
    save_bundle(tmp_path / "bundle", stack, recipe={}, card={"label_kind": "MOS"})
    again = load_bundle(tmp_path / "bundle").regressor
    assert (again.predict(X) == stack.predict(X)).all()


@pytest.mark.parametrize(
    "name",
    [
        "sklearn.utils.discovery.all_estimators",
        "sklearn.nowhere.Estimator",
        "sklearn.tree._tree.Nobody",
        "elsewhere.sklearn.Ridge",
        "sklearn.utils.Bunch",
    ],
)
def test_only_estimators_of_scikit_learn_are_trusted_for_being_such(name: str) -> None:
    assert _is_estimator("sklearn.linear_model._ridge.Ridge")
    assert not _is_estimator(name)
