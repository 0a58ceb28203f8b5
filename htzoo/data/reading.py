"""Exactly the frames asked for, from any video file, or an error.

The truth is what PyAV (FFmpeg) gives when it decodes the file in order. decord jumps to a key frame and is several
times faster on a long file, but it is used only where that jump lands right: see `_decord_frames`.

No reader outlives the call that opened it, so reading is safe in any thread, process, or DataLoader worker.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

from htzoo.data.errors import VideoError

Frames = npt.NDArray[np.uint8]

# decord looks key frames up by packet number. Packet order and frame order agree where every packet has a time stamp
# and the index of the container marks true random-access points: these containers with these codecs. AVI and MPEG-PS
# packets lack time stamps, and MPEG-4 part 2 in mp4 goes wrong at B-frames; there decord returns other frames of the
# clip without a word.
_INDEXED_CONTAINERS = {"mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm"}
_SEEKABLE_CODECS = {"h264", "vp9"}
# The two convert these to RGB equally, to the bit, but for pictures of odd width or height.
_PIXEL_FORMATS = {"yuv420p", "yuvj420p"}


def read_frames(
    path: str | os.PathLike[str], indices: Sequence[int] | npt.NDArray[np.integer], size: tuple[int, int] | None = None
) -> Frames:
    """Read frames of a video file, counted from 0 in the order in which they are shown.

    Args:
        path: The video file.
        indices: The frames wanted, at least one, in any order, repeats allowed.
        size: (height, width) to resize to, bilinear with antialiasing; None keeps the size of the video.

    Returns:
        RGB, uint8, T x H x W x 3 in the order of `indices`, C-contiguous. Rotation marks in the file are not applied.

    Raises:
        ValueError: `indices` is empty or `size` is not positive.
        VideoError: The file is missing, empty, damaged or not a video, or has no such frame.
    """
    wanted = [int(index) for index in indices]
    if not wanted:
        raise ValueError(f"indices is empty; name at least one frame of {os.fspath(path)}.")
    if size is not None and min(size) < 1:
        raise ValueError(f"size is {size}; give a positive (height, width).")
    file = _existing(path)
    if min(wanted) < 0:
        raise _no_such_frame(file, min(wanted), count_frames(file))
    frames = _decord_frames(file, wanted) if _decord_is_exact(file) else None
    if frames is None:
        frames = _frames_in_order(file, wanted)
    return frames if size is None or size == frames.shape[1:3] else _resize(frames, size)


def count_frames(path: str | os.PathLike[str]) -> int:
    """Count the frames of a video file by decoding it, since what its header says may be wrong.

    Raises:
        VideoError: The file is missing, empty, damaged or not a video.
    """
    return sum(1 for _ in _decode(_existing(path)))


def frame_rate(path: str | os.PathLike[str]) -> float | None:
    """Frames a second on average, as the file says; None where it does not.

    Raises:
        VideoError: The file is missing, empty, damaged or not a video.
    """
    with _open(_existing(path)) as container:
        rate = container.streams.video[0].average_rate
        return float(rate) if rate else None


def stream_frames(
    path: str | os.PathLike[str], wanted: Callable[[int], bool], size: tuple[int, int] | None = None
) -> Iterator[Frames | None]:
    """Yield every frame in the order shown, and None for those that are not wanted.

    Args:
        path: The video file.
        wanted: Says by its number, from 0, whether a frame is to be converted.
        size: (height, width) to resize to, as `read_frames` does; None keeps the size of the video.

    Yields:
        RGB, uint8, H x W x 3.

    Raises:
        VideoError: The file is missing, empty, damaged, not a video, or holds no picture.
    """
    file = _existing(path)
    index = -1
    for index, frame in enumerate(_decode(file)):
        if not wanted(index):
            yield None
            continue
        picture = np.asarray(frame.to_ndarray(format="rgb24"), dtype=np.uint8)
        yield picture if size is None or size == picture.shape[:2] else _resize(picture[None], size)[0]
    if index < 0:
        raise VideoError(f"{file} holds no picture that can be decoded; replace the file.")


def _existing(path: str | os.PathLike[str]) -> Path:
    file = Path(path)
    if not file.is_file():
        raise VideoError(f"{file} {'is not a file' if file.exists() else 'does not exist'}; check the path.")
    if file.stat().st_size == 0:
        raise VideoError(f"{file} is empty; copy or download it again.")
    return file


def _no_such_frame(file: Path, index: int, count: int) -> VideoError:
    return VideoError(f"{file} has no frame {index}: it has {count} frames, so ask for 0 to {count - 1}.")


def _open(file: Path) -> av.container.InputContainer:
    """Open for reading; text in the tags may be in any encoding, and none of it matters here."""
    try:
        container = av.open(str(file), metadata_errors="ignore")
    except (av.FFmpegError, OSError, ValueError) as error:
        raise VideoError(f"{file} is not a readable video ({_reason(error)}); replace the file.") from error
    if not container.streams.video:
        container.close()
        raise VideoError(f"{file} has no video stream; choose a file with pictures.")
    return container


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error).splitlines()[0]


def _decode(file: Path) -> Iterator[av.VideoFrame]:
    """Yield every frame in the order shown."""
    with _open(file) as container:
        stream = container.streams.video[0]
        stream.thread_type = "NONE"  # faster on small frames, and the workers use the cores already
        try:
            yield from container.decode(stream)
        except (av.FFmpegError, ValueError) as error:
            raise VideoError(f"{file} is damaged ({_reason(error)}); replace the file.") from error


def _frames_in_order(file: Path, wanted: list[int]) -> Frames:
    needed, last = set(wanted), max(wanted)
    kept: dict[int, Frames] = {}
    count = 0
    for frame in _decode(file):
        if count in needed:
            kept[count] = np.asarray(frame.to_ndarray(format="rgb24"), dtype=np.uint8)
        count += 1
        if count > last:
            break
    if count == 0:
        raise VideoError(f"{file} holds no picture that can be decoded; replace the file.")
    if count <= last:
        raise _no_such_frame(file, last, count)
    if len({frame.shape for frame in kept.values()}) > 1:
        raise VideoError(f"{file} changes its picture size on the way; re-encode it with one size.")
    return np.stack([kept[index] for index in wanted])


def _decord_is_exact(file: Path) -> bool:
    with _open(file) as container:
        stream = container.streams.video[0]
        codec = stream.codec_context
        if container.format.name not in _INDEXED_CONTAINERS or codec.name not in _SEEKABLE_CODECS:
            return False
        if codec.pix_fmt not in _PIXEL_FORMATS or codec.width % 2 or codec.height % 2:
            return False
        stream.thread_type = "NONE"
        try:
            # decord turns the picture of a film taken with the camera upside down; PyAV does not.
            return next(container.decode(stream)).rotation == 0
        except (av.FFmpegError, StopIteration):
            return False


def _decord_frames(file: Path, wanted: list[int]) -> Frames | None:
    """Read by random access; None where decord is not, cannot, or may go wrong by what its time stamps say."""
    try:
        import decord
        from decord._ffi.base import DECORDError
    except ImportError:
        return None  # decord has no wheels for this platform

    decord.logging.set_level(decord.logging.QUIET)
    try:
        reader = decord.VideoReader(str(file), num_threads=1)
        shown = reader.get_frame_timestamp(range(len(reader)))[:, 0]
        if max(wanted) >= len(reader) or shown[0] < 0 or not (np.diff(shown) > 0).all():
            return None
        frames: Frames = reader.get_batch(wanted).asnumpy()
    except (DECORDError, RuntimeError):
        return None  # PyAV decides whether the file is damaged, and how
    return frames


def _resize(frames: Frames, size: tuple[int, int]) -> Frames:
    import torch
    from torch.nn.functional import interpolate

    # In floating point: torch resizes uint8 differently from one kind of processor to another.
    pictures = torch.from_numpy(frames).permute(0, 3, 1, 2).float()
    resized = interpolate(pictures, size=size, mode="bilinear", antialias=True).round_().clamp_(0, 255)
    return np.ascontiguousarray(resized.to(torch.uint8).permute(0, 2, 3, 1).numpy())
