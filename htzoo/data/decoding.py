"""Decoding a video file in order, and refusing it at the first sign of damage.

What FFmpeg gives when it decodes a file from its start is the truth about it; everything else here is measured by that.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import av

from htzoo.data.errors import VideoError

# What files of video are called; a file of another name is no video to the commands that look through folders.
VIDEO_SUFFIXES = frozenset(
    {".3gp", ".asf", ".avi", ".divx", ".flv", ".m1v", ".m2v", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg"}
    | {".mts", ".ogv", ".ts", ".vob", ".webm", ".wmv"}
)


def existing(path: str | os.PathLike[str]) -> Path:
    """The path of a file that is there, not empty, and of a name that can be opened.

    Raises:
        VideoError: It is not.
    """
    file = Path(path)
    if not file.is_file():
        raise VideoError(f"{file} {'is not a file' if file.exists() else 'does not exist'}; check the path.")
    if file.stat().st_size == 0:
        raise VideoError(f"{file} is empty; copy or download it again.")
    try:
        str(file).encode()
    except UnicodeEncodeError:
        raise VideoError(f"{file} has a name that is not UTF-8, which FFmpeg needs; rename it.") from None
    return file


def damaged(file: Path, reason: str) -> VideoError:
    """The error of a file that is a video, but not whole."""
    return VideoError(f"{file} is damaged ({reason}); replace the file.")


def no_picture(file: Path) -> VideoError:
    """The error of a file that opens, but from which no frame comes."""
    return VideoError(f"{file} holds no picture that can be decoded; replace the file.")


def reason_of(error: Exception) -> str:
    """The short reason of an error of PyAV."""
    return getattr(error, "strerror", None) or str(error).splitlines()[0]


def open_video(file: Path) -> av.container.InputContainer:
    """Open for reading; text in the tags may be in any encoding, and none of it matters here.

    Raises:
        VideoError: It is not a video.
    """
    try:
        container = av.open(str(file), metadata_errors="ignore")
    except (av.FFmpegError, OSError, ValueError) as error:
        raise VideoError(f"{file} is not a readable video ({reason_of(error)}); replace the file.") from error
    if not container.streams.video:
        container.close()
        raise VideoError(f"{file} has no video stream; choose a file with pictures.")
    container.streams.video[0].thread_type = "NONE"  # faster on small frames, and the workers use the cores already
    return container


def decode(file: Path) -> Iterator[av.VideoFrame]:
    """Yield every frame in the order shown.

    FFmpeg goes on after most kinds of damage and fills the holes with what was there before; it marks such frames, and
    here they are an error. What cannot be seen is a flipped bit that gives another legal stream (one in five of MPEG-1
    and MPEG-4 files with three flipped bits, few of H.264, most of VP9 and Motion JPEG); in AVI and webm a stretch so
    damaged that the container skips it whole, or an MPEG-1 or MPEG-2 stream cut off where a packet ends: these are
    shorter videos. Only a checksum finds those.

    Raises:
        VideoError: The file is not a video, is damaged, or ends too early.
    """
    check_length(file)
    with open_video(file) as container:
        try:
            for packet in container.demux(container.streams.video[0]):
                if packet.is_corrupt:
                    raise damaged(file, "data is missing")
                for frame in packet.decode():
                    if frame.is_corrupt:
                        raise damaged(file, "a frame has errors")
                    yield frame
        except (av.FFmpegError, ValueError) as error:
            raise damaged(file, reason_of(error)) from error


def check_length(file: Path) -> None:
    """See that an AVI, mkv or webm file is as long as it says, which decoding does not tell.

    Raises:
        VideoError: It is shorter.
    """
    with file.open("rb") as content:
        head = content.read(4096)
    end = 0
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        end = int.from_bytes(head[4:8], "little") + 8
    elif head[:4] == b"\x1a\x45\xdf\xa3" and 3 < (place := head.find(b"\x18\x53\x80\x67") + 4) < len(head):
        # The length of all that follows; leading zero bits say how many bytes the number has, all ones: not known.
        bytes_ = 9 - head[place].bit_length()
        length = int.from_bytes(head[place : place + bytes_], "big") & ((1 << 7 * bytes_) - 1)
        end = 0 if length == (1 << 7 * bytes_) - 1 else place + bytes_ + length
    missing = end - file.stat().st_size
    if missing > 1:  # a last byte of padding may be left out
        raise damaged(file, f"its last {missing:,} bytes are missing")
