"""Exactly the frames asked for, from any video file, or an error.

The truth is what PyAV (FFmpeg) gives when it decodes the file in order. There are three ways to it:

1. decord streams the files that htzoo wrote (`htzoo data prepare`): they are H.264 with a key frame every 12 frames and
   no B-frames, and a checksum proves that they still are what was written. Other files are not given to it. On MPEG-1,
   MPEG-2, and MPEG-4 with B-frames it returns other frames of the clip without a word, and of 45 H.264 files with one
   or three flipped bits it read 44 with wrong pixels without a word.
2. Of these files when few frames of each are wanted, and of other H.264 and VP9 in mp4, mov, mkv and webm, PyAV decodes
   from the key frames before the frames wanted, each of which is known by its time. Where frames after a key frame need
   what came before it (open groups), this way gives up.
3. All else is decoded by PyAV from the start: AVI and MPEG program streams do not say which packet holds which frame.

No reader outlives the call that opened it, so reading is safe in any thread, process, or DataLoader worker.
"""

import os
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

from htzoo.data.errors import VideoError
from htzoo.data.video.checksum import check_seal
from htzoo.data.video.decode import decode, decode_on, existing, no_picture, open_video
from htzoo.data.video.encode import KEY_FRAME_EVERY

Frames = npt.NDArray[np.uint8]

# Every packet of these holds one frame and its time, and what the container calls a key frame is one.
_INDEXED_CONTAINERS = {"mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm"}
_SEEKABLE_CODECS = {"h264", "vp9"}


