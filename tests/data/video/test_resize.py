"""Frames are resized one by one; large ones are halved first."""

import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from torch.nn.functional import interpolate

from htzoo.data.video.resize import FrameConverter


def pixels(height: int, width: int) -> np.ndarray:
    """Soft shapes in colour."""
    x = np.sin(np.linspace(0, 9, width)[:, None] + [0, 5, 10]).astype(np.float32)
    y = np.cos(np.linspace(0, 7, height)[:, None] - [0, 1, 2]).astype(np.float32)
    return (127.5 + 120 * y[:, None] * x[None]).astype(np.uint8)


def bilinear(frame: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    planes = torch.from_numpy(frame).permute(2, 0, 1)[None].float()
    resized = interpolate(planes, size=size, mode="bilinear", antialias=True)
    return resized.round().clamp(0, 255).to(torch.uint8)[0].permute(1, 2, 0).numpy()


@pytest.mark.parametrize("shape", [(48, 96), (240, 320), (1080, 1920)])
def test_up_to_full_hd_every_pixel_counts(shape: tuple[int, int]) -> None:
    frame = pixels(*shape)
    decoded = av.VideoFrame.from_ndarray(frame, format="rgb24")
    for size in ((24, 32), (112, 112)):
        np.testing.assert_array_equal(FrameConverter(size).convert(decoded), bilinear(frame, size))


@pytest.mark.parametrize("shape", [(2160, 3840), (3840, 2160), (1440, 2560)])
def test_larger_frames_give_nearly_the_same(shape: tuple[int, int]) -> None:
    frame = pixels(*shape)
    decoded = av.VideoFrame.from_ndarray(frame, format="rgb24")
    found = FrameConverter((224, 224)).convert(decoded)
    assert np.abs(found.astype(int) - bilinear(frame, (224, 224))).max() <= 2
    half = tuple(side // 2 for side in shape)
    near = FrameConverter(half).convert(decoded)  # too near to be halved
    np.testing.assert_array_equal(near, bilinear(frame, half))


_READ = """
import sys
from htzoo.data import read_frames
import torch
torch.set_num_threads(1)
peak = lambda: int(open("/proc/self/status").read().partition("VmHWM:")[2].split()[0]) // 1024
before = peak()
assert read_frames(sys.argv[1], range(16), (112, 112)).shape == (16, 112, 112, 3)
print(peak() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak is read from Linux's /proc")
def test_memory_follows_the_size_asked_for(tmp_path: Path) -> None:
    """16 frames of 4K are 400 MB, and 1.6 GB in floating point."""
    path = tmp_path / "uhd.mp4"
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", 25, options={"preset": "ultrafast", "threads": "1"})
        stream.height, stream.width, stream.pix_fmt = 2160, 3840, "yuv420p"
        frame = av.VideoFrame.from_ndarray(pixels(2160, 3840), format="rgb24").reformat(format="yuv420p")
        for number in range(16):
            frame.pts = number
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    run = subprocess.run([sys.executable, "-c", _READ, str(path)], capture_output=True, text=True, check=True)
    assert 0 < int(run.stdout) < 350  # MB; 164 when this was written
