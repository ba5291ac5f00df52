"""Configuration files: finding one, and reading its YAML."""

from __future__ import annotations

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


class _Once(yaml.SafeLoader):
    """YAML without repeated keys in a mapping; PyYAML silently takes the last of them."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        names = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        if twice := [name for name in names if names.count(name) > 1]:
            raise yaml.YAMLError(f"{twice[0]} comes more than once")
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