def read_frames(
    path: str | os.PathLike[str],
    indices: Sequence[int] | npt.NDArray[np.integer],
    size: tuple[int, int] | None = None,
    prepared: bool = False,
) -> Frames:
    """Read frames of a video file, counted from 0 in the order in which they are shown.

    Damage is an error where it touches the frames wanted or is met on the way to them.

    Args:
        path: The video file.
        indices: The frames wanted, at least one, in any order, repeats allowed.
        size: (height, width) to resize to, bilinear with antialiasing; None keeps the size of the video.
        prepared: Whether htzoo wrote the file, so that it is damaged where it has no checksum.

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
    file = existing(path)
    if min(wanted) < 0:
        raise _no_such_frame(file, min(wanted), count_frames(file))
    # decord decodes faster than PyAV but opens a file more slowly, so it pays where most groups of frames are decoded
    # anyway (benchmarks/data.py).
    dense = KEY_FRAME_EVERY * len(set(wanted)) > max(wanted)
    frames = _frames_by_decord(file, wanted) if check_seal(file, prepared) and dense else None
    if frames is None:
        frames = _frames_from_key_frames(file, wanted)
    if frames is None:
        frames = _frames_in_order(file, wanted)
    return frames if size is None or size == frames.shape[1:3] else _resize(frames, size)


def count_frames(path: str | os.PathLike[str]) -> int:
    """Count the frames of a video file by decoding it, since what its header says may be wrong.

    Raises:
        VideoError: The file is missing, empty, damaged or not a video.
    """
    file = existing(path)
    count = sum(1 for _ in decode(file))
    if count == 0:
        raise no_picture(file)
    return count


def frame_rate(path: str | os.PathLike[str]) -> float | None:
    """Frames a second on average, as the file says; None where it does not.

    Raises:
        VideoError: The file is missing, empty, damaged or not a video.
    """
    with open_video(existing(path)) as container:
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
    file = existing(path)
    index = -1
    for index, frame in enumerate(decode(file)):
        if not wanted(index):
            yield None
            continue
        picture = _rgb(frame)
        yield picture if size is None or size == picture.shape[:2] else _resize(picture[None], size)[0]
    if index < 0:
        raise no_picture(file)


def _no_such_frame(file: Path, index: int, count: int) -> VideoError:
    return VideoError(f"{file} has no frame {index}: it has {count} frames, so ask for 0 to {count - 1}.")


def _frames_by_decord(file: Path, wanted: list[int]) -> Frames | None:
    """Read one of our own files by random access; None where there is no decord, or it does not read the file."""
    try:
        import decord
        from decord._ffi.base import DECORDError
    except ImportError:
        return None
    decord.logging.set_level(decord.logging.QUIET)
    try:
        reader = decord.VideoReader(str(file), num_threads=1)
        count = len(reader)
        if max(wanted) < count:
            frames: Frames = reader.get_batch(wanted).asnumpy()
            return frames
    except (DECORDError, RuntimeError):
        return None  # PyAV says what is wrong with it
    raise _no_such_frame(file, max(wanted), count)


def _frames_in_order(file: Path, wanted: list[int]) -> Frames:
    needed, last = set(wanted), max(wanted)
    kept: dict[int, Frames] = {}
    count = 0
    with closing(decode(file)) as frames:  # type: ignore[type-var]
        for frame in frames:
            if count in needed:
                kept[count] = _rgb(frame)
            count += 1
            if count > last:
                break
    if count == 0:
        raise no_picture(file)
    if count <= last:
        raise _no_such_frame(file, last, count)
    return _stacked(file, [kept[index] for index in wanted])


def _frames_from_key_frames(file: Path, wanted: list[int]) -> Frames | None:
    """Read from the key frame before each frame wanted; None where packets do not tell where frames are.

    The frame with the n-th lowest time is frame n. A frame is known by its time, so it is the right one or missing.
    """
    times: list[int] = []
    keys: list[int] = []
    kept: dict[int, Frames] = {}
    with open_video(file) as container:
        stream = container.streams.video[0]
        if container.format.name not in _INDEXED_CONTAINERS or stream.codec_context.name not in _SEEKABLE_CODECS:
            return None
        try:
            for packet in container.demux(stream):
                if packet.size == 0:
                    continue  # the mark of the end
                if packet.pts is None or packet.is_discard:
                    return None
                times.append(packet.pts)
                if packet.is_keyframe:
                    keys.append(packet.pts)
            times.sort()
            keys.sort()
            if len(set(times)) < len(times) or max(wanted) >= len(times) or not keys or times[0] < keys[0]:
                return None
            asked = [times[index] for index in wanted]
            for key in sorted({keys[bisect_right(keys, time) - 1] for time in asked}):
                following = keys[bisect_right(keys, key) :][:1] or [times[-1] + 1]
                container.seek(key, stream=stream)
                _keep_until(file, container, key, {time for time in asked if key <= time < following[0]}, kept)
        except (av.FFmpegError, VideoError):
            return None  # decoding in order says what is wrong
    return _stacked(file, [kept[time] for time in asked]) if kept.keys() >= set(asked) else None


def _keep_until(
    file: Path, container: av.container.InputContainer, key: int, needed: set[int], kept: dict[int, Frames]
) -> None:
    """Keep the frames of the times `needed`, which are from `key` on, where the container stands."""
    with closing(decode_on(file, container)) as frames:  # type: ignore[type-var]
        for frame in frames:
            if frame.pts in needed:
                kept[frame.pts] = _rgb(frame)
            if frame.pts is not None and frame.pts >= max(needed):
                break


def _rgb(frame: av.VideoFrame) -> Frames:
    return np.asarray(frame.to_ndarray(format="rgb24"), dtype=np.uint8)


def _stacked(file: Path, frames: list[Frames]) -> Frames:
    if len({frame.shape for frame in frames}) > 1:
        raise VideoError(f"{file} changes its picture size on the way; re-encode it with one size.")
    return np.stack(frames)


def _resize(frames: Frames, size: tuple[int, int]) -> Frames:
    import torch
    from torch.nn.functional import interpolate

    # In floating point: torch resizes uint8 differently from one kind of processor to another.
    pictures = torch.from_numpy(frames).permute(0, 3, 1, 2).float()
    resized = interpolate(pictures, size=size, mode="bilinear", antialias=True).round_().clamp_(0, 255)
    return np.ascontiguousarray(resized.to(torch.uint8).permute(0, 2, 3, 1).numpy())
