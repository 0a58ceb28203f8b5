"""Frames once decoded, kept in one memory-mapped file that all processes and later runs share."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from htzoo.data.clips.clip import Clip
from htzoo.data.clips.frame_sampler import FrameSampler
from htzoo.data.errors import DataError, unwritable

_VERSION = 2  # raise it whenever the same clip would be read otherwise
_REMEDY = "free space there, or set cache to false to do without"


class FrameCache:
    """A slot of frames, or of their features, for each clip, and behind them a byte a clip that says if it is filled.

    Whoever reads a clip first writes its slot and then its byte. Two processes that do so at once write the same, and
    an interrupted run leaves only slots that are whole or not marked.
    """

    def __init__(
        self, path: Path, lengths: Sequence[int], picture: tuple[int, ...], dtype: npt.DTypeLike = np.uint8
    ) -> None:
        """Open the cache, or make an empty one, which takes no space on the disk until it is filled.

        Args:
            path: The file.
            lengths: Frames of each slot.
            picture: (H, W, C) of a frame, or (F,) of its features.
            dtype: Type of the numbers.

        Raises:
            DataError: The file cannot be made.
        """
        self.path = path
        self.picture = picture
        self.dtype = np.dtype(dtype)
        self._ends = np.cumsum(lengths, dtype=np.int64)  # in frames
        self._maps: tuple[npt.NDArray[Any], npt.NDArray[np.uint8]] | None = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("ab") as file:
                file.truncate(self._marks + len(self._ends))  # to the same size: harmless to those who use it already
        except OSError as error:
            raise unwritable(path, error, _REMEDY) from error

    def __getstate__(self) -> dict[str, object]:
        """Leave the maps behind: pickled, a map would become a copy of the whole cache."""
        return self.__dict__ | {"_maps": None}

    def get(self, index: int) -> npt.NDArray[Any] | None:
        """The frames of slot `index`, T x H x W x C, read-only, or None if the slot is not filled."""
        frames, filled = self._mapped()
        return frames[slice(*self._slot(index))] if filled[index] else None

    def put(self, index: int, frames: npt.NDArray[Any]) -> None:
        """Fill slot `index`.

        Raises:
            DataError: The frames have another shape than the slot, or the disk is full.
        """
        start, end = self._slot(index)
        if frames.shape != (end - start, *self.picture):
            shape = (end - start, *self.picture)
            raise DataError(f"clip {index} has frames of shape {frames.shape}, not {shape}; set size to resize them.")
        try:
            # Written, not mapped: a full disk is then an error instead of a killed process.
            with self.path.open("r+b") as file:
                file.seek(start * self.frame_bytes)
                file.write(np.ascontiguousarray(frames).data)
                file.flush()
                file.seek(self._marks + index)
                file.write(b"\x01")
        except OSError as error:
            raise unwritable(self.path, error, _REMEDY) from error

    def is_full(self, indices: Sequence[int]) -> bool:
        """Whether all these slots are filled."""
        return bool(self._mapped()[1][list(indices)].all())

    @property
    def frame_bytes(self) -> int:
        """Bytes of a frame."""
        return int(np.prod(self.picture)) * self.dtype.itemsize

    @property
    def _marks(self) -> int:
        """Where the bytes that mark filled slots begin."""
        return int(self._ends[-1]) * self.frame_bytes if len(self._ends) else 0

    def _slot(self, index: int) -> tuple[int, int]:
        return (int(self._ends[index - 1]) if index else 0), int(self._ends[index])

    def _mapped(self) -> tuple[npt.NDArray[Any], npt.NDArray[np.uint8]]:
        if self._maps is None:
            bytes_ = np.memmap(self.path, dtype=np.uint8, mode="r")
            frames = np.asarray(bytes_[: self._marks]).view(self.dtype).reshape(-1, *self.picture)
            self._maps = (frames, np.asarray(bytes_[self._marks :]))
        return self._maps


def open_cache(
    folder: Path,
    clips: Sequence[Clip],
    sampler: FrameSampler,
    picture: tuple[int, int, int],
    features: tuple[str, int] | None = None,
) -> FrameCache:
    """Open the cache of these clips, read in this way; other clips, files or ways of reading have another file.

    Args:
        folder: Where the caches of this data set are kept.
        clips: The full list of clips.
        sampler: Which frames are read.
        picture: (H, W, C) after resizing.
        features: To keep float32 features of the frames and not the frames: a text that says in every detail what they
            come from, and how many there are of a frame.

    Raises:
        DataError: A clip is missing, or the cache cannot be made.
    """
    digest = hashlib.sha256(repr((_VERSION, picture, sampler.motion, *(features or ()))).encode())
    lengths = []
    for clip in clips:
        try:
            status = os.stat(clip.path)
        except OSError as error:
            raise DataError(f"{clip.path} cannot be read ({error.strerror}); prepare the data set again.") from error
        # Size and time as well as the digest of what the clip was made from: it may have been made anew, or replaced.
        identity = clip.digest or os.path.abspath(clip.path)
        candidates = sampler.candidates(clip.frames, clip.name)
        digest.update(repr((identity, status.st_size, status.st_mtime_ns, candidates.tobytes())).encode())
        lengths.append(sampler.kept(len(candidates)))
    height, width, channels = picture
    name = f"{sampler.sampling}_{sampler.frames}x{height}x{width}x{channels}_{digest.hexdigest()[:16]}.u8"
    if features is None:
        return FrameCache(folder / name, lengths, (height, width, channels))
    return FrameCache((folder / name).with_suffix(".f32"), lengths, (features[1],), np.float32)
