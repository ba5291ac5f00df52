"""What `import seiqa_features` offers: lazily, completely, and as its docstrings say."""

from __future__ import annotations

import doctest
import inspect
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import seiqa_features
from tests.conftest import make_texture


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


@pytest.mark.parametrize("name", seiqa_features.__all__)
def test_examples_in_docstrings_are_true(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    picture = Image.fromarray(make_texture(0, 64, 64))
    picture.save("photo.png")
    picture.save("photo_q10.jpg", quality=10)
    Path("pairs.csv").write_text("ref,dist\nphoto.png,photo_q10.jpg\n")
    names: dict[str, Any] = {n: getattr(seiqa_features, n) for n in seiqa_features.__all__}
    examples = doctest.DocTestFinder().find(names[name], name, globs=names)
    results = [doctest.DocTestRunner().run(example) for example in examples]
    assert sum(result.failed for result in results) == 0
    assert sum(result.attempted for result in results) > 0 or name == "Metric"
