"""Messages between processes: the same objects arrive, and shared memory is used again or freed."""

from __future__ import annotations

import os
from pickle import PickleBuffer

import numpy as np

from seiqa_features.extraction.gpu import messages
from seiqa_features.extraction.gpu.messages import SharedFile, packed, unpacked


def sent(file: SharedFile, number: int, message: object, known: list[object]) -> object:
    """The message as it arrives."""
    buffers: list[PickleBuffer] = []
    data = packed(message, known, buffers)
    return unpacked(data, known, file.read(number, file.write(number, buffers)))


def held(file: SharedFile) -> int:
    """Bytes of memory."""
    return os.fstat(file._descriptor).st_blocks * 512


def test_arrays_arrive_in_shared_memory_and_known_objects_are_not_copied() -> None:
    file, known = SharedFile(), [object(), ("a", "block")]
    picture = np.arange(24, dtype=np.uint8).reshape(1, 2, 3, 4)
    empty = np.zeros((0, 3), np.uint8)
    message = {known[1]: [picture, picture], "other": (known[0], empty, 0.1)}
    found = sent(file, file.take(), message, known)
    assert isinstance(found, dict)
    assert list(found) == [known[1], "other"]
    assert found["other"][0] is known[0]
    assert found["other"][2] == 0.1
    assert found["other"][1].shape == (0, 3)
    first, second = found[known[1]]
    assert first is second
    assert first.dtype == np.uint8
    assert np.array_equal(first, picture)
    assert len(packed(message, known, [])) < 300


def test_a_message_may_have_no_arrays() -> None:
    file = SharedFile()
    assert sent(file, file.take(), ["failed"], []) == ["failed"]


def test_a_range_is_used_again_only_when_nothing_refers_to_it() -> None:
    file = SharedFile()
    one, other = file.take(), file.take()
    assert (one, other) == (0, 1)
    kept = sent(file, one, {"x": np.full(5, 7, np.uint8)}, [])
    assert isinstance(kept, dict)
    part = kept.pop("x")[1:]
    assert file.take() == 2
    del part
    assert file.take() == one
    larger = sent(file, one, np.full(9000, 3, np.uint8), [])
    assert np.array_equal(larger, np.full(9000, 3, np.uint8))


def test_memory_of_large_pictures_is_given_back(monkeypatch) -> None:
    monkeypatch.setattr(messages, "KEPT", 50_000)
    file = SharedFile()
    small, large = np.ones(40_000, np.uint8), np.ones(4_000_000, np.uint8)
    found = sent(file, file.take(), small, [])
    del found
    assert 40_000 <= held(file) < 100_000
    found = sent(file, file.take(), large, [])
    assert held(file) >= large.nbytes
    del found
    assert held(file) < 100_000
