"""Decoded frames in one memory-mapped file, which all processes and later runs share."""

import hashlib
import os
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from htzoo.data.clips.cache_files import make_room, note_clips
from htzoo.data.clips.clip import Clip
from htzoo.data.clips.frame_sampler import FrameSampler
from htzoo.data.errors import DataError, unwritable

_VERSION = 3  # raise it whenever the same clip would be read differently
_REMEDY = "free space there, or set cache to false"
_MARK = 8  # bytes
_FILLED = 1 << 32


class FrameCache:
    """A slot of frames, or of their features, for each clip, and behind them a checksum for each slot that is filled.

    Whoever reads a clip first writes its slot, waits until the disk has it, and then writes the checksum. Processes
    that do so at once write the same. An interrupted run leaves slots that are whole or not marked, and a slot whose
    checksum is wrong counts as not filled. A cache that cannot be written to is read as far as it is filled.
    """

    def __init__(
        self, path: Path, lengths: Sequence[int], frame_shape: tuple[int, ...], dtype: npt.DTypeLike = np.uint8
    ) -> None:
        """Open the cache, or make an empty one, which takes no disk space until it is filled.

        Args:
            path: The file.
            lengths: Frames of each slot.
            frame_shape: (H, W, C) of a frame, or (F,) of its features.
            dtype: Type of the values.

        Raises:
            DataError: The file cannot be made.
        """
        self.path = path
        self.frame_shape = frame_shape
        self.dtype = np.dtype(dtype)
        self._ends = np.cumsum(lengths, dtype=np.int64)  # in frames
        self._maps: tuple[npt.NDArray[Any], npt.NDArray[np.uint64]] | None = None
        self._verified: set[int] = set()
        self.writable = True
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("ab") as file:
                file.truncate(self.size)  # to the same size: harmless to processes that use it already
        except OSError as error:
            if not (path.is_file() and path.stat().st_size == self.size):
                raise unwritable(path, error, _REMEDY) from error
            self.writable = False

    def __getstate__(self) -> dict[str, object]:
        """Leave the maps behind: pickled, a map would become a copy of the whole cache."""
        return self.__dict__ | {"_maps": None, "_verified": set()}

    def get(self, index: int) -> npt.NDArray[Any] | None:
        """The frames of slot `index`, T x H x W x C, read-only, or None if the slot is not filled or damaged."""
        frames, marks = self._mapped()
        kept: npt.NDArray[Any] = frames[slice(*self._slot(index))]
        if not marks[index]:
            return None
        if index not in self._verified:
            if _checksum(kept) != int(marks[index]):
                return None
            self._verified.add(index)
        return kept

    def put(self, index: int, frames: npt.NDArray[Any]) -> None:
        """Fill slot `index`, unless the cache cannot be written to or has been removed.

        Raises:
            DataError: The frames have another shape than the slot, or the disk is full.
        """
        start, end = self._slot(index)
        if frames.shape != (end - start, *self.frame_shape):
            shape = (end - start, *self.frame_shape)
            raise DataError(f"clip {index} has frames of shape {frames.shape}, not {shape}; set size to resize them.")
        if not self.writable:
            return
        content = np.ascontiguousarray(frames, self.dtype)
        try:
            # Written, not mapped: a full disk is then an error instead of a killed process.
            with self.path.open("r+b") as file:
                file.seek(start * self.frame_bytes)
                file.write(content.data)
                file.flush()
                os.fsync(file.fileno())
                file.seek(self._marks + _MARK * index)
                file.write(_checksum(content).to_bytes(_MARK, "little"))
        except FileNotFoundError:
            self.writable = False  # `htzoo data clean` has removed it; what is mapped is still there
        except OSError as error:
            raise unwritable(self.path, error, _REMEDY) from error

    def is_full(self, indices: Sequence[int]) -> bool:
        """Whether all these slots are filled; their checksums are not compared."""
        return bool(self._mapped()[1][list(indices)].all())

    @property
    def frame_bytes(self) -> int:
        """Size of a frame."""
        return int(np.prod(self.frame_shape)) * self.dtype.itemsize

    @property
    def size(self) -> int:
        """Size of the file, in bytes."""
        return self._marks + _MARK * len(self._ends)

    @property
    def _marks(self) -> int:
        """Where the marks of filled slots begin."""
        frames = int(self._ends[-1]) * self.frame_bytes if len(self._ends) else 0
        return -(-frames // _MARK) * _MARK

    def _slot(self, index: int) -> tuple[int, int]:
        return (int(self._ends[index - 1]) if index else 0), int(self._ends[index])

    def _mapped(self) -> tuple[npt.NDArray[Any], npt.NDArray[np.uint64]]:
        if self._maps is None:
            content = np.memmap(self.path, dtype=np.uint8, mode="r")
            frames = np.asarray(content[: int(self._ends[-1]) * self.frame_bytes if len(self._ends) else 0])
            marks = np.asarray(content[self._marks :]).view(np.dtype("<u8"))
            self._maps = (frames.view(self.dtype).reshape(-1, *self.frame_shape), marks)
        return self._maps


def _checksum(frames: npt.NDArray[Any]) -> int:
    """CRC-32 of the bytes, and a bit that makes it other than zero."""
    return zlib.crc32(np.ascontiguousarray(frames).data) | _FILLED


def open_cache(
    folder: Path,
    clips: Sequence[Clip],
    sampler: FrameSampler,
    frame_shape: tuple[int, int, int],
    features: tuple[str, int] | None = None,
    limit: float | None = None,
) -> FrameCache:
    """Open the cache of these clips, read in this way; other clips, files or ways of reading have another file.

    Args:
        folder: Where the caches of this dataset are kept, beside those of other datasets.
        clips: The full list of clips.
        sampler: Which frames are read.
        frame_shape: (H, W, C) after resizing.
        features: To keep float32 features of the frames and not the frames: a text that fully identifies what makes
            them, and how many there are of a frame.
        limit: Gigabytes that the caches of all datasets may take together; the least recently used ones are removed
            before a new one exceeds it. None: any.

    Raises:
        DataError: A clip is missing, the cache cannot be made, or it alone exceeds `limit`.
    """
    digest = hashlib.sha256(repr((_VERSION, frame_shape, sampler.motion, *(features or ()))).encode())
    lengths = []
    noted = []
    known: dict[object, tuple[int, str]] = {}  # most of 300,000 clips have a length that another one has too
    for clip in clips:
        try:
            status = os.stat(clip.path)
        except OSError as error:
            raise DataError(f"{clip.path} cannot be read ({error.strerror}); prepare the dataset again.") from error
        noted.append((status.st_size, status.st_mtime_ns, clip.path))
        # Size and time as well as the digest of the source file: the clip may have been made anew, or replaced.
        identity = clip.digest or os.path.abspath(clip.path)
        key = (clip.frames, clip.name) if sampler.sampling == "fixed_random" else clip.frames
        if key not in known:
            candidates = sampler.candidates(clip.frames, clip.name)
            known[key] = sampler.kept(len(candidates)), repr(candidates.tobytes())
        length, shown = known[key]
        digest.update(f"({identity!r}, {status.st_size}, {status.st_mtime_ns}, {shown})".encode())
        lengths.append(length)
    height, width, channels = frame_shape
    name = f"{sampler.sampling}_{sampler.frames}x{height}x{width}x{channels}_{digest.hexdigest()[:16]}"
    path = folder / (name + (".u8" if features is None else ".f32"))
    shape, dtype = (frame_shape, np.uint8) if features is None else ((features[1],), np.float32)
    if limit is not None and not path.exists():
        needed = sum(lengths) * int(np.prod(shape)) * np.dtype(dtype).itemsize
        make_room(folder.parent, needed, limit)
    cache = FrameCache(path, lengths, shape, dtype)
    note_clips(path, noted)
    return cache
