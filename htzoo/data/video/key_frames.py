"""Frames read from the key frame before each of them, so that what lies between is not decoded."""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import TypeVar

import av

from htzoo.data.errors import VideoError
from htzoo.data.video.container import video_stream
from htzoo.data.video.decode import decode

# In these containers every packet holds one frame and its time, and every key frame that they list is one.
INDEXED_CONTAINERS = {"mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm"}
_SEEKABLE_CODECS = {"h264", "vp9"}

Pixels = TypeVar("Pixels")


def frames_from_key_frames(
    file: Path,
    container: av.container.InputContainer,
    wanted: Sequence[int],
    convert: Callable[[av.VideoFrame], Pixels],
) -> list[Pixels] | None:
    """Read frames by random access.

    The frame with the n-th lowest time is frame n. A frame is identified by its time, so it is the right one or
    missing. Where frames after a key frame need what came before it (open groups), this way gives up.

    Args:
        file: The path, for error messages.
        container: The file, at its start.
        wanted: Indices of the frames.
        convert: What to keep of a frame.

    Returns:
        What was kept of each frame, or None where packets do not tell where frames are.
    """
    stream = video_stream(file, container)
    if container.format.name not in INDEXED_CONTAINERS or stream.codec_context.name not in _SEEKABLE_CODECS:
        return None
    times: list[int] = []
    keys: list[int] = []
    kept: dict[int, Pixels] = {}
    try:
        for packet in container.demux(stream):
            if packet.size == 0:
                continue  # the end
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
            needed = {time for time in asked if key <= time < following[0]}
            container.seek(key, stream=stream)
            with closing(decode(file, container)) as frames:  # type: ignore[type-var]
                for frame in frames:
                    if frame.pts in needed:
                        kept[frame.pts] = convert(frame)
                    if frame.pts is not None and frame.pts >= max(needed):
                        break
    except (av.FFmpegError, VideoError):
        return None  # decoding in order finds out what is wrong
    return [kept[time] for time in asked] if kept.keys() >= set(asked) else None
