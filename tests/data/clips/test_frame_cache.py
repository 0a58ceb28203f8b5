"""Cached frames are the frames, and the cache survives whatever happens."""

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from htzoo.data import DataError, FrameCache, VideoFolder, ordered, write_video
from htzoo.data.clips.dataset import ClipReader
from htzoo.data.clips.frame_cache import open_cache
from htzoo.data.index import Entry, write_index
from tests.data.helpers import batches, digits


def test_workers_and_cache_change_nothing(few_root: Path, tmp_path: Path) -> None:
    def all_of(**settings: Any) -> list[torch.Tensor]:
        return [batch["video"] for batch in batches(digits(few_root, size=(24, 32), **settings), "test")]

    plain = all_of()
    for other in (all_of(num_workers=2), all_of(cache=True, num_workers=2), all_of(cache=True)):
        assert len(plain) == len(other) == 2
        assert all(torch.equal(left, right) for left, right in zip(plain, other, strict=True))


def test_cached_frames_need_no_file(few_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = digits(few_root, size=(10, 22), cache=True, frame_order="shuffled")
    reader = module._dataset("val").reader
    assert reader.cache is not None and not reader.cache.is_full([200])
    first = batches(module, "val")
    monkeypatch.setattr("htzoo.data.clips.clip.VideoFile", None)
    for again, before in zip(batches(module, "val"), first, strict=True):
        assert torch.equal(again["video"], before["video"])
    forward = digits(few_root, size=(10, 22), cache=True)  # the same cache, in another order
    item, shuffled = forward._dataset("val")[0], module._dataset("val")[0]
    order = ordered(8, "shuffled", 0, item["index"])
    assert torch.equal(item["video"][order], shuffled["video"])


def test_cache_is_filled_slot_by_slot(tmp_path: Path) -> None:
    path = tmp_path / "cache" / "a.u8"
    frames = np.random.default_rng(0).integers(0, 255, (3, 4, 4, 5, 3), np.uint8)
    lengths = [2, 4, 3]
    first = FrameCache(path, lengths, (4, 5, 3))
    first.put(1, frames[1])
    second = FrameCache(path, lengths, (4, 5, 3))  # another process, or the next run
    assert second.get(0) is None and second.get(2) is None
    np.testing.assert_array_equal(second.get(1), frames[1])
    copy = pickle.loads(pickle.dumps(second))
    second.put(0, frames[0, :2])
    second.put(2, frames[2, :3])
    for cache in (first, second, copy):
        for index, length in enumerate(lengths):
            np.testing.assert_array_equal(cache.get(index), frames[index, :length])
    assert first.is_full([0, 1, 2]) and not FrameCache(tmp_path / "b.u8", [1, 1], (4, 5, 3)).is_full([1])
    assert len(pickle.dumps(first)) < 1000
    with pytest.raises(ValueError, match="read-only"):
        first.get(1)[0] = 0  # type: ignore[index]
    with pytest.raises(DataError, match="set size to resize"):
        first.put(2, frames[2, :3, :2])
    with pytest.raises(DataError, match=r"not \(3, 4, 5, 3\)"):
        first.put(2, frames[2])


def test_cache_folder_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="set cache to false"):
        FrameCache(tmp_path / "file" / "a.u8", [1], (2, 2, 3))


def test_cache_name_follows_the_files(few_root: Path) -> None:
    def name(**settings: Any) -> str:
        cache = digits(few_root, cache=True, **{"size": (6, 8), **settings})._dataset("val").reader.cache
        assert cache is not None
        assert cache.path.parent == few_root / "cache" / "moving_digits"
        return cache.path.name

    assert name() == name(seed=4, batch_size=8, split="clip", fold=3)
    different = [
        {},
        {"size": (8, 6)},
        {"frames": 7},
        {"views": 2},
        {"sampling": "all"},
        {"sampling": "all", "every": 2},
        {"sampling": "segments"},
        {"sampling": "fixed_random"},
        {"sampling": "fixed_random", "seed": 4},
    ]
    assert len({name(**settings) for settings in different}) == len(different)


def test_a_changed_clip_never_gives_stale_frames(tmp_path: Path) -> None:
    def write(index: str, content: npt.NDArray[np.uint8]) -> None:
        write_video(tmp_path / "set" / "a" / "0.mp4", content, crf=0)
        entry = Entry("a/0.mp4", "a", "", len(content), 24.0, 16, 16, "a/0.avi", index)
        write_index(tmp_path / "set", [entry, entry._replace(path="b/0.mp4", label="b")])

    def read() -> npt.NDArray[np.uint8]:
        module = VideoFolder(str(tmp_path / "set"), root=str(tmp_path), frames=2, size=(16, 16))
        module.clips = tuple(module.list_clips()[:1])
        cache = open_cache(tmp_path / "cache", module.clips, module.sampler, (16, 16, 3))
        return ClipReader(module.clips, module.sampler, (16, 16), cache).read(0).copy()

    grey = np.full((6, 16, 16, 3), 100, np.uint8)
    write("0" * 64, grey)
    assert abs(int(read().mean()) - 100) < 3
    write("0" * 64, grey + 50)  # another file of the same length, prepared from the same source
    assert abs(int(read().mean()) - 150) < 3
    changed = os.stat(tmp_path / "set" / "a" / "0.mp4")
    write("1" * 64, grey)  # and from another source, in the same nanosecond
    os.utime(tmp_path / "set" / "a" / "0.mp4", ns=(changed.st_atime_ns, changed.st_mtime_ns))
    assert abs(int(read().mean()) - 100) < 3
