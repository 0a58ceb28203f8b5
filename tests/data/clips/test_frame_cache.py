"""Cached frames are the frames, and the cache survives whatever happens."""

import errno
import json
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from htzoo.cli.main import main
from htzoo.data import Clip, DataError, FrameCache, FrameSampler, VideoFolder, ordered, write_video
from htzoo.data.clips.cache_files import find_caches
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


def test_a_damaged_slot_is_not_filled_and_heals(tmp_path: Path) -> None:
    """Whatever a crash or a bad disk leaves: zeros, one flipped bit, or a checksum of something else."""
    path = tmp_path / "a.u8"
    frames = np.random.default_rng(0).integers(1, 255, (4, 2, 5, 7, 3), np.uint8)
    first = FrameCache(path, [2] * 4, (5, 7, 3))
    for index, clip in enumerate(frames):
        first.put(index, clip)
    size, marks = frames[0].nbytes, frames.nbytes
    with path.open("r+b") as file:
        file.write(bytes(size))
        file.seek(size + 17)
        file.write(bytes([frames[1].reshape(-1)[17] ^ 1]))
        file.seek(marks + 2 * 8)
        file.write(b"\x01")
    cache = FrameCache(path, [2] * 4, (5, 7, 3))
    assert [cache.get(index) is None for index in range(4)] == [True, True, True, False]
    for index in range(3):
        cache.put(index, frames[index])
    assert all(np.array_equal(cache.get(index), clip) for index, clip in enumerate(frames))


def test_frames_are_on_the_disk_before_they_are_marked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.u8"
    cache = FrameCache(path, [2], (2, 2, 3))
    marks = []
    sync = os.fsync

    def recorded(file: int) -> None:
        content = path.read_bytes()
        marks.append((content[:24], content[24:]))
        sync(file)

    monkeypatch.setattr(os, "fsync", recorded)
    cache.put(0, np.full((2, 2, 2, 3), 7, np.uint8))
    assert marks == [(b"\x07" * 24, bytes(8))] and cache.get(0) is not None


