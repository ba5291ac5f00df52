"""What `import seiqa_features` offers: lazily, completely, and as its docstrings say."""

from __future__ import annotations

import inspect
import subprocess
import sys
from importlib.metadata import version

import pytest

import seiqa_features


def test_importing_the_package_costs_nothing() -> None:
    code = (
        "import sys; before = set(sys.modules); import seiqa_features;"
        "new = {name.split('.')[0] for name in set(sys.modules) - before};"
        "print(sorted(new - sys.stdlib_module_names))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['seiqa_features']"


@pytest.mark.parametrize("name", seiqa_features.__all__)
def test_every_public_name_is_there_and_documented(name: str) -> None:
    found = getattr(seiqa_features, name)
    assert found.__name__ == name
    assert inspect.getdoc(found)
    assert found.__module__.startswith("seiqa_features.")


def test_completion_shows_the_public_names_and_nothing_else() -> None:
    assert dir(seiqa_features) == ["Metric", "__version__", *seiqa_features.__all__[1:]]
    assert seiqa_features.__version__ == version("seiqa")
    with pytest.raises(AttributeError, match="'seiqa_features' has no attribute 'extrakt'"):
        seiqa_features.extrakt  # noqa: B018
