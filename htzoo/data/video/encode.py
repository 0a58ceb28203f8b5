"""Writing frames as a small H.264 file that every decoder reads back the same."""

import os
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
from av.video.frame import PictureType
from av.video.reformatter import ColorRange, Colorspace

from htzoo.data.errors import VideoError
from htzoo.data.video.checksum import seal
from htzoo.data.video.even_times import Times
from htzoo.files import replacing

# One thread, because x264 distributes bits differently over several; no B-frames and a short GOP, so that a random
# frame costs little and packets are in display order; fastdecode: a tenth more bytes, a quarter less decoding time.
# No lookahead: with it, one clip in fifty was encoded differently when several were encoded at a time.
KEY_FRAME_EVERY = 12
X264 = {"preset": "veryfast", "tune": "fastdecode", "g": str(KEY_FRAME_EVERY), "bf": "0", "threads": "1"}
X264 |= {"rc-lookahead": "0", "mbtree": "0"}
CRF = 18
_TICK = Fraction(1, 90_000)  # of time stamps where the frame rate varies, in seconds


def write_video(
    path: str | os.PathLike[str], frames: npt.NDArray[np.uint8], fps: float | Fraction = 24, crf: int = CRF
) -> None:
    """Encode frames as H.264 in an mp4 file, which appears under its name only once it is whole.

    The same frames give the same bytes, with the same version of the encoder.

    Args:
        path: The file to write; its folder is made if it is missing.
        frames: RGB, uint8, T x H x W x 3, T at least 1, H and W even (chroma has half the resolution).
        fps: Frames a second.
        crf: x264's constant rate factor: 0 loses chroma resolution only, 18 hardly anything visible.

    Raises:
        ValueError: `frames` has another type or shape.
        VideoError: The file cannot be written.
    """
    if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[3] != 3 or frames.shape[0] == 0:
        raise ValueError(f"frames must be uint8 of shape (T, H, W, 3), got {frames.dtype} of shape {frames.shape}.")
    height, width = frames.shape[1:3]
    if height % 2 or width % 2:
        raise ValueError(f"frames are {width} x {height}; H.264 needs an even width and height, so crop or pad them.")
    encodable = (av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24") for frame in frames)
    target = Path(path)
    try:
        encode_frames(target, encodable, (height, width), Fraction(fps).limit_denominator(1001), crf)
    except OSError as error:  # av's errors are OSErrors too
        raise VideoError(
            f"{target} cannot be written ({error.strerror or error}); free space or choose another folder."
        ) from error


def encode_frames(
    target: Path,
    frames: Iterable[av.VideoFrame],
    size: tuple[int, int],
    fps: Fraction,
    crf: int = CRF,
    times: Times | None = None,
) -> int:
    """Encode frames one after the other, as `write_video` does; only a few of them are in memory at a time.

    Args:
        target: The file to write; its folder is made if it is missing.
        frames: At least one, RGB or YUV, all of the size given.
        size: (height, width), both even.
        fps: Frames a second.
        crf: x264's constant rate factor.
        times: When each frame appears, in seconds, increasing; None: at an even rate.

    Returns:
        How many were written.

    Raises:
        OSError: The file cannot be written; `frames` may raise others.
    """
    with replacing(target) as unfinished:
        count = _encode(unfinished, frames, size, fps, crf, times)
        seal(unfinished)
    return count


def _encode(
    path: Path,
    frames: Iterable[av.VideoFrame],
    size: tuple[int, int],
    fps: Fraction,
    crf: int,
    times: Times | None,
) -> int:
    number = -1
    # As an open file: FFmpeg would take a colon in the path for the address of a protocol.
    with path.open("w+b") as file, av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=fps, options=X264 | {"crf": str(crf)})
        stream.height, stream.width = size
        stream.pix_fmt = "yuv420p"
        if times is not None:
            stream.codec_context.time_base = _TICK
        # Written into the file, so that no decoder has to guess the colours from the frame size.
        stream.codec_context.colorspace = int(Colorspace.ITU601)
        stream.codec_context.color_range = int(ColorRange.MPEG)
        for number, frame in enumerate(frames):
            # Its type and time in the file that it comes from must not carry over.
            frame.pict_type = PictureType.NONE
            if times is None:
                frame.pts, frame.time_base = number, 1 / fps
            else:
                frame.pts, frame.time_base = round(times[number] / _TICK), _TICK
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return number + 1
