"""Extractors and data sets from other distributions, good and broken."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from seiqa_features import datasets, extract, list_extractors, load_pairs, plugins
from seiqa_features.errors import DataError, UsageError
from seiqa_features.extractors import registry
from tests.made_distribution import install

SavePicture = Callable[..., Path]

BRIGHTNESS = """
from seiqa_features.extractors.registry import extractor
from seiqa_features.extractors.specs import ExtractorSpec, Output

@extractor(
    ExtractorSpec(
        name="brightness", version=1, outputs={"shift": Output(identity=0.0)}, colour="RGB",
        libraries=("torch", "made-for-seiqa"), licence="MIT", source="made up", cost=0.001,
    )
)
def brightness():
    def extract(*, ref, dist, ref_index):
        return {"shift": (dist.mean(dim=(1, 2, 3)) - ref.mean(dim=(1, 2, 3))[ref_index]).double()}

    return extract
"""

NAMED = """
from seiqa_features.datasets.pairs import Found, Pair

def matches(path):
    return (path / "named.txt").is_file()

def read(path):
    return Found(path, [Pair("only", path / "ref.png", path / "dist.png", "test")])
"""


@pytest.fixture(autouse=True)
def _registries_of_this_test(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What is registered here is gone afterwards."""
    registry.all_extractors()
    monkeypatch.setattr(registry, "_EXTRACTORS", dict(registry._EXTRACTORS))
    monkeypatch.setattr(registry, "_METRICS", dict(registry._METRICS))
    monkeypatch.setattr(datasets, "_ADDED", {})
    before = set(sys.modules)
    yield
    for name in {"made_brightness", "made_named"} & (set(sys.modules) - before):
        del sys.modules[name]
    monkeypatch.undo()
    plugins.load_plugins.cache_clear()


def test_an_extractor_of_another_distribution_is_one_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, save_picture: SavePicture
) -> None:
    points = {"brightness": "made_brightness"}
    install(monkeypatch, tmp_path / "site", registry.PLUGINS, points, made_brightness=BRIGHTNESS)
    assert "brightness" in list_extractors("bright*")
    ref, dist = save_picture(tmp_path / "ref.png", 1), save_picture(tmp_path / "dist.png", 2)
    assert extract("brightness", ref, ref) == {"brightness__shift": 0.0}
    assert extract("brightness", ref, dist)["brightness__shift"] != 0.0


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (None, "ModuleNotFoundError: No module named 'made_brightness'"),
        ("raise RuntimeError('no\\nway')", "RuntimeError: no way"),
        ("", "LookupError: it registers no extractor 'brightness'"),
        (
            BRIGHTNESS.replace('"brightness"', '"psnr"'),
            "ValueError: extractor name 'psnr' is taken or holds a double underscore",
        ),
        (
            BRIGHTNESS.replace("identity=0.0", "metric='SSIM'"),
            "ValueError: metric name 'ssim' of extractor 'brightness' is taken",
        ),
    ],
    ids=["missing", "raises", "empty", "name taken", "metric taken"],
)
def test_a_broken_extractor_is_named_and_the_others_work(
    code: str | None,
    reason: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    modules = {} if code is None else {"made_brightness": code}
    points = {"brightness": "made_brightness"}
    install(monkeypatch, tmp_path / "site", registry.PLUGINS, points, **modules)
    line = f"plug-in brightness of made-for-seiqa 2.1 (seiqa.extractors) cannot be used ({reason}"
    assert "psnr" in list_extractors()
    assert "brightness" not in list_extractors()
    [record] = caplog.records
    assert record.getMessage().startswith(line)
    assert record.getMessage().endswith("); going on without it")
    assert "\n" not in record.getMessage()
    with pytest.raises(UsageError) as raised:
        registry.get_extractor("brightness")
    assert str(raised.value).startswith(f"extractor 'brightness': {line}")


def test_a_data_set_of_another_distribution_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, save_picture: SavePicture
) -> None:
    install(monkeypatch, tmp_path / "site", datasets.PLUGINS, {"named": "made_named"},
            made_named=NAMED)  # fmt: skip
    data = tmp_path / "data"
    save_picture(data / "ref.png", 1), save_picture(data / "dist.png", 2)
    with pytest.raises(DataError, match=r"nor what these plug-ins read: named$"):
        load_pairs(data)
    (data / "named.txt").touch()
    pairs, left_out = load_pairs(data)
    assert pairs["pair_id"].tolist() == ["only"]
    assert left_out == []


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (
            NAMED.replace("def read", "def reads"),
            "plug-in named of made-for-seiqa 2.1 (seiqa.datasets) cannot be used (TypeError: it has"
            " no function read(path))",
        ),
        (
            NAMED.replace("return Found(", "return found("),
            "plug-in named (seiqa.datasets) failed on it (NameError: name 'found' is not defined)",
        ),
        (
            "def matches(path):\n    return True\ndef read(path):\n    return []\n",
            "plug-in named (seiqa.datasets) failed on it (TypeError: read(path) returns list,"
            " expected Found)",
        ),
    ],
    ids=["lacks a function", "fails", "returns a list"],
)
def test_a_broken_data_set_is_named_where_nothing_else_reads_it(
    code: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch, tmp_path / "site", datasets.PLUGINS, {"named": "made_named"},
            made_named=code)  # fmt: skip
    (tmp_path / "named.txt").touch()
    with pytest.raises(DataError) as raised:
        load_pairs(tmp_path)
    assert str(raised.value).endswith(f"; {reason}")
    assert len(raised.value.problems) == 1
