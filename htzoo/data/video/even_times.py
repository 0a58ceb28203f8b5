"""Frames at even steps in time, from videos whose frame rate varies."""

from collections.abc import Iterable, Iterator
from typing import TypeVar

import numpy as np
import numpy.typing as npt

Indices = npt.NDArray[np.int64]
Times = npt.NDArray[np.float64]
Frame = TypeVar("Frame")


def shown_at_even_times(times: Times) -> Indices:
    """Which frame is shown in the middle of each of N equal steps of a video's duration.

    At a constant frame rate, and where time stamps are off by less than half a frame, these are the frames 0 to N - 1.

    Args:
        times: When each of N frames appears, in seconds, increasing.

    Returns:
        N indices, not decreasing.
    """
    if len(times) < 2:
        return np.arange(len(times))
    begins = times - times[0]
    duration = 2 * begins[-1] - begins[-2]  # containers are often wrong about how long the last frame is shown
    middles = (np.arange(len(times)) + 0.5) * duration / len(times)
    shown: Indices = np.searchsorted(begins, middles, side="right") - 1
    return shown


def at_even_rate(frames: Iterable[tuple[float | None, Frame]], rate: float) -> Iterator[Frame]:
    """Repeat and drop frames of a stream so that there are `rate` a second.

    Args:
        frames: Each with its time in seconds, None where that is not known: it then follows the one before it.
        rate: Frames a second to yield.

    Yields:
        For n = 0, 1, ... the frame that is shown n + 1/2 steps after the first one appears.
    """
    count = 0
    previous: list[Frame] = []
    begin = now = 0.0
    for number, (time, frame) in enumerate(frames):
        if number == 0:
            begin = time or 0.0
        following = now + 1 / rate if time is None else time - begin
        if number > 0 and following > now:
            now = following
        while previous and count + 0.5 < now * rate - 1e-6:
            yield previous[0]
            count += 1
        previous = [frame]
    if previous and count + 0.5 < now * rate + 1 - 1e-6:
        yield previous[0]
