"""A skops archive whose bytes depend only on its content.

skops names arrays by their memory address and other parts at random, numbers objects by their
address, and dates every member. Here members are named by their content, objects are numbered in
the order of traversal, sets are sorted and dates are fixed, so that equal models give equal files.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from itertools import count
from pathlib import PurePath
from typing import Any

import skops.io

_SCHEMA = "schema.json"
_DATE = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip can hold
_UNIX = 3


def canonical_dump(model: Any) -> bytes:
    """A fitted model as a skops archive; ``skops.io.loads`` reads it.

    Raises
    ------
    TypeError, skops.io.exceptions.UnsupportedTypeException
        skops cannot describe a part of the model.
    """
    with zipfile.ZipFile(io.BytesIO(skops.io.dumps(model))) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    schema = json.loads(content.pop(_SCHEMA))
    names = {
        name: hashlib.sha256(part).hexdigest()[:32] + PurePath(name).suffix
        for name, part in content.items()
    }
    _renumber(schema, names)
    members = {names[name]: part for name, part in content.items()}
    members[_SCHEMA] = json.dumps(schema, indent=2).encode()
    return _zipped(members)


def _renumber(schema: Any, names: dict[str, str]) -> None:
    """Number the nodes of a schema in traversal order, and give members their new names.

    skops's own node entries are text and numbers; a serialised dictionary's entries are nodes.
    """
    numbers = count(1)
    waiting = [schema]
    while waiting:
        part = waiting.pop()
        if isinstance(part, list):
            waiting.extend(reversed(part))
            continue
        if not isinstance(part, dict):
            continue
        if part.get("__loader__") == "SetNode":
            part["content"].sort(key=_without_numbers)
        if isinstance(part.get("__id__"), int):
            part["__id__"] = next(numbers)
        if isinstance(part.get("file"), str):
            part["file"] = names[part["file"]]
        waiting.extend(reversed(part.values()))


def _without_numbers(node: Any) -> str:
    if isinstance(node, dict):
        return str(
            [(k, _without_numbers(v)) for k, v in node.items() if k not in ("__id__", "file")]
        )
    return str([_without_numbers(v) for v in node] if isinstance(node, list) else node)


def _zipped(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(members):
            info = zipfile.ZipInfo(name, _DATE)
            info.create_system = _UNIX
            archive.writestr(info, members[name])
    return buffer.getvalue()
