"""Where settings come from: flags, environment (SEIQA_…), configuration file; the first named wins.

Whatever is wrong in any of them is one line that names it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError
from pydantic_settings import SettingsError

from pipelines.config_files import config_path, with_tiles
from pipelines.setting_messages import FUSION_PARAMETERS, line, moved, no_json, say_near
from pipelines.settings import DEFAULT_CONFIG, Settings
from seiqa_features.datasets.collections import collection_name
from seiqa_features.errors import UsageError


def load_settings(**flags: Any) -> Settings:
    """Settings from flags (None means not given), environment and configuration file.

    Raises
    ------
    UsageError
        One line per setting that is unknown or out of range.
    """
    given = {name: value for name, value in flags.items() if value not in (None, [])}
    for name in FUSION_PARAMETERS:  # pydantic would silently ignore unknown variables
        if f"SEIQA_{name.upper()}" in os.environ:
            raise UsageError(moved(name, f"the variable SEIQA_{name.upper()}"))
    say_near(os.environ, Settings.model_fields)
    try:
        settings = Settings(**given)
    except (SettingsError, RecursionError) as error:  # a variable that must be JSON
        raise UsageError(no_json(error)) from None
    except ValidationError as error:
        raise UsageError(*map(line, error.errors())) from None
    except (yaml.YAMLError, TypeError, ValueError) as error:
        name = given.get("config") or os.environ.get("SEIQA_CONFIG") or DEFAULT_CONFIG
        what = f"config {config_path(str(name))}: expected YAML of settings, name: value"
        raise UsageError(f"{what} ({' '.join(str(error).split())})") from None
    if settings.run == Path():
        settings.run = _default_run(settings)
    if settings.finetune is not None:
        settings.features |= {settings.finetuned_feature: [settings.finetune.view]}
    if settings.tiles:
        settings.features = with_tiles(settings.features)
    return settings


def _default_run(settings: Settings) -> Path:
    if settings.data is None:
        raise UsageError("neither data nor run folder named; give DATA or --run")
    for path in settings.named_data():
        if (path / "settings.yaml").is_file():
            raise UsageError(f"{path}: is the folder of a run, not data; name it with --run")
    name = "+".join(map(collection_name, settings.named_data()))
    return Path("runs") / f"{name}-{Path(settings.config).stem}"
