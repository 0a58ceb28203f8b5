"""Decoding a video file in order, and refusing it at the first sign of damage.

What FFmpeg gives when it decodes a file from its start is the truth about it; everything else here is measured by that.
"""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import av

from htzoo.data.errors import VideoError
from htzoo.data.video.container_check import what_is_broken

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
    if container.streams.video[0].codec_context is None:  # its name may be damaged
        container.close()
        raise VideoError(f"{file} is of a codec that FFmpeg does not know; replace the file.")
    return container


def decode(file: Path) -> Iterator[av.VideoFrame]:
    """Yield every frame in the order shown.

    FFmpeg goes on after most kinds of damage and fills the holes with what was there before; all that it, the codec or
    the container can tell is an error here. What nobody can tell without a checksum is a flipped bit that gives another
    legal stream (docs/data.md says how many do), and an MPEG stream that ends where a packet does.

    Raises:
        VideoError: The file is not a video, is damaged, or ends too early.
    """
    with open_video(file) as container:
        if (broken := what_is_broken(file)) is not None:
            raise damaged(file, broken)
        yield from decode_on(file, container)


def decode_on(file: Path, container: av.container.InputContainer) -> Iterator[av.VideoFrame]:
    """Yield the frames from where the container stands, as decoding gives them.

    Raises:
        VideoError: The file is damaged.
    """
    stream = container.streams.video[0]
    decoder = _decoder(stream)
    length_bytes = _length_bytes(stream.codec_context)
    try:
        for packet in container.demux(stream):
            if packet.is_corrupt or (length_bytes and not _is_escaped(bytes(packet), length_bytes)):
                raise damaged(file, "data is missing or wrong")
            for frame in decoder.decode(packet if packet.size else None):
                if frame.is_corrupt:
                    raise damaged(file, "a frame has errors")
                yield frame
    except (av.FFmpegError, ValueError) as error:
        raise damaged(file, reason_of(error)) from error


def _decoder(stream: av.VideoStream) -> av.VideoCodecContext:
    """A decoder that takes nothing that the standard forbids."""
    decoder = stream.codec_context
    if decoder.name == "vp9":
        with suppress(ValueError):
            # The decoder of those who made VP9 sees damage that FFmpeg's own does not; frames and speed are the same.
            decoder = av.VideoCodecContext.create("libvpx-vp9", "r")
    if not decoder.is_open:
        decoder.thread_type = "NONE"  # faster on small frames, and the workers use the cores already
        decoder.options = {"err_detect": "crccheck+bitstream+buffer+explode"}
    return decoder


def _length_bytes(decoder: av.VideoCodecContext) -> int:
    """Bytes of the number before each piece of a packet, as mp4 and mkv store H.264 and HEVC; 0 where there is none."""
    place = {"h264": 4, "hevc": 21}.get(decoder.name)
    header = bytes(decoder.extradata or b"")
    return (header[place] & 3) + 1 if place and len(header) > place and header[0] == 1 else 0


def _is_escaped(packet: bytes, length_bytes: int) -> bool:
    """Whether the pieces fill the packet, and none has what the encoder must escape, at which FFmpeg does not look."""
    position = 0
    while position < len(packet):
        start = position + length_bytes
        position = start + int.from_bytes(packet[position:start], "big")
        piece = packet[start:position].rstrip(b"\0")
        if any(piece.find(code) >= 0 for code in (b"\0\0\0", b"\0\0\1", b"\0\0\2")):
            return False
    return position == len(packet)
