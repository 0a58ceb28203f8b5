"""Numbered videos in many containers, and a small moving-digits module."""

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import decord
import numpy as np
import numpy.typing as npt
import torch

from htzoo.data import MovingDigits

Frames = npt.NDArray[np.uint8]


class FewDigits(MovingDigits):
    """All groups and classes, but one clip of each: 275 clips."""

    _clips_per_group = 1


def numbered(count: int, height: int = 48, width: int = 96) -> Frames:
    """Frames whose number is burnt in as nine white or black blocks, most significant first."""
    frames = np.full((count, height, width, 3), 128, np.uint8)
    block = width // 9
    for number, frame in enumerate(frames):
        for bit in range(9):
            frame[:, bit * block : (bit + 1) * block] = 255 if number >> (8 - bit) & 1 else 0
    return frames


def numbers_in(frames: Frames) -> list[int]:
    """Read the burnt-in numbers back."""
    block = frames.shape[2] // 9
    middles = [
        frames[:, :, bit * block + block // 4 : bit * block + 3 * block // 4].mean((1, 2, 3)) for bit in range(9)
    ]
    return [int(number) for number in sum((middle > 127) << (8 - bit) for bit, middle in enumerate(middles))]


def by_decord(path: Path, indices: Sequence[int]) -> Frames:
    """What decord reads, a decoder that shares nothing with PyAV but FFmpeg's sources, in an older version."""
    decord.logging.set_level(decord.logging.QUIET)
    return decord.VideoReader(str(path), num_threads=1).get_batch(list(indices)).asnumpy()


def encode(path: Path, frames: Frames, codec: str, container: str, **options: str) -> Path:
    """Write with PyAV alone, any codec and container."""
    with av.open(str(path), "w", format=container) as file:
        stream = file.add_stream(codec, rate=25, options=options)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        stream.bit_rate = 400_000
        stream.codec_context.max_b_frames = int(options.get("bf", 0))
        for frame in frames:
            file.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        file.mux(stream.encode(None))
    return path


def batches(module: FewDigits, split: str = "train", epoch: int = 0) -> list[dict[str, Any]]:
    loader = getattr(module, f"{split}_dataloader")()
    loader.sampler.set_epoch(epoch)
    return list(loader)


def digits(root: Path, **settings: Any) -> FewDigits:
    module = FewDigits(root=str(root), **{"num_workers": 0, "cache": False, **settings})
    module.setup()
    return module


def as_process(module: FewDigits, world: int, rank: int, **more: Any) -> FewDigits:
    device = SimpleNamespace(root_device=torch.device("cpu"))
    facts = {"world_size": world, "global_rank": rank, "strategy": device, "lightning_module": None, **more}
    module.trainer = SimpleNamespace(**facts)  # type: ignore[assignment]
    return module
