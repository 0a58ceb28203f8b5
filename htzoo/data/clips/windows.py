"""Read a long video window by window, in one pass."""

import os
from collections.abc import Iterator

import numpy as np

from htzoo.data.clips.frame_sampler import FrameSampler
from htzoo.data.errors import VideoError
from htzoo.data.video.resize import FrameConverter, Frames
from htzoo.data.video.video_file import VideoFile


def read_windows(
    path: str | os.PathLike[str], seconds: float, stride: float, sampler: FrameSampler, size: tuple[int, int]
) -> Iterator[tuple[float, float, Frames]]:
    """Yield windows of equal duration, each with the candidates of `sampler` for a clip of that duration.

    Windows and the steps between frames follow the time stamps where the frame rate varies. The rest at the end is a
    window too if it is at least half a window or the whole video; its frames are as far apart as those of a full one.

    Args:
        path: The video file.
        seconds: Duration of a window.
        stride: Seconds from the start of one window to the start of the next.
        sampler: Which frames of a window.
        size: (height, width) to resize to.

    Yields:
        Start and end in seconds, and RGB frames, uint8, T x H x W x 3.

    Raises:
        ValueError: `seconds` or `stride` is not positive.
        VideoError: The file is missing, damaged, not a video, or does not state its frame rate.
    """
    if not (seconds > 0 and stride > 0):
        raise ValueError(f"window is {seconds} s and stride {stride} s; give seconds above zero.")
    with VideoFile(path) as video:
        rate = video.mean_rate
        if rate is None:
            raise VideoError(f"{os.fspath(path)} does not state its frame rate; label it as one clip instead.")
        length, step = max(1, round(seconds * rate)), max(1, round(stride * rate))
        chosen = frozenset(sampler.candidates(length, os.path.basename(path)).tolist())
        converter = FrameConverter(size)

        def starts(index: int) -> range:
            """The windows, by their first frame, that frame `index` lies in."""
            return range(max(0, -(-(index - length + 1) // step) * step), index + 1, step)

        kept: dict[int, list[Frames]] = {}
        count = 0
        for count, frame in enumerate(video.frames_at_even_rate(rate), start=1):
            pixels = None
            for first in starts(count - 1):
                frames = kept.setdefault(first, [])
                if count - 1 - first in chosen:
                    pixels = video.converted(frame, converter) if pixels is None else pixels
                    frames.append(pixels)
                if count - first == length:
                    yield first / rate, count / rate, np.stack(kept.pop(first))
        if count < length:  # shorter than one window: a clip like any other
            name = os.path.basename(path)
            yield 0.0, count / rate, video.read_chosen(lambda count: sampler.candidates(count, name), size)
            return
        for first, frames in sorted(kept.items()):
            if frames and 2 * (count - first) >= length:
                yield first / rate, count / rate, np.stack(frames)
                return  # windows that start later see nothing new
