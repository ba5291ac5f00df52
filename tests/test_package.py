"""What is published: sdist and wheel hold what they should, and the wheel works where it lands.

`make package` builds both and runs this; without them (SEIQA_DIST) only the links are tested.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import venv
import zipfile
from collections.abc import Callable, Iterable
from email import message_from_string
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tools.dist import absolute_links, project_urls, publish_as

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("pipelines", "seiqa_features", "seiqa_models")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]

Run = Callable[..., str]


def built(pattern: str) -> Path:
    """The file in the folder that SEIQA_DIST names."""
    if "SEIQA_DIST" not in os.environ:
        pytest.skip("SEIQA_DIST names no folder with sdist and wheel: make package does")
    (path,) = (ROOT / os.environ["SEIQA_DIST"]).glob(pattern)
    return path


def tracked() -> set[str]:
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return set(listed.stdout.splitlines())


def test_links_become_absolute() -> None:
    page = "[a](docs/a.md#part) ![b](docs/b.png) [c](https://c.d/e) [d](#here) `x[i](j)`"
    assert absolute_links(page, "https://h.i/j", "v1") == (
        "[a](https://h.i/j/blob/v1/docs/a.md#part) ![b](https://h.i/j/raw/v1/docs/b.png)"
        " [c](https://c.d/e) [d](#here) `x[i](https://h.i/j/blob/v1/j)`"
    )


def test_every_link_of_the_readme_is_a_file_or_becomes_absolute() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    absolute = absolute_links(readme, "https://h.i/j", "v1")
    paths = [part.split(")")[0].split("#")[0] for part in absolute.split("/v1/")[1:]]
    assert len(paths) > 5
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_addresses_are_metadata() -> None:
    urls = tomllib.loads(project_urls("https://h.i/j", "v1"))["project"]["urls"]
    assert urls["Source"] == "https://h.i/j"
    assert (ROOT / urls["Changelog"].split("/v1/")[1]).is_file()
    assert (ROOT / urls["Documentation"].split("/v1/")[1]).is_file()


def test_a_release_says_where_the_project_lives(tmp_path: Path) -> None:
    for name in ("README.md", "pyproject.toml"):
        (tmp_path / name).write_text((ROOT / name).read_text("utf-8"), "utf-8")
    publish_as("https://h.i/j", tmp_path)
    project = tomllib.loads((tmp_path / "pyproject.toml").read_text("utf-8"))["project"]
    assert project == {**PROJECT, "urls": project["urls"]}
    assert project["urls"]["Source"] == "https://h.i/j"
    assert f"](https://h.i/j/raw/v{PROJECT['version']}/docs/page.png)" in (
        tmp_path / "README.md"
    ).read_text("utf-8")


def test_citation_and_package_agree() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert citation["version"] == PROJECT["version"]
    assert citation["license"] == PROJECT["license"]
    assert citation["authors"] == PROJECT["authors"]


def required(roots: Iterable[str]) -> set[str]:
    """Names of all installed packages that these requirements bring, without extras."""
    found: set[str] = set()
    waiting = [Requirement(root) for root in roots]
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        applies = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        if applies and name not in found:
            found.add(name)
            waiting += map(Requirement, metadata.requires(name) or [])
    return found


def test_what_is_said_to_come_with_pyiqa_alone_does() -> None:
    page = (ROOT / "docs" / "index.md").read_text("utf-8")
    (said,) = re.findall(r"is not used is mainly (.*?)\.\n", page, re.DOTALL)
    named = set(re.findall("`([a-z-]+)`", said.replace("(used by the extra `vlm`)", "")))
    others = [name for name in PROJECT["dependencies"] if not name.startswith("pyiqa")]
    assert {"opencv-python", "tensorboard"} <= named
    assert named <= required(["pyiqa"]) - required(others)


def test_sdist_holds_the_repository() -> None:
    with tarfile.open(built("*.tar.gz")) as archive:
        held = {name.partition("/")[2] for name in archive.getnames()}
    assert tracked() - held == set()


def test_wheel_holds_the_packages_and_their_data() -> None:
    with zipfile.ZipFile(built("*.whl")) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
        (metadata,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        told = message_from_string(archive.read(metadata).decode())
    assert held == {name for name in tracked() if name.startswith(PACKAGES)}
    assert told["Author"] == "seiqa developers"
    assert told["License-Expression"] == "MIT"
    assert told.get_all("License-File") == ["LICENSE", "pipelines/demo/live/LICENSE.txt"]
    assert told["Description-Content-Type"] == "text/markdown"


def test_wheel_is_small() -> None:
    assert built("*.whl").stat().st_size <= 12_000_000


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """`installed(program, *arguments)` runs a program of a new environment that has the wheel.

    Dependencies come from this environment, behind its own packages on the path.
    """
    wheel = built("*.whl")
    place = tmp_path_factory.mktemp("installed")
    venv.create(place / "env", with_pip=False)
    programs = place / "env/bin"
    pip = [sys.executable, "-m", "pip", "--python", programs / "python", "--quiet"]
    subprocess.run([*pip, "install", "--no-deps", "--no-index", wheel], check=True)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    (place / "env/lib" / version / "site-packages/dependencies.pth").write_text(
        "\n".join(dict.fromkeys(sysconfig.get_paths()[lib] for lib in ("purelib", "platlib")))
    )
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}

    def run(program: str, *arguments: str | Path) -> str:
        done = subprocess.run(
            [programs / program, *arguments],
            cwd=place, env=clean, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def test_installed_command_scores_a_pair(
    installed: Run, save_picture: Callable[..., Path], tmp_path: Path
) -> None:
    assert "score" in installed("seiqa", "--help")
    ref, dist = (save_picture(tmp_path / f"{seed}.png", seed, 128, 128) for seed in (1, 2))
    assert 0 <= float(installed("seiqa", "score", ref, ref).split()[0]) <= 9
    assert "%" in installed("seiqa", "score", ref, dist)


INSPECT = """
import sys
from importlib import import_module
from pathlib import Path

for package in ("pipelines", "seiqa_features", "seiqa_models"):
    module = import_module(package)
    assert Path(module.__file__).is_relative_to(sys.prefix), module.__file__
    print(*[name for name in getattr(module, "__all__", ()) if getattr(module, name)])

from pipelines.setting_sources import load_settings
from seiqa_features.extractors.openclip.prompts import vocabulary

assert load_settings(data="d", config="classical").features
assert vocabulary()
"""


def test_installed_packages_have_public_names_and_data(installed: Run) -> None:
    names = installed("python", "-c", INSPECT).split()
    assert {"Scorer", "SeiqaRegressor", "evaluate"} <= set(names)
