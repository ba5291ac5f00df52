"""What is said about settings that cannot be used."""

from __future__ import annotations

import logging
import re
import reprlib
import textwrap
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from seiqa_features.tabular.names import nearest

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

FUSION_PARAMETERS = ("max_weight", "shrinkage", "srocc_share")
"""Settings of earlier versions that belong to one fusion."""

_log = logging.getLogger("pipelines.settings")


def say_near(environment: Mapping[str, str], settings: Collection[str]) -> None:
    """Warn of unused variables whose names are close to a setting's."""
    for variable in environment:
        name = variable.lower().removeprefix("seiqa_")
        if variable.upper().startswith("SEIQA_") and name not in settings:
            near = nearest(name, settings)
            if near is not None:
                _log.warning("%s is not read; did you mean SEIQA_%s?", variable, near.upper())


def line(item: ErrorDetails) -> str:
    """One line about a setting that is unknown, missing or out of range."""
    place = ".".join(map(str, item["loc"]))
    if not place:  # said by a check of several settings, which names them
        return item["msg"].removeprefix("Value error, ")
    if place in FUSION_PARAMETERS:
        return moved(place, f"setting {place}")
    if item["type"] == "missing":
        return f"setting {place}: is missing, and the configuration file has to give it"
    given = reprlib.repr(item["input"])  # it may be large, or refer to itself
    return f"setting {place}: {item['msg']} (got {textwrap.shorten(given, 100)})"


def no_json(error: Exception) -> str:
    """One line about a variable that holds several values, and cannot be read."""
    found = re.search(r'field "(\w+)"', str(error))
    variable = f"SEIQA_{found[1].upper()}" if found else "the environment"
    why = error.__cause__ or "nested too deeply"
    return f'{variable} cannot be read: expected JSON, such as {{"gms": ["max512"]}} or [5] ({why})'


def moved(parameter: str, found: str) -> str:
    """One line about a setting of an earlier version that now belongs to a fusion."""
    return (
        f"{found}: this is a parameter of the fusion now; write it as"
        f" `fusion: {{name: bounded, {parameter}: …}}`"
    )
