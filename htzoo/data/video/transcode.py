"""Re-encode one clip from any video file to small H.264, frame for frame."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace, Interpolation

from htzoo.data.errors import VideoError
from htzoo.data.video.container import damaged, reason_of
from htzoo.data.video.encode import encode_frames
from htzoo.data.video.even_times import Times, shown_at_even_times
from htzoo.data.video.orientation import Orientation
from htzoo.data.video.video_file import VideoFile

_DEFAULT_FPS = Fraction(25)  # where the file has no plausible rate


@dataclass(frozen=True)
class Transcoded:
    """The clip that was written.

    Attributes:
        frames: Number of frames.
        fps: Frames a second, on average.
        height: In pixels.
        width: In pixels.
    """

    frames: int
    fps: float
    height: int
    width: int


def transcode(source: Path, target: Path, short_side: int) -> Transcoded:
    """Decode every frame of a video and write them all, upright and in the order shown.

    Where the frame rate varies, each keeps its time; otherwise they follow one another at an even rate. Frames whose
    short side is longer than `short_side` are reduced, none is enlarged. The last row or column of an odd number is cut
    off where frames are not resized, since the colours of H.264 come in blocks of 2 x 2.

    Args:
        source: Any video that `VideoFile` reads.
        target: The mp4 file to write, whole or not at all.
        short_side: In pixels.

    Raises:
        VideoError: `source` is not a whole video.
        OSError: `target` cannot be written.
    """
    with VideoFile(source) as video:
        fps = _DEFAULT_FPS if video.rate is None else Fraction(video.rate).limit_denominator(1001)
        times = video.times
        if times is not None and (_is_even(times) or len(times) != video.count):
            times = None
        frames = video.frames()
        first = next(frames)
        orientation = video.orientation_of(first)
        size = _reduced(*orientation.size(first.height, first.width), short_side)
        count = encode_frames(target, _converted(video, chain([first], frames), size), size, fps, times=times)
    return Transcoded(count, round(float(fps), 6), *size)


def _is_even(times: Times) -> bool:
    return bool((shown_at_even_times(times) == np.arange(len(times))).all())


def _reduced(height: int, width: int, short_side: int) -> tuple[int, int]:
    scale = min(1.0, short_side / min(height, width))
    if scale == 1:
        return max(2, height // 2 * 2), max(2, width // 2 * 2)
    return max(2, round(height * scale / 2) * 2), max(2, round(width * scale / 2) * 2)


def _converted(video: VideoFile, frames: Iterator[av.VideoFrame], size: tuple[int, int]) -> Iterator[av.VideoFrame]:
    """The frames in the size and colours of the encoder."""
    shape: tuple[int, int] | None = None
    for frame in frames:
        orientation = video.orientation_of(frame)
        if shape not in (None, orientation.size(frame.height, frame.width)):
            raise VideoError(f"{video.path} changes its frame size on the way; re-encode it with one size.")
        shape = orientation.size(frame.height, frame.width)
        try:
            yield _turned_and_resized(frame, orientation, size)
        except (av.FFmpegError, ValueError) as error:
            raise damaged(video.path, reason_of(error)) from error


def _turned_and_resized(frame: av.VideoFrame, orientation: Orientation, size: tuple[int, int]) -> av.VideoFrame:
    height, width = orientation.size(*size)
    if 0 <= frame.height - height < 2 and 0 <= frame.width - width < 2:
        if orientation == Orientation() and (frame.height, frame.width) == size:
            return _yuv(frame, size)
        pixels = orientation.turn(np.asarray(frame.to_ndarray(format="rgb24"), np.uint8))
        pixels = np.ascontiguousarray(pixels[: size[0], : size[1]])
        return av.VideoFrame.from_ndarray(pixels, format="rgb24")
    if orientation == Orientation():
        return _yuv(frame, size)
    reduced = _yuv(frame, (height, width)).to_ndarray(format="rgb24")
    return av.VideoFrame.from_ndarray(np.ascontiguousarray(orientation.turn(np.asarray(reduced))), format="rgb24")


def _yuv(frame: av.VideoFrame, size: tuple[int, int]) -> av.VideoFrame:
    return frame.reformat(
        size[1],
        size[0],
        "yuv420p",
        dst_colorspace=Colorspace.ITU601,
        dst_color_range=ColorRange.MPEG,
        interpolation=Interpolation.AREA,
    )