@pytest.mark.parametrize("filled", [3, 1])
def test_a_cache_that_cannot_be_written_to_is_used(
    filled: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = np.random.default_rng(0).integers(0, 255, (3, 2, 5, 7, 3), np.uint8)
    path = tmp_path / "a.u8"
    cache = FrameCache(path, [2] * 3, (5, 7, 3))
    for index in range(filled):
        cache.put(index, frames[index])
    before = path.read_bytes()
    read = Path.open

    def read_only(self: Path, mode: str = "r", *rest: Any, **more: Any) -> Any:
        if set(mode) & set("wax+"):
            raise OSError(errno.EROFS, "Read-only file system", str(self))
        return read(self, mode, *rest, **more)

    monkeypatch.setattr(Path, "open", read_only)
    cache = FrameCache(path, [2] * 3, (5, 7, 3))
    assert cache.is_full([0, 1, 2]) == (filled == 3)
    for index, clip in enumerate(frames):
        cache.put(index, clip)  # what is not there is decoded each time
        kept = cache.get(index)
        assert kept is None if index >= filled else np.array_equal(kept, clip)  # type: ignore[arg-type]
    assert path.read_bytes() == before
    with pytest.raises(DataError, match="set cache to false"):
        FrameCache(path, [2] * 4, (5, 7, 3))


def caches_of(root: Path, *sizes: tuple[int, int], **settings: Any) -> list[Path]:
    """Full caches of two clips, one a frame size, the first used longest ago."""
    for name in ("a", "b"):
        if not (root / "clips" / name / "0.mp4").exists():
            write_video(root / "clips" / name / "0.mp4", np.full((6, 16, 16, 3), 100, np.uint8))
    clips = tuple(Clip(root / "clips" / name / "0.mp4", 0, "", 6) for name in ("a", "b"))
    made = []
    for number, size in enumerate(sizes):
        sampler = FrameSampler(frames=4)
        cache = open_cache(root / "cache" / "mine", clips, sampler, (*size, 3), **settings)
        reader = ClipReader(clips, sampler, size, cache)
        assert [len(reader.read(index)) for index in (0, 1)] == [4, 4]
        os.utime(cache.path, (10**9 + number * 86400,) * 2)
        made.append(cache.path)
    return made


def test_clean(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = caches_of(tmp_path, (64, 64), (64, 96), (96, 96))
    words = ["data", "clean", "--root", str(tmp_path)]
    assert main(words) == 0 and all(path.exists() for path in made)
    assert main([*words, "--limit", "0.00026", "--dry-run"]) == 0 and all(path.exists() for path in made)
    assert capsys.readouterr().out.splitlines()[-1].startswith("2 of 3 caches, 0.")
    assert main([*words, "--limit", "0.00031"]) == 0
    assert [path.exists() for path in made] == [False, False, True]
    made = caches_of(tmp_path, (64, 64), (64, 96))
    assert main([*words, "--unused", "100000"]) == 0 and all(path.exists() for path in made)
    os.utime(tmp_path / "clips" / "a" / "0.mp4", (5, 5))
    capsys.readouterr()
    assert main([*words, "--json"]) == 0
    removed = {row["path"]: row["removed"] for row in json.loads(capsys.readouterr().out)["caches"]}
    assert len(removed) == 3 and all("a/0.mp4 has changed" in reason for reason in removed.values())
    assert not any(path.exists() for path in made)
    assert not list((tmp_path / "cache").rglob("*.*"))
    assert (tmp_path / "clips" / "b" / "0.mp4").exists()


def test_stale_caches_are_found(tmp_path: Path) -> None:
    (kept,) = caches_of(tmp_path, (16, 16))
    assert [cache.stale for cache in find_caches(tmp_path / "cache")] == [None]
    clip = tmp_path / "clips" / "a" / "0.mp4"
    content = clip.read_bytes()
    clip.unlink()
    assert [cache.stale for cache in find_caches(tmp_path)] == [f"{clip} is gone"]
    clip.write_bytes(content + b"0")
    assert [cache.stale for cache in find_caches(tmp_path)] == [f"{clip} has changed"]
    kept.with_name(kept.name + ".clips").write_text("{")
    assert [cache.stale for cache in find_caches(tmp_path)] == ["its list of clips is damaged"]
    kept.with_name(kept.name + ".clips").unlink()
    assert [cache.stale for cache in find_caches(tmp_path)] == ["written by an older htzoo"]


def test_limit_of_all_caches(tmp_path: Path) -> None:
    first, second = caches_of(tmp_path, (64, 64), (64, 96), limit=1)
    (third,) = caches_of(tmp_path, (96, 96), limit=0.0004)  # 98 + 147 + 221 kB, in blocks of the disk
    assert [path.exists() for path in (first, second, third)] == [False, True, True]
    with pytest.raises(DataError, match=r"needs 0\.000219 GB, but cache_limit is 0\.0001; raise it"):
        caches_of(tmp_path, (96, 95), limit=0.0001)
    with pytest.raises(ValueError, match="cache_limit is 0"):
        VideoFolder(str(tmp_path / "clips"), root=str(tmp_path), cache_limit=0)


def test_a_cache_that_is_removed_while_it_is_used(tmp_path: Path) -> None:
    cache = FrameCache(tmp_path / "a.u8", [1, 1], (2, 2, 3))
    frame = np.full((1, 2, 2, 3), 9, np.uint8)
    cache.put(0, frame)
    assert cache.get(1) is None
    for file in find_caches(tmp_path):
        file.remove()
    np.testing.assert_array_equal(cache.get(0), frame)
    cache.put(1, frame)
    assert cache.get(1) is None and not (tmp_path / "a.u8").exists()
