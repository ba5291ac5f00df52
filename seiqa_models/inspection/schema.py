"""The skops schema of a model file, walked once before anything is built from it."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from typing import Any

import numpy as np

from seiqa_models.inspection.members import SCHEMA, UnsoundModelError

LOADERS = frozenset({
    "BytearrayNode", "BytesNode", "DefaultDictNode", "DictNode", "DTypeNode", "FunctionNode",
    "JsonNode", "ListNode", "LossNode", "NdArrayNode", "ObjectNode", "RandomStateNode", "SetNode",
    "SliceNode", "TreeNode", "TupleNode", "TypeNode",
})  # fmt: skip
"""Kinds of node that fitted regressors consist of. skops has others, which call constructors and
methods with arguments from the file, unpack nested archives, or follow an older protocol."""

DEPTH = 200
"""Maximum nesting depth of lists and objects; a stack has about 40 levels."""

_NOT_A_CHILD = -1  # in place of a leaf's children


def check_schema(archive: zipfile.ZipFile) -> None:
    """Make sure that skops can walk the schema in time proportional to its length.

    skops writes an object in full at every occurrence, and reads a second object with the same
    ``__id__`` as the first. A few lines of nested references could thus represent more objects than
    fit in memory; here all objects with one id must have the same size.

    Raises
    ------
    UnsoundModelError
        It is missing, not JSON, too deep, or describes something that no fitted regressor contains.
    """
    try:
        schema = json.loads(archive.read(SCHEMA))
        if not isinstance(schema, dict):
            raise UnsoundModelError(f"{SCHEMA} is no object")
        _count(schema, {}, DEPTH)
        for tree in _nodes(schema, "TreeNode"):
            _check_tree(tree, archive)
    except UnsoundModelError:
        raise
    except Exception as error:  # a wrong type in the wrong place can raise anything
        reason = f"{type(error).__name__}: {error}"
        raise UnsoundModelError(f"{SCHEMA} cannot be read ({reason})") from None


def _count(part: Any, known: dict[Any, int], depth: int) -> int:
    """Number of objects in a part of the schema; `known` maps the ids seen so far to theirs."""
    if isinstance(part, list):
        values, loader = part, None
    elif isinstance(part, dict):
        values, loader = list(part.values()), part.get("__loader__")
    else:
        return 0
    if depth == 0:
        raise UnsoundModelError(f"{SCHEMA} is more than {DEPTH} levels deep")
    if "__loader__" in part and loader not in LOADERS:
        raise UnsoundModelError(f"{SCHEMA} has a {loader!r}, which no fitted regressor needs")
    count = 1 + sum(_count(value, known, depth - 1) for value in values)
    identity = part.get("__id__") if isinstance(part, dict) else None
    if identity and known.setdefault(identity, count) != count:
        raise UnsoundModelError(f"{SCHEMA} has two different objects of one id")
    return count


def _nodes(schema: Any, loader: str) -> Iterator[dict[str, Any]]:
    """Every node with the given loader."""
    waiting = [schema]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            if part.get("__loader__") == loader:
                yield part
            waiting.extend(part.values())
        elif isinstance(part, list):
            waiting.extend(part)


def _check_tree(node: dict[str, Any], archive: zipfile.ZipFile) -> None:
    """Check that scikit-learn can safely walk a tree: its C code trusts every index and size."""
    n_features, n_classes, n_outputs = node["__reduce__"]["args"]["content"]
    columns, outputs = json.loads(n_features["content"]), json.loads(n_outputs["content"])
    state = node["content"]["content"]
    nodes = _load(archive, state["nodes"])
    left, right, feature = nodes["left_child"], nodes["right_child"], nodes["feature"]
    own = np.arange(len(nodes))
    inner = left != _NOT_A_CHILD
    # A parent comes before its children, so that every walk ends.
    forwards = (left > own) & (right > own) & (left < len(nodes)) & (right < len(nodes))
    if not (
        outputs == 1
        and _load(archive, n_classes).tolist() == [1]
        and len(nodes) == json.loads(state["node_count"]["content"]) > 0
        and forwards[inner].all()
        and ((feature >= 0) & (feature < columns))[inner].all()
    ):
        raise UnsoundModelError(f"{SCHEMA} has a tree whose nodes lead out of it")


def _load(archive: zipfile.ZipFile, node: dict[str, Any]) -> np.ndarray:
    loaded: np.ndarray = np.load(io.BytesIO(archive.read(node["file"])), allow_pickle=False)
    return loaded
