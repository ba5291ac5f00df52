"""The public face: every name resolves, importing costs nothing, the version is the package's."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version

import pytest

import pipelines
import seiqa_models
from seiqa_models.plugins.registry import Registry


@pytest.mark.parametrize("name", seiqa_models.__all__)
def test_every_public_name_resolves_and_is_listed(name):
    found = getattr(seiqa_models, name)
    assert found.__name__ == name
    assert found.__doc__
    assert name in dir(seiqa_models)
    assert f"`{name}" in seiqa_models.__doc__


def test_the_version_is_that_of_the_distribution():
    assert seiqa_models.__version__ == pipelines.__version__ == version("seiqa")
    for package in (seiqa_models, pipelines):
        with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
            _ = package.nonsense


def test_importing_the_package_imports_nothing_heavy():
    code = (
        "import sys, seiqa_models; dir(seiqa_models)\n"
        "heavy = {'torch', 'pandas', 'numpy', 'sklearn'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_learners_and_fusions_are_found_by_pattern_and_made_by_name():
    assert seiqa_models.list_fusions("*single") == ["best_single"]
    assert {"catboost", "gp", "ridge"} <= set(seiqa_models.list_learners())
    assert seiqa_models.list_learners("nothing*") == []
    assert seiqa_models.make_fusion("bounded", max_weight=0.4).max_weight == 0.4
    assert hasattr(seiqa_models.make_learner("ridge", random_state=0), "fit")
    empty = Registry("thing", "seiqa.no_such_group")
    assert empty.names() == []
