"""Configuration files: finding one, reading its YAML, and what some of its values mean."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict
from pydantic_settings import YamlConfigSettingsSource

from seiqa_features.errors import UsageError
from seiqa_features.files import why_unreadable
from seiqa_features.remote.places import as_path, local_path

LocalPath = Annotated[Path, AfterValidator(local_path)]


def _folder(path: Path) -> Path:
    if path.exists() and not path.is_dir():
        raise ValueError("is no folder")
    return path


LocalFolder = Annotated[LocalPath, AfterValidator(_folder)]
"""A local folder, which need not exist yet."""

AnyPath = Annotated[Path, AfterValidator(as_path)]
"""A local path, or one in an object store."""

CONFIGS = Path(__file__).parent / "configs"
MAX_CHARACTERS = 100_000
"""Longest configuration that is read: those of the project have some thousand characters."""

MAX_VALUES = 20_000
"""Most values of a configuration; those of the project have some hundred."""

MAX_DIGITS = 100
"""Most characters of a whole number."""

TILES = "tiles512"
TILED = ("gms", "mdsi", "haarpsi", "lpips", "lite0")
"""Extractors that see a picture in tiles if asked to: each is quick and local."""


class _Once(yaml.SafeLoader):
    """YAML without repeated keys in a mapping, of which PyYAML silently takes the last.

    Aliases are counted with all they stand for, since some lines of them can mean a billion values.
    """

    def get_single_node(self) -> yaml.Node | None:
        node: yaml.Node | None = super().get_single_node()
        if node is not None and _values(node, {}) > MAX_VALUES:
            raise yaml.YAMLError(f"more than {MAX_VALUES} values, counting what aliases stand for")
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        names = Counter(key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode))
        if twice := [name for name, times in names.items() if times > 1]:
            raise yaml.YAMLError(f"{twice[0]} appears more than once")
        return super().construct_mapping(node, deep)

    def construct_yaml_int(self, node: yaml.ScalarNode) -> int:
        if len(node.value) > MAX_DIGITS:  # Python refuses to print the longest ones
            raise yaml.YAMLError(f"a number of {len(node.value)} characters")
        return int(super().construct_yaml_int(node))


_Once.add_constructor("tag:yaml.org,2002:int", _Once.construct_yaml_int)


def _values(node: yaml.Node, known: dict[yaml.Node, int]) -> int:
    """Number of values that a node stands for.

    Raises
    ------
    yaml.YAMLError
        It contains itself.
    """
    if isinstance(node, yaml.ScalarNode):
        return 1
    if node not in known:
        known[node] = -1
        parts = node.value
        if isinstance(node, yaml.MappingNode):
            parts = [part for pair in parts for part in pair]
        known[node] = 1 + sum(_values(part, known) for part in parts)
    if known[node] < 0:
        raise yaml.YAMLError("an alias stands for something that it is part of")
    return known[node]


class ConfigFile(YamlConfigSettingsSource):
    """Settings of a YAML file."""

    def _read_file(self, file_path: Path | Traversable) -> dict[str, Any]:
        with file_path.open(encoding=self.yaml_file_encoding) as file:
            text = file.read(MAX_CHARACTERS + 1)
        content = read_yaml(text) or {}
        if not isinstance(content, dict):
            raise yaml.YAMLError(f"it is a {type(content).__name__}, not settings by name")
        if wrong := [name for name in content if not isinstance(name, str)]:
            raise yaml.YAMLError(f"{wrong[0]!r} is no name of a setting")
        return content


def read_yaml(text: str) -> Any:
    """What YAML from a stranger says; it is no longer than `MAX_CHARACTERS`.

    Raises
    ------
    yaml.YAMLError
        It is no YAML, repeats a key, nests too deeply or means more than `MAX_VALUES` values.
    """
    if len(text) > MAX_CHARACTERS:
        raise yaml.YAMLError(f"more than {MAX_CHARACTERS} characters")
    try:
        return yaml.load(text, _Once)
    except RecursionError:
        raise yaml.YAMLError("nested too deeply") from None


class FusionSettings(BaseModel):
    """A fusion by name; every other key is a parameter of it."""

    model_config = ConfigDict(extra="allow")

    name: str = "bagged"

    @property
    def parameters(self) -> dict[str, Any]:
        """The parameters passed to the fusion."""
        return dict(self.model_extra or {})


def _by_name(value: Any) -> Any:
    """`mean` is short for `{name: mean}`; the environment can only hold text."""
    if isinstance(value, str):
        try:
            value = read_yaml(value)
        except yaml.YAMLError:
            raise ValueError("expected a name, or {name: …, parameter: …}") from None
    return {"name": value} if isinstance(value, str) else value


FusionByName = Annotated[FusionSettings, BeforeValidator(_by_name)]


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
        why = why_unreadable(path) or "no such file"
        raise UsageError(
            f"config {config!r}: {why}, and no configuration of that name; there are {known}"
        )
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
