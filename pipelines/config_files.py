"""Configuration files: finding one, reading its YAML, and adding a view of tiles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import AfterValidator
from pydantic_settings import YamlConfigSettingsSource

from seiqa_features.errors import UsageError
from seiqa_features.remote.places import as_path, local_path

LocalPath = Annotated[Path, AfterValidator(local_path)]
AnyPath = Annotated[Path, AfterValidator(as_path)]
"""A local path, or one in an object store."""

CONFIGS = Path(__file__).parent / "configs"
MAX_CHARACTERS = 100_000
"""Longest configuration that is read: those of the project have some thousand characters."""

TILES = "tiles512"
TILED = ("gms", "mdsi", "haarpsi", "lpips", "lite0")
"""Extractors that see a picture in tiles if asked to: each is quick and local."""


class _Once(yaml.SafeLoader):
    """YAML without repeated keys in a mapping; PyYAML silently takes the last of them."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        names = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        if twice := [name for name in names if names.count(name) > 1]:
            raise yaml.YAMLError(f"{twice[0]} appears more than once")
        return super().construct_mapping(node, deep)


class ConfigFile(YamlConfigSettingsSource):
    """Settings of a YAML file."""

    def _read_file(self, file_path: Path | Traversable) -> dict[str, Any]:
        with file_path.open(encoding=self.yaml_file_encoding) as file:
            text = file.read(MAX_CHARACTERS + 1)
        if len(text) > MAX_CHARACTERS:
            raise yaml.YAMLError(f"more than {MAX_CHARACTERS} characters")
        return dict(yaml.load(text, _Once) or {})


def config_path(config: str) -> Path:
    """The YAML file for a configuration's name or path.

    Raises
    ------
    UsageError
        There is no such file; the known names are listed.
    """
    by_name = CONFIGS / f"{config}.yaml"
    path = by_name if by_name.is_file() else Path(config)
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in CONFIGS.glob("*.yaml")))
        raise UsageError(f"config {config!r}: no such file, and no configuration of that name;"
                         f" there are {known}")  # fmt: skip
    return path


def with_tiles(features: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """A configuration's features with `TILES` as a view of those of `TILED` that it has.

    The view is aligned where the extractor's first view is.
    """

    def views(name: str, known: Sequence[str]) -> list[str]:
        if name not in TILED or not known:
            return list(known)
        aligned = "_aligned" if known[0].endswith("_aligned") else ""
        return list(dict.fromkeys([*known, f"{TILES}{aligned}"]))

    return {name: views(name, known) for name, known in features.items()}
