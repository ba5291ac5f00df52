"""Weights: where they are found, that they stay what they were, and that offline costs no time."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch

from seiqa_features.errors import WeightsError
from seiqa_features.extractors.specs import Weight
from seiqa_features.weights import files as weights
from seiqa_features.weights import places
from seiqa_features.weights.files import LOCK_FILE, WeightFiles, file_stem

HUB = Weight("timm/tiny.tag", "hf:timm/tiny.tag/model.safetensors", 3, "MIT")
TORCH = Weight("torchvision/tiny", "checkpoints|https://example.org/m/tiny-0123abcd.pth", 5, "BSD")


@pytest.fixture
def weight_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WeightFiles:
    """A weight_files on a machine with empty hub caches."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hf"))
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "torch"))
    return WeightFiles(tmp_path / "weights")


def put(path: Path, content: bytes = b"weights") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def put_in_hf_cache(cache: Path, content: bytes = b"hub") -> Path:
    """The layout of huggingface_hub's cache: a commit that `main` points to."""
    repository = cache / "models--timm--tiny.tag"
    put(repository / "refs" / "main", b"c0ffee")
    return put(repository / "snapshots" / "c0ffee" / "model.safetensors", content)


def test_absent_everywhere(weight_files: WeightFiles) -> None:
    assert weight_files.find(HUB) is None
    assert weight_files.missing([HUB, TORCH]) == [HUB, TORCH]
    with pytest.raises(WeightsError, match=r"timm/tiny.tag are missing \(3 MB\)"):
        weight_files.checksum(HUB)


def test_hub_caches_are_looked_into(weight_files: WeightFiles, tmp_path: Path) -> None:
    cached = put_in_hf_cache(tmp_path / "hf")
    loaded = put(tmp_path / "torch" / "checkpoints" / "tiny-0123abcd.pth")
    assert weight_files.find(HUB) == cached
    assert weight_files.find(TORCH) == loaded


def test_own_copy_beats_the_hub_and_a_named_file_beats_both(
    weight_files: WeightFiles, tmp_path: Path
) -> None:
    put_in_hf_cache(tmp_path / "hf")
    copy = put(weight_files.folder / "timm--tiny.tag.pth")
    assert file_stem(HUB) == "timm--tiny.tag"
    assert weight_files.find(HUB) == copy
    named = put(tmp_path / "mine.bin")
    assert WeightFiles(weight_files.folder, {HUB.name: named}).find(HUB) == named


def test_a_named_file_that_is_not_there(weight_files: WeightFiles, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"gone\.bin: no such file, named as weights of timm/ti"):
        WeightFiles(weight_files.folder, {HUB.name: tmp_path / "gone.bin"}).find(HUB)


