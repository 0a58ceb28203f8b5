"""Videos with a rotation mark stand upright, however they are read."""

import struct
from itertools import product
from pathlib import Path

import av
import numpy as np
import pytest

from htzoo.data import Clip, VideoFile, read_frames, write_video
from htzoo.data.video.transcode import transcode
from tests.data.helpers import Frames

# (a, b, c, d) of a display matrix, which maps a stored pixel (x, y) to (a x + c y, b x + d y).
MARKS = [
    *((x, 0, 0, y) for x, y in product((1, -1), (1, -1))),
    *((0, x, y, 0) for x, y in product((1, -1), (1, -1))),
]


def quarters(height: int = 48, width: int = 96) -> Frames:
    """Four frames of four grey levels, one in each quarter."""
    frames = np.zeros((4, height, width, 3), np.uint8)
    frames[:, : height // 2, width // 2 :] = 70
    frames[:, height // 2 :, : width // 2] = 140
    frames[:, height // 2 :, width // 2 :] = 210
    return frames


def laid_out(frame: Frames, mark: tuple[int, int, int, int]) -> Frames:
    """Each pixel where the matrix puts it, one by one."""
    a, b, c, d = mark
    rows, columns = np.mgrid[: frame.shape[0], : frame.shape[1]]
    x, y = a * columns + c * rows, b * columns + d * rows
    x, y = x - x.min(), y - y.min()
    result = np.zeros((y.max() + 1, x.max() + 1, 3), np.uint8)
    result[y, x] = frame
    return result


def marked(path: Path, mark: tuple[int, int, int, int]) -> Path:
    """An mp4 file without a checksum, as a phone writes it."""
    write_video(path, quarters(), crf=0)
    a, b, c, d = (0x10000 * number for number in mark)
    upright = struct.pack(">9i", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
    content = path.read_bytes()[:-56]
    place = content.index(upright, content.index(b"tkhd"))
    path.write_bytes(content[:place] + struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 0x40000000) + content[place + 36 :])
    return path


@pytest.mark.parametrize("mark", MARKS)
def test_every_mark_in_every_way_of_reading(mark: tuple[int, int, int, int], tmp_path: Path) -> None:
    path = marked(tmp_path / "phone.mp4", mark)
    expected = laid_out(quarters()[0], mark)
    height, width = expected.shape[:2]
    frames = read_frames(path, [3, 0])
    assert frames.shape == (2, height, width, 3) and frames.flags.c_contiguous
    assert np.abs(frames.astype(int) - expected).max() < 5
    small = read_frames(path, [3], (height // 4, width // 4))[0]
    assert np.abs(small.astype(int) - expected[::4, ::4]).mean() < 6
    with VideoFile(path) as video:
        chosen = video.read_chosen(lambda count: range(count))
    np.testing.assert_array_equal(chosen[[3, 0]], frames)
    np.testing.assert_array_equal(Clip(path, 0, "", 4).read([3, 0]), frames)

    made = transcode(path, tmp_path / "clip.mp4", 240)
    assert (made.height, made.width) == (height, width)
    assert np.abs(read_frames(tmp_path / "clip.mp4", [0])[0].astype(int) - expected).max() < 20
    made = transcode(path, tmp_path / "small.mp4", 24)
    assert (made.height, made.width) == (height // 2, width // 2)
    assert np.abs(read_frames(tmp_path / "small.mp4", [0])[0].astype(int) - expected[::2, ::2]).mean() < 8


@pytest.mark.parametrize(
    ("codec", "container"), [("libvpx-vp9", "matroska"), ("libx264", "matroska"), ("mpeg4", "mov")]
)
@pytest.mark.parametrize("degrees", [90, 270])
def test_other_containers_and_decoders(codec: str, container: str, degrees: int, tmp_path: Path) -> None:
    path = tmp_path / f"clip.{container}"
    with av.open(str(path), "w", format=container) as file:
        stream = file.add_stream(codec, rate=25)
        stream.height, stream.width, stream.pix_fmt, stream.bit_rate = 48, 96, "yuv420p", 4_000_000
        stream.set_display_rotation(degrees)
        for frame in quarters():
            file.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        file.mux(stream.encode(None))
    expected = np.rot90(quarters()[0], degrees // 90)  # counter-clockwise, as FFmpeg counts
    frames = read_frames(path, [2])
    assert frames.shape[1:] == expected.shape
    assert np.abs(frames[0].astype(int) - expected).mean() < 6
