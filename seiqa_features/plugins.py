"""Plug-ins: what other distributions add by entry points (`importlib.metadata`).

A distribution declares in its `pyproject.toml`, for instance,

.. code-block:: toml

    [project.entry-points."seiqa.extractors"]
    brightness = "brightness_for_seiqa"

and `brightness_for_seiqa` is imported when extractors are first requested. A plug-in that cannot be
used does not affect anything else: the reason is given in one line that names the distribution.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

logger = logging.getLogger(__name__)

Accept = Callable[[str, Any], None]
"""Takes the name of a plug-in and its loaded entry point; raises if it is unusable."""


@cache
def load_plugins(group: str, accept: Accept) -> dict[str, str]:
    """Pass every entry point of the group to `accept`, once per process.

    Returns
    -------
    dict[str, str]
        Name → reason, one line each, for plug-ins that cannot be used; also logged as warnings.
    """
    broken: dict[str, str] = {}
    for point in sorted(entry_points(group=group), key=lambda point: (point.name, point.value)):
        try:
            accept(point.name, point.load())
        except Exception as error:  # third-party code may raise anything
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            broken[point.name] = f"{_title(group, point)} cannot be used ({reason})"
            logger.warning("%s; going on without it", broken[point.name])
    return broken


def _title(group: str, point: EntryPoint) -> str:
    owner = point.dist
    source = f"{owner.name} {owner.version}" if owner else "an unknown distribution"
    return f"plug-in {point.name} of {source} ({group})"