def test_checksum_is_recorded_once_and_read_from_the_lock(
    weight_files: WeightFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_in_hf_cache(tmp_path / "hf")
    first = weight_files.checksum(HUB)
    assert len(first) == 64
    lock = json.loads((weight_files.folder / LOCK_FILE).read_text())
    assert lock["timm/tiny.tag"]["sha256"] == first
    monkeypatch.setattr(weights, "sha256_of", lambda path: pytest.fail(f"{path} was hashed again"))
    assert weight_files.checksum(HUB) == first


def test_a_touched_file_is_hashed_again_and_passes(weight_files: WeightFiles) -> None:
    path = put(weight_files.folder / "timm--tiny.tag.pth")
    first = weight_files.checksum(HUB)
    os.utime(path, (1, 1))
    assert weight_files.checksum(HUB) == first


def test_a_file_that_changed_is_refused(weight_files: WeightFiles) -> None:
    path = put(weight_files.folder / "timm--tiny.tag.pth")
    weight_files.checksum(HUB)
    put(path, b"other weights")
    with pytest.raises(WeightsError, match=r"timm--tiny\.tag\.pth: .*changed since .*lock\.json"):
        weight_files.checksum(HUB)


def test_loading_hashes_even_if_the_date_did_not_change(weight_files: WeightFiles) -> None:
    path = put(weight_files.folder / "timm--tiny.tag.pth")
    weight_files.checksum(HUB)
    stat = path.stat()
    put(path, b"WEIGHTS")  # as many bytes
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    with pytest.raises(WeightsError, match="changed since they were first used"):
        weight_files.verified(HUB)


def test_hub_file_that_changed_upstream_is_refused(
    weight_files: WeightFiles, tmp_path: Path
) -> None:
    put_in_hf_cache(tmp_path / "hf", b"first revision")
    weight_files.verified(HUB)
    repository = tmp_path / "hf" / "models--timm--tiny.tag"
    put(repository / "refs" / "main", b"beef")
    put(repository / "snapshots" / "beef" / "model.safetensors", b"second revision")
    with pytest.raises(WeightsError, match="changed since"):
        weight_files.checksum(HUB)


def test_a_damaged_lock_file_is_named(weight_files: WeightFiles) -> None:
    put(weight_files.folder / "timm--tiny.tag.pth")
    put(weight_files.folder / LOCK_FILE, b"{")
    with pytest.raises(WeightsError, match=r"weights\.lock\.json: cannot be read .*repair"):
        weight_files.checksum(HUB)


def test_offline_is_one_short_question_and_no_download(
    weight_files: WeightFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setattr(places, "_answers", lambda host: bool(asked.append(host)))
    monkeypatch.setattr(weights, "download", lambda weight: pytest.fail(f"{weight} was tried"))
    with pytest.raises(WeightsError, match="offline"):
        weight_files.fetch([HUB, TORCH])
    assert asked == ["https://huggingface.co"]


def test_the_users_word_for_offline_asks_nobody(
    weight_files: WeightFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(places, "_answers", lambda host: pytest.fail(f"{host} was asked"))
    with pytest.raises(WeightsError, match="offline"):
        weight_files.fetch([TORCH])


def test_fetch_downloads_what_is_missing_and_records_it(
    weight_files: WeightFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weights, "online", lambda _: True)
    downloaded: list[tuple[str, str | None]] = []

    def download(url: str, path: str, hash_prefix: str | None) -> None:
        downloaded.append((url, hash_prefix))
        put(Path(path))

    monkeypatch.setattr(torch.hub, "download_url_to_file", download)
    present = put(weight_files.folder / "timm--tiny.tag.pth")
    paths = weight_files.fetch([HUB, TORCH])
    assert paths == [present, tmp_path / "torch" / "checkpoints" / "tiny-0123abcd.pth"]
    assert downloaded == [("https://example.org/m/tiny-0123abcd.pth", None)]
    assert len(json.loads((weight_files.folder / LOCK_FILE).read_text())) == 2
    assert weight_files.fetch([HUB, TORCH]) == paths
    assert len(downloaded) == 1


@pytest.mark.parametrize(
    ("url", "prefix"),
    [
        ("https://download.pytorch.org/models/alexnet-owt-7be5be79.pth", "7be5be79"),
        (f"https://openaipublic.azureedge.net/clip/models/{'ab' * 32}/RN50.pt", "ab" * 32),
        ("https://example.org/models/LPIPS-18720f55.pth", None),  # no promise that it is a hash
    ],
)
def test_hashes_that_a_url_promises_are_checked(
    url: str, prefix: str | None, weight_files: WeightFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weights, "online", lambda _: True)
    seen: list[str | None] = []

    def download(_: str, path: str, hash_prefix: str | None) -> None:
        seen.append(hash_prefix)
        put(Path(path))

    monkeypatch.setattr(torch.hub, "download_url_to_file", download)
    weight_files.fetch([Weight("x/y", f"checkpoints|{url}", 1, "MIT")])
    assert seen == [prefix]


def test_a_download_that_fails_is_one_line_and_keeps_the_others(
    weight_files: WeightFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weights, "online", lambda _: True)

    def fails(weight: Weight) -> None:
        if weight is TORCH:
            raise OSError("HTTP 404\nNot Found")
        put_in_hf_cache(tmp_path / "hf")

    monkeypatch.setattr(weights, "download", fails)
    with pytest.raises(WeightsError) as caught:
        weight_files.fetch([HUB, TORCH])
    assert str(caught.value) == "torchvision/tiny: download failed (OSError: HTTP 404)"
    assert caught.value.exit_code == 4
    assert weight_files.missing([HUB, TORCH]) == [TORCH]
