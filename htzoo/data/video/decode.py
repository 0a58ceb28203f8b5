"""Decode a video in order, and refuse it at the first sign of damage.

The frames that FFmpeg gives when it decodes a file from its start are the reference for everything else here.
"""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import av

from htzoo.data.video.container import damaged, reason_of, video_stream


def decode(file: Path, container: av.container.InputContainer, promised: int = 0) -> Iterator[av.VideoFrame]:
    """Yield the frames from the container's position on, in the order shown.

    FFmpeg goes on after most kinds of damage and conceals it with earlier pixels. Whatever FFmpeg, the codec or the
    container can detect is an error here. Without a checksum nobody can detect a flipped bit that gives another legal
    stream (docs/data.md has figures), or an MPEG stream that ends between two packets.

    Args:
        file: Its path, for error messages.
        container: The file, open.
        promised: How many packets the header promises from here on; 0 if unknown.

    Raises:
        VideoError: The file is damaged.
    """
    packets = 0
    stream = video_stream(file, container)
    decoder = decoder_of(stream)
    length_bytes = _length_bytes(stream.codec_context)
    try:
        for packet in container.demux(stream):
            packets += packet.dts is not None or packet.size > 0
            if packet.size == 0:
                continue  # a frame that an AVI file repeats, or the end
            if packet.is_corrupt or (length_bytes and not _is_escaped(bytes(packet), length_bytes)):
                raise damaged(file, "data is missing or wrong")
            yield from _whole(file, decoder.decode(packet))
        yield from _whole(file, decoder.decode(None))
        if packets < promised:
            raise damaged(file, f"its header promises {promised:,} frames, but it has {packets:,}")
    except (av.FFmpegError, ValueError) as error:
        raise damaged(file, reason_of(error)) from error


def _whole(file: Path, frames: list[av.VideoFrame]) -> Iterator[av.VideoFrame]:
    for frame in frames:
        if frame.is_corrupt:
            raise damaged(file, "a frame has errors")
        yield frame


def decoder_of(stream: av.VideoStream) -> av.VideoCodecContext:
    """A decoder that accepts nothing that the standard forbids."""
    decoder = stream.codec_context
    if decoder.name == "vp9":
        with suppress(ValueError):
            # Google's VP9 decoder detects damage that FFmpeg's own does not; frames and speed are the same.
            decoder = av.VideoCodecContext.create("libvpx-vp9", "r")
    if not decoder.is_open:
        decoder.thread_type = "NONE"  # faster on small frames, and data loader workers use all cores already
        decoder.options = {"err_detect": "crccheck+bitstream+buffer+explode"}
    return decoder


def _length_bytes(decoder: av.VideoCodecContext) -> int:
    """Bytes of the length before each unit of a packet, as mp4 and mkv store H.264 and HEVC; 0 where there is none."""
    place = {"h264": 4, "hevc": 21}.get(decoder.name)
    header = bytes(decoder.extradata or b"")
    return (header[place] & 3) + 1 if place and len(header) > place and header[0] == 1 else 0


def _is_escaped(packet: bytes, length_bytes: int) -> bool:
    """Whether the units fill the packet, and none has bytes that encoders must escape, which FFmpeg does not check."""
    position = 0
    while position < len(packet):
        start = position + length_bytes
        position = start + int.from_bytes(packet[position:start], "big")
        unit = packet[start:position].rstrip(b"\0")
        if any(unit.find(code) >= 0 for code in (b"\0\0\0", b"\0\0\1", b"\0\0\2")):
            return False
    return position == len(packet)
