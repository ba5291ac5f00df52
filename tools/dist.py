"""Build the sdist and the wheel: `make dist`, or `make dist HOME_URL=https://…` for a release.

They are built from a copy of what git tracks, so that nothing else that lies in the checkout gets
in, and the wheel is built from the sdist, which proves the sdist complete. A release is shown on
pages that lie elsewhere: with HOME_URL, the public address of the repository, the README's links
to files become absolute and the metadata says where the project lives.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Annotated

import typer

ROOT = Path(__file__).resolve().parents[1]
DIST = ROOT / "dist"
LINK = re.compile(r"(?P<image>!?)\[(?P<text>[^\]]*)\]\((?P<path>(?!\w+:|#)[^)\s]+)\)")


def absolute_links(markdown: str, home: str, tag: str) -> str:
    """The text with links to files of the repository pointing to its public address at a tag."""

    def absolute(link: re.Match[str]) -> str:
        view = "raw" if link["image"] else "blob"
        return f"{link['image']}[{link['text']}]({home}/{view}/{tag}/{link['path']})"

    return LINK.sub(absolute, markdown)


def project_urls(home: str, tag: str) -> str:
    """The metadata table of addresses, as TOML."""
    return f"""
[project.urls]
Source = "{home}"
Issues = "{home}/issues"
Documentation = "{home}/blob/{tag}/docs/index.md"
Changelog = "{home}/blob/{tag}/CHANGELOG.md"
"""


def copy_tracked(target: Path) -> None:
    """Copy the files that git tracks, as they are in the working tree."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for name in filter(None, listed.stdout.split("\0")):
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, target / name)


def publish_as(home: str, source: Path) -> None:
    """Write the public address into the README and the metadata of a copy."""
    metadata = source / "pyproject.toml"
    tag = "v" + tomllib.loads(metadata.read_text("utf-8"))["project"]["version"]
    readme = source / "README.md"
    readme.write_text(absolute_links(readme.read_text("utf-8"), home, tag), "utf-8")
    with metadata.open("a", encoding="utf-8") as file:
        file.write(project_urls(home, tag))


def main(
    home_url: Annotated[
        str | None, typer.Option(help="Public address of the repository, for a release.")
    ] = None,
) -> None:
    """Build both files into dist/, which is emptied first."""
    if home_url is not None and not re.fullmatch(r"https://[^\s/]+/\S*[^\s/]", home_url):
        raise typer.BadParameter("expected https://HOST/PATH without a slash at the end")
    shutil.rmtree(DIST, ignore_errors=True)
    with tempfile.TemporaryDirectory() as scratch:
        source = Path(scratch)
        copy_tracked(source)
        if home_url is not None:
            publish_as(home_url, source)
        build = [
            sys.executable,
            "-m",
            "build",
            "--no-isolation",
            "--outdir",
            str(DIST),
            str(source),
        ]
        raise SystemExit(subprocess.run(build, check=False).returncode)


if __name__ == "__main__":
    typer.run(main)
