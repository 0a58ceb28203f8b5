"""One clip from any video file to small H.264, frame for frame."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace, Interpolation

from htzoo.data.errors import VideoError
from htzoo.data.video.decode import damaged, decode, existing, no_picture, open_video, reason_of
from htzoo.data.video.encode import write_pictures

_USUAL_FPS = Fraction(25)  # where the file does not say, or says nonsense


@dataclass(frozen=True)
class Transcoded:
    """What came out.

    Attributes:
        frames: How many frames.
        fps: Frames a second; on average, where the original varies.
        height: In pixels.
        width: In pixels.
    """

    frames: int
    fps: float
    height: int
    width: int


def transcode(source: Path, target: Path, short_side: int) -> Transcoded:
    """Decode every frame of a video file and write them all, in the order shown, at an even rate.

    Pictures whose short side is longer than `short_side` are made smaller, none is made larger. Of an odd number of
    rows or columns that are kept as they are, the last is left out, since the colours of H.264 come in blocks of 2 x 2.

    Args:
        source: Any file that PyAV reads.
        target: The mp4 file to write, whole or not at all.
        short_side: In pixels.

    Raises:
        VideoError: `source` is not a whole video.
        OSError: `target` cannot be written.
    """
    file = existing(source)
    with open_video(file) as container:
        fps = _frame_rate(container.streams.video[0])
    pictures = decode(file)
    first = next(pictures, None)
    if first is None:
        raise no_picture(file)
    size = _small(first.height, first.width, short_side)
    count = write_pictures(target, _converted(file, chain([first], pictures), size), size, fps)
    return Transcoded(count, round(float(fps), 6), *size)


def _frame_rate(stream: av.VideoStream) -> Fraction:
    for rate in (stream.average_rate, stream.guessed_rate):
        if rate is not None and 1 <= rate <= 240:
            return Fraction(rate).limit_denominator(1001)
    return _USUAL_FPS


def _small(height: int, width: int, short_side: int) -> tuple[int, int]:
    scale = min(1.0, short_side / min(height, width))
    if scale == 1:
        return max(2, height // 2 * 2), max(2, width // 2 * 2)
    return max(2, round(height * scale / 2) * 2), max(2, round(width * scale / 2) * 2)


def _converted(file: Path, frames: Iterator[av.VideoFrame], size: tuple[int, int]) -> Iterator[av.VideoFrame]:
    """The frames in the size and colours of the encoder."""
    height, width = size
    shape: tuple[int, int] | None = None
    for frame in frames:
        if shape not in (None, (frame.height, frame.width)):
            raise VideoError(f"{file} changes its picture size on the way; re-encode it with one size.")
        shape = (frame.height, frame.width)
        try:
            if 0 <= frame.height - height < 2 and 0 <= frame.width - width < 2 and shape != size:
                picture = np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)[:height, :width]
                yield av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
                continue
            yield frame.reformat(
                width,
                height,
                "yuv420p",
                dst_colorspace=Colorspace.ITU601,
                dst_color_range=ColorRange.MPEG,
                interpolation=Interpolation.AREA,
            )
        except (av.FFmpegError, ValueError) as error:
            raise damaged(file, reason_of(error)) from error
