"""A long video, window by window, read once."""

import os
from collections.abc import Iterator

import numpy as np

from htzoo.data.clips.frame_sampler import FrameSampler
from htzoo.data.errors import VideoError
from htzoo.data.video.read import Frames, frame_rate, read_frames, stream_frames


def read_windows(
    path: str | os.PathLike[str], seconds: float, stride: float, sampler: FrameSampler, size: tuple[int, int]
) -> Iterator[tuple[float, float, Frames]]:
    """Yield windows of equal length, each with the candidates of `sampler` for a clip of that length.

    What remains at the end is a window too where it is half a window or more, or all there is; its frames are as far
    apart as those of a full one.

    Args:
        path: The video file.
        seconds: Length of a window.
        stride: Seconds from the start of one window to the start of the next.
        sampler: Which frames of a window.
        size: (height, width) to resize to.

    Yields:
        Start and end in seconds, and RGB frames, uint8, T x H x W x 3.

    Raises:
        ValueError: A number is not positive.
        VideoError: The file is missing, damaged, not a video, or does not say its frame rate.
    """
    if not (seconds > 0 and stride > 0):
        raise ValueError(f"window is {seconds} s and stride {stride} s; give seconds above zero.")
    rate = frame_rate(path)
    if rate is None:
        raise VideoError(f"{os.fspath(path)} does not say its frame rate; label it as one clip instead.")
    length, step = max(1, round(seconds * rate)), max(1, round(stride * rate))
    chosen = frozenset(sampler.candidates(length, os.path.basename(path)).tolist())

    def starts(index: int) -> range:
        """The windows, by their first frame, that frame `index` lies in."""
        return range(max(0, -(-(index - length + 1) // step) * step), index + 1, step)

    kept: dict[int, list[Frames]] = {}
    count = 0
    for count, picture in enumerate(
        stream_frames(path, lambda index: any(index - first in chosen for first in starts(index)), size), start=1
    ):
        for first in starts(count - 1):
            pictures = kept.setdefault(first, [])
            if picture is not None and count - 1 - first in chosen:
                pictures.append(picture)
            if count - first == length:
                yield first / rate, count / rate, np.stack(kept.pop(first))
    if count < length:  # shorter than one window: a clip like any other
        name = os.path.basename(path)
        yield 0.0, count / rate, read_frames(path, sampler.candidates(count, name), size)
        return
    for first, pictures in sorted(kept.items()):
        if pictures and 2 * (count - first) >= length:
            yield first / rate, count / rate, np.stack(pictures)
            return  # windows that start later see nothing new
