"""Numbered videos in every container and codec in which the published datasets come, written with PyAV alone."""

from collections.abc import Callable
from fractions import Fraction
from functools import partial
from pathlib import Path

import av
import numpy as np

from tests.data.helpers import Frames, numbered

COUNT = 120


def _write(
    path: Path,
    codec: str,
    container: str,
    *,
    b: int = 0,
    gop: int = 12,
    tag: str | None = None,
    size: tuple[int, int] = (48, 96),
    varying: bool = False,
    sound: bool = False,
    pixels: str = "yuv420p",
    **options: str,
) -> None:
    """120 numbered frames, with `b` B-frames at a time and a key frame every `gop`."""
    rng = np.random.default_rng(0)
    with av.open(str(path), "w", format=container) as file:
        stream = file.add_stream(codec, rate=25, options={"g": str(gop), "bf": str(b), **options})
        stream.height, stream.width = size
        stream.pix_fmt = pixels
        stream.bit_rate = 1_000_000
        stream.codec_context.max_b_frames = b
        if tag:
            stream.codec_context.codec_tag = tag
        if varying:
            stream.codec_context.time_base = Fraction(1, 1000)
        audio = file.add_stream("mp2", rate=44100) if sound else None
        time = 0
        for number, frame in enumerate(numbered(COUNT, *size)):
            picture = av.VideoFrame.from_ndarray(frame, format="rgb24")
            if varying:
                picture.pts, picture.time_base = time, Fraction(1, 1000)
                time += int(rng.integers(10, 120))
            file.mux(stream.encode(picture))
            if audio:
                silence = av.AudioFrame.from_ndarray(np.zeros((1, 2 * 1764), np.int16), "s16", "stereo")
                silence.sample_rate, silence.pts = 44100, number * 1764
                file.mux(audio.encode(silence))
        file.mux(stream.encode(None))
        if audio:
            file.mux(audio.encode(None))


def _mpeg4_packets(frames: Frames) -> list[tuple[bytes, str]]:
    """Data and type (I, P, B) of MPEG-4 pictures in stored order, one B-frame between the others."""
    encoder = av.CodecContext.create("mpeg4", "w")
    encoder.height, encoder.width = frames.shape[1:3]
    encoder.pix_fmt, encoder.time_base, encoder.bit_rate = "yuv420p", Fraction(1, 25), 1_000_000
    encoder.max_b_frames, encoder.gop_size = 1, 12
    pictures = [av.VideoFrame.from_ndarray(frame, format="rgb24") for frame in frames]
    data = [bytes(packet) for picture in [*pictures, None] for packet in encoder.encode(picture)]
    kind = {0: "I", 1: "P", 2: "B"}
    return [(packet, kind[packet[packet.index(b"\0\0\1\xb6") + 4] >> 6]) for packet in data]


def _packed(path: Path) -> None:
    """MPEG-4 as DivX 5 packed it: a B-frame rides in the packet before it, and an empty packet stands in its place."""
    pictures = _mpeg4_packets(numbered(COUNT))
    packets: list[bytes] = []
    for data, kind in pictures:
        if kind == "B":
            packets[-1] += data
            packets.append(b"\0\0\1\xb6\x56\x7f\xff")  # a picture that says that it is not coded
        else:
            packets.append(data)
    start = packets[0].index(b"\0\0\1\xb6")
    while (earlier := packets[0].rfind(b"\0\0\1\xb3", 0, start)) >= 0:
        start = earlier
    packets[0] = packets[0][:start] + b"\0\0\1\xb2DivX503b1393p" + packets[0][start:]
    with av.open(str(path), "w", format="avi") as file:
        stream = file.add_stream("mpeg4", rate=25)
        stream.height, stream.width, stream.pix_fmt = 48, 96, "yuv420p"
        stream.codec_context.codec_tag = "DX50"
        for number, data in enumerate(packets):
            packet = av.Packet(data)
            packet.stream, packet.pts, packet.dts, packet.time_base = stream, number, number, Fraction(1, 25)
            packet.is_keyframe = pictures[number][1] == "I"
            file.mux(packet)


_VP9 = {"deadline": "realtime", "cpu-used": "8"}
KINDS: dict[str, Callable[[Path], None]] = {
    "h264.mp4": partial(_write, codec="libx264", container="mp4", b=2),
    "h264_long_gop.mp4": partial(_write, codec="libx264", container="mp4", b=3, gop=250),
    "h264_open_gop.mp4": partial(_write, codec="libx264", container="mp4", b=2, **{"x264-params": "open-gop=1"}),
    "h264_varying_rate.mp4": partial(_write, codec="libx264", container="mp4", b=2, varying=True),
    "h264_odd_size.mp4": partial(_write, codec="libx264", container="mp4", size=(49, 97), pixels="yuv444p"),
    "h264.mkv": partial(_write, codec="libx264", container="matroska", b=3, gop=30),
    "vp9.webm": partial(_write, codec="libvpx-vp9", container="webm", **_VP9),
    "mpeg4_b.mp4": partial(_write, codec="mpeg4", container="mp4", b=2),
    "msmpeg4.avi": partial(_write, codec="msmpeg4v2", container="avi", qmin="6"),
    "mjpeg.avi": partial(_write, codec="mjpeg", container="avi", pixels="yuvj420p"),
    "xvid.avi": partial(_write, codec="mpeg4", container="avi", tag="XVID"),
    "xvid_b.avi": partial(_write, codec="mpeg4", container="avi", b=2, tag="XVID"),
    "dx50_b_long_gop.avi": partial(_write, codec="mpeg4", container="avi", b=2, gop=250, tag="DX50"),
    "dx50_packed.avi": _packed,
    "h264_b.avi": partial(_write, codec="libx264", container="avi", b=2),
    "h264_one_key.avi": partial(_write, codec="libx264", container="avi", b=2, gop=250),
    "mpeg1.mpg": partial(_write, codec="mpeg1video", container="mpeg", b=2),
    "mpeg1_sound.mpg": partial(_write, codec="mpeg1video", container="mpeg", b=2, sound=True),
    "mpeg1_no_b.mpg": partial(_write, codec="mpeg1video", container="mpeg"),
    "mpeg1_elementary.m1v": partial(_write, codec="mpeg1video", container="mpeg1video", b=2),
    "mpeg2.mpg": partial(_write, codec="mpeg2video", container="mpeg", b=2),
    "mpeg2_no_b.mpg": partial(_write, codec="mpeg2video", container="mpeg"),
}
