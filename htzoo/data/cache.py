"""Frames once decoded, kept in one memory-mapped file that all processes and later runs share."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from htzoo.data.clips import Clip
from htzoo.data.errors import DataError
from htzoo.data.sampling import uniform_indices

_VERSION = 1  # raise it whenever the same clip would be read otherwise


class FrameCache:
    """A slot of frames a clip, followed by one byte a clip that says whether its slot is filled.

    Whoever reads a clip first writes its slot and then its byte. Two processes that do so at once write the same, and
    an interrupted run leaves only slots that are whole or not marked.
    """

    def __init__(self, path: Path, clips: int, shape: tuple[int, int, int, int]) -> None:
        """Open the cache, or make an empty one, which takes no space on the disk until it is filled.

        Args:
            path: The file.
            clips: How many slots.
            shape: (T, H, W, C) of a slot.

        Raises:
            DataError: The file cannot be made.
        """
        self.path = path
        self.clips = clips
        self.shape = shape
        self._slot = int(np.prod(shape))
        self._maps: tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]] | None = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("ab") as file:
                file.truncate(clips * (self._slot + 1))  # to the same size: harmless to those who use it already
        except OSError as error:
            raise _unwritable(path, error) from error

    def __getstate__(self) -> dict[str, object]:
        """Leave the maps behind: pickled, a map would become a copy of the whole cache."""
        return self.__dict__ | {"_maps": None}

    def get(self, index: int, length: int) -> npt.NDArray[np.uint8] | None:
        """The first `length` frames of slot `index`, read-only, or None if the slot is not filled."""
        frames, filled = self._mapped()
        return frames[index, :length] if filled[index] else None

    def put(self, index: int, frames: npt.NDArray[np.uint8]) -> None:
        """Fill slot `index` with up to T frames, T x H x W x C.

        Raises:
            DataError: The pictures have another shape than the slot, or the disk is full.
        """
        if frames.shape[1:] != self.shape[1:] or len(frames) > self.shape[0]:
            raise DataError(
                f"clip {index} has frames of shape {frames.shape}, not {self.shape}; set size to resize them."
            )
        try:
            # Written, not mapped: a full disk is then an error instead of a killed process.
            with self.path.open("r+b") as file:
                file.seek(index * self._slot)
                file.write(np.ascontiguousarray(frames).data)
                file.flush()
                file.seek(self.clips * self._slot + index)
                file.write(b"\x01")
        except OSError as error:
            raise _unwritable(self.path, error) from error

    def is_full(self, indices: Sequence[int]) -> bool:
        """Whether all these slots are filled."""
        return bool(self._mapped()[1][list(indices)].all())

    def _mapped(self) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
        if self._maps is None:
            bytes_ = np.memmap(self.path, dtype=np.uint8, mode="r")
            split = self.clips * self._slot
            self._maps = (np.asarray(bytes_[:split]).reshape(self.clips, *self.shape), np.asarray(bytes_[split:]))
        return self._maps


def open_cache(
    folder: Path, name: str, clips: Sequence[Clip], frames: int, picture: tuple[int, int, int]
) -> FrameCache:
    """Open the cache of these clips, read in this way; another list, file or way of reading has another file.

    Args:
        folder: Where caches are kept.
        name: First part of the file name.
        clips: The full list of clips.
        frames: Frames a clip.
        picture: (H, W, C) after resizing.

    Raises:
        DataError: A clip is missing, or the cache cannot be made.
    """
    digest = hashlib.sha256(repr((_VERSION, frames, picture)).encode())
    for clip in clips:
        try:
            status = os.stat(clip.path)
        except OSError as error:
            raise DataError(f"{clip.path} cannot be read ({error.strerror}); prepare the data set again.") from error
        chosen = uniform_indices(clip.frames, frames).tobytes()
        digest.update(repr((os.path.abspath(clip.path), status.st_size, status.st_mtime_ns, chosen)).encode())
    height, width, channels = picture
    file = folder / f"{name}_{frames}x{height}x{width}x{channels}_{digest.hexdigest()[:16]}.u8"
    return FrameCache(file, len(clips), (frames, height, width, channels))


def _unwritable(path: Path, error: OSError) -> DataError:
    return DataError(
        f"{path} cannot be written ({error.strerror or error}); free space there, or set cache to false to do without."
    )
