"""Writing frames as a small H.264 file that every decoder reads back the same."""

import os
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
from av.video.reformatter import ColorRange, Colorspace

from htzoo.data.errors import VideoError
from htzoo.files import replacing

# One thread, because x264 divides the bits differently over several; no B-frames and a short GOP, so that a random
# frame costs little and packet order is display order.
_X264 = {"preset": "veryfast", "g": "12", "bf": "0", "threads": "1"}


def write_video(path: str | os.PathLike[str], frames: npt.NDArray[np.uint8], fps: int = 24, crf: int = 18) -> None:
    """Encode frames as H.264 in an mp4 file, which appears under its name only when it is whole.

    The same frames give the same bytes, with the same version of the encoder.

    Args:
        path: The file to write; its folder is made if it is missing.
        frames: RGB, uint8, T x H x W x 3, T at least 1, H and W even (chroma has half the resolution).
        fps: Frames a second.
        crf: x264's constant rate factor: 0 loses nothing but chroma resolution, 18 loses hardly what one sees.

    Raises:
        ValueError: `frames` has another type or shape.
        VideoError: The file cannot be written.
    """
    if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[3] != 3 or frames.shape[0] == 0:
        raise ValueError(f"frames must be uint8 of shape (T, H, W, 3), got {frames.dtype} of shape {frames.shape}.")
    height, width = frames.shape[1:3]
    if height % 2 or width % 2:
        raise ValueError(f"frames are {width} x {height}; H.264 needs an even width and height, so crop or pad them.")
    target = Path(path)
    try:
        with replacing(target) as unfinished:
            _encode(unfinished, frames, fps, crf)
    except OSError as error:  # av's errors are OSErrors too
        raise VideoError(
            f"{target} cannot be written ({error.strerror or error}); free space or choose another folder."
        ) from error


def _encode(path: Path, frames: npt.NDArray[np.uint8], fps: int, crf: int) -> None:
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=Fraction(fps), options=_X264 | {"crf": str(crf)})
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        # Written into the file, so that no decoder has to guess the colours from the size of the picture.
        stream.codec_context.colorspace = int(Colorspace.ITU601)
        stream.codec_context.color_range = int(ColorRange.MPEG)
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")))
        container.mux(stream.encode(None))
