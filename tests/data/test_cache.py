"""Cached frames are the frames, and the cache survives whatever happens."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from htzoo.data import DataError, FrameCache, ordered

from .helpers import batches, digits


def test_workers_and_cache_change_nothing(few_root: Path, tmp_path: Path) -> None:
    def all_of(**settings: Any) -> list[torch.Tensor]:
        return [batch["video"] for batch in batches(digits(few_root, size=(24, 32), **settings), "test")]

    plain = all_of()
    for other in (all_of(num_workers=2), all_of(cache=True, num_workers=2), all_of(cache=True)):
        assert len(plain) == len(other) == 2
        assert all(torch.equal(left, right) for left, right in zip(plain, other, strict=True))


def test_cached_frames_need_no_file(few_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = digits(few_root, size=(10, 14), cache=True, frame_order="shuffled")
    reader = module._dataset("val").reader
    assert reader.cache is not None and not reader.cache.is_full([200])
    first = batches(module, "val")
    monkeypatch.setattr("htzoo.data.clips.read_frames", None)
    for again, before in zip(batches(module, "val"), first, strict=True):
        assert torch.equal(again["video"], before["video"])
    forward = digits(few_root, size=(10, 14), cache=True)  # the same cache, in another order
    item, shuffled = forward._dataset("val")[0], module._dataset("val")[0]
    order = ordered(8, "shuffled", 0, item["index"])
    assert torch.equal(item["video"][order], shuffled["video"])


def test_cache_is_filled_slot_by_slot(tmp_path: Path) -> None:
    path = tmp_path / "cache" / "a.u8"
    frames = np.random.default_rng(0).integers(0, 255, (3, 4, 4, 5, 3), np.uint8)
    first = FrameCache(path, 3, (4, 4, 5, 3))
    first.put(1, frames[1])
    second = FrameCache(path, 3, (4, 4, 5, 3))  # another process, or the next run
    assert second.get(0, 4) is None
    np.testing.assert_array_equal(second.get(1, 4), frames[1])
    copy = pickle.loads(pickle.dumps(second))
    second.put(0, frames[0, :2])
    np.testing.assert_array_equal(first.get(0, 2), frames[0, :2])
    np.testing.assert_array_equal(copy.get(0, 2), frames[0, :2])
    assert first.is_full([0, 1]) and not first.is_full([0, 1, 2])
    assert len(pickle.dumps(first)) < 1000
    with pytest.raises(ValueError, match="read-only"):
        first.get(1, 4)[0] = 0  # type: ignore[index]
    with pytest.raises(DataError, match="set size to resize"):
        first.put(2, frames[2, :, :2])


def test_cache_folder_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="set cache to false"):
        FrameCache(tmp_path / "file" / "a.u8", 1, (1, 2, 2, 3))


def test_cache_name_follows_the_files(few_root: Path) -> None:
    def name(**settings: Any) -> str:
        cache = digits(few_root, cache=True, **settings)._dataset("val").reader.cache
        assert cache is not None
        return cache.path.name

    assert name(size=(6, 8)) == name(size=(6, 8), seed=4, batch_size=8)
    assert len({name(size=(6, 8)), name(size=(8, 6)), name(size=(6, 8), frames=7)}) == 3
