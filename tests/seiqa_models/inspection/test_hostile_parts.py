"""Parts whose C code would believe what a file says, and made-up edits of whole bundles."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seiqa_models.bundle import BOXED, load_bundle, save_bundle
from seiqa_models.core.errors import TableError
from seiqa_models.inspection.manifest import parse_manifest
from seiqa_models.stack.regressor import SeiqaRegressor
from tests.seiqa_models.inspection.hostile import (
    literal,
    npy,
    packed,
    plant,
    resaved,
    schema_changed,
    unpacked,
    write_sound,
)


def _forest(stack: SeiqaRegressor) -> Any:
    return stack.learners_["runner_up_forest"][-1]


def _machine(stack: SeiqaRegressor) -> Any:
    return stack.learners_["svr"][-1].regressor_.regressor_


@pytest.fixture(scope="module")
def forest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle with a forest and a support vector machine."""
    rng = np.random.default_rng(0)
    y = rng.uniform(0, 5, 40)
    X = pd.DataFrame({"a": y + rng.normal(size=40), "b": rng.normal(size=40)})
    learners = ("runner_up_forest", "svr")
    stack = SeiqaRegressor(learners=learners, n_splits=2).fit(X, y, np.repeat(range(8), 5))
    _forest(stack).estimators_ = _forest(stack).estimators_[:3]
    folder = tmp_path_factory.mktemp("forest") / "bundle"
    save_bundle(folder, stack, recipe={}, card={"label_kind": "MOS"})
    return folder


@pytest.fixture
def bundle(forest: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(forest, tmp_path / "bundle"))


def test_a_forest_and_a_machine_are_sound(bundle: Path) -> None:
    assert load_bundle(bundle).regressor.label_range_[1] > 4


def _nodes_changed(folder: Path, change: Callable[[np.ndarray], None]) -> None:
    parts = unpacked(folder)
    for name, content in parts.items():
        if name.endswith(".npy"):
            array = np.load(io.BytesIO(content))
            if array.dtype.names and "left_child" in array.dtype.names:
                change(array)
                parts[name] = npy(array)
    plant(folder, packed(parts))


def _circle(nodes: np.ndarray) -> None:
    nodes["left_child"][0] = 0


def _outside(nodes: np.ndarray) -> None:
    nodes["right_child"][0] = 10**6


def _before(nodes: np.ndarray) -> None:
    nodes["left_child"][0] = -7


def _foreign_column(nodes: np.ndarray) -> None:
    nodes["feature"][0] = 10**6


@pytest.mark.parametrize("change", [_circle, _outside, _before, _foreign_column])
def test_a_tree_whose_nodes_lead_out_of_it(bundle: Path, change: Any) -> None:
    _nodes_changed(bundle, change)
    with pytest.raises(TableError, match="a tree whose nodes lead out of it"):
        load_bundle(bundle)


def _trees(part: Any) -> Iterator[dict[str, Any]]:
    """The nodes of a schema that stand for trees."""
    if isinstance(part, dict):
        if part.get("__loader__") == "TreeNode":
            yield part
        part = list(part.values())
    if isinstance(part, list):
        for value in part:
            yield from _trees(value)


@pytest.mark.parametrize("count", [0, 3, 10**9])
def test_a_tree_of_another_number_of_nodes(bundle: Path, count: int) -> None:
    def change(schema: dict[str, Any]) -> None:
        for tree in _trees(schema):
            tree["content"]["content"]["node_count"] = literal(count)

    schema_changed(bundle, change)
    with pytest.raises(TableError, match="a tree whose nodes lead out of it"):
        load_bundle(bundle)


def test_a_tree_of_a_billion_outputs(bundle: Path) -> None:
    def change(schema: dict[str, Any]) -> None:
        for tree in _trees(schema):
            tree["__reduce__"]["args"]["content"][2] = literal(10**9)

    schema_changed(bundle, change)
    with pytest.raises(TableError, match="a tree whose nodes lead out of it"):
        load_bundle(bundle)


def test_a_tree_that_claims_more_columns_than_it_is_given(bundle: Path) -> None:
    def change(schema: dict[str, Any]) -> None:
        for tree in _trees(schema):
            tree["__reduce__"]["args"]["content"][0] = literal(10**6)

    schema_changed(bundle, change)
    with pytest.raises(TableError, match="reads other columns than it was given"):
        load_bundle(bundle)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("_n_support", np.array([10**6, 10**6, 1], np.int32)),
        ("_dual_coef_", np.ones((1, 1))),
        ("support_", np.zeros(1, np.int32)),
        ("_intercept_", np.zeros(0)),
        ("support_vectors_", np.zeros((5, 1))),
        ("_probA", np.zeros(3)),
    ],
)
def test_a_machine_of_another_size(bundle: Path, name: str, value: np.ndarray) -> None:
    resaved(bundle, lambda stack: setattr(_machine(stack), name, value))
    with pytest.raises(TableError, match="of its SVR has a wrong shape"):
        load_bundle(bundle)


@pytest.mark.parametrize("jobs", [10**6, "many", 1e9])
def test_a_part_that_asks_for_threads(bundle: Path, jobs: Any) -> None:
    resaved(bundle, lambda stack: setattr(_forest(stack), "n_jobs", jobs))
    with pytest.raises(TableError, match=r"RandomForestRegressor asks for .* threads"):
        load_bundle(bundle)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)
FEW = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def _edited(content: Any, draw: Any) -> Any:
    """A JSON document with one value taken out, added or replaced, somewhere in it."""
    if isinstance(content, dict) and content and draw(st.integers(0, 3)):
        key = draw(st.sampled_from(sorted(content)))
        edited = _edited(content[key], draw)
        rest = {k: v for k, v in content.items() if k != key}
        return rest if draw(st.integers(0, 5)) == 0 else {**rest, key: edited}
    if isinstance(content, list) and content and draw(st.booleans()):
        place = draw(st.integers(0, len(content) - 1))
        return [*content[:place], _edited(content[place], draw), *content[place + 1 :]]
    return draw(JSON)


def complaint(read: Callable[..., Any], *arguments: Any) -> str:
    """The one line that reading ends in, or nothing; any other error is the test's."""
    try:
        read(*arguments)
    except TableError as error:
        line = str(error)
    else:
        return ""
    assert line.isprintable()
    return line


@FEW
@given(data=st.data())
def test_an_edited_manifest_is_read_or_one_line(data: st.DataObject) -> None:
    content = json.loads((BOXED / "bundle.json").read_text(encoding="utf-8"))
    edited = json.dumps(_edited(content, data.draw)).encode()
    assert len(complaint(parse_manifest, edited, "bundle.json")) < 500


@FEW
@given(text=st.binary(max_size=200))
def test_any_bytes_for_a_manifest_are_one_line(text: bytes) -> None:
    assert complaint(parse_manifest, text, "bundle.json")


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("small") / "bundle"
    write_sound(folder)
    return folder


@FEW
@given(data=st.data())
def test_flipped_bytes_in_a_model_are_sound_or_one_line(
    data: st.DataObject, small: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = Path(shutil.copytree(small, tmp_path_factory.mktemp("flipped") / "bundle"))
    parts = unpacked(folder)
    name = data.draw(st.sampled_from(sorted(parts)))
    content = bytearray(parts[name])
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    plant(folder, packed({**parts, name: bytes(content)}))
    complaint(load_bundle, folder)
