"""Video data: exact frame reading, clips, caching, and Lightning data modules.

Names are imported on first use, so that a process that only makes or reads video does not wait for Lightning.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from htzoo.data.clips.clip import Clip
    from htzoo.data.clips.dataset import ClipDataset, collate_clips
    from htzoo.data.clips.frame_cache import FrameCache
    from htzoo.data.clips.frame_sampler import (
        EachOnceSampler,
        FrameOrder,
        FrameSampler,
        TrainSampler,
        ordered,
        uniform_indices,
    )
    from htzoo.data.datamodule import VideoDataModule
    from htzoo.data.datasets.fir_action import FIRAction
    from htzoo.data.datasets.hmdb51 import HMDB51
    from htzoo.data.datasets.hollywood2 import Hollywood2
    from htzoo.data.datasets.moving_digits.dataset import MovingDigits, MovingDigitsHard
    from htzoo.data.datasets.moving_digits.generate import make_moving_digits
    from htzoo.data.datasets.moving_digits.shift import shift_on_torus
    from htzoo.data.datasets.registry import find_dataset
    from htzoo.data.datasets.spoken_digits import SpokenDigits
    from htzoo.data.datasets.surveillance_fight import SurveillanceFight
    from htzoo.data.datasets.ucf11 import UCF11
    from htzoo.data.datasets.ucf50 import UCF50
    from htzoo.data.datasets.video_folder import VideoFolder
    from htzoo.data.datasets.youtube_celebrities import YouTubeCelebrities
    from htzoo.data.errors import DataError, VideoError
    from htzoo.data.video.encode import write_video
    from htzoo.data.video.read import count_frames, read_frames

_HOME = {
    "Clip": "clips.clip",
    "ClipDataset": "clips.dataset",
    "DataError": "errors",
    "EachOnceSampler": "clips.frame_sampler",
    "FIRAction": "datasets.fir_action",
    "FrameCache": "clips.frame_cache",
    "FrameOrder": "clips.frame_sampler",
    "FrameSampler": "clips.frame_sampler",
    "HMDB51": "datasets.hmdb51",
    "Hollywood2": "datasets.hollywood2",
    "MovingDigits": "datasets.moving_digits.dataset",
    "MovingDigitsHard": "datasets.moving_digits.dataset",
    "SpokenDigits": "datasets.spoken_digits",
    "SurveillanceFight": "datasets.surveillance_fight",
    "TrainSampler": "clips.frame_sampler",
    "UCF11": "datasets.ucf11",
    "UCF50": "datasets.ucf50",
    "VideoDataModule": "datamodule",
    "VideoError": "errors",
    "VideoFolder": "datasets.video_folder",
    "YouTubeCelebrities": "datasets.youtube_celebrities",
    "collate_clips": "clips.dataset",
    "count_frames": "video.read",
    "find_dataset": "datasets.registry",
    "make_moving_digits": "datasets.moving_digits.generate",
    "ordered": "clips.frame_sampler",
    "read_frames": "video.read",
    "shift_on_torus": "datasets.moving_digits.shift",
    "uniform_indices": "clips.frame_sampler",
    "write_video": "video.encode",
}

__all__ = [
    "HMDB51",
    "UCF11",
    "UCF50",
    "Clip",
    "ClipDataset",
    "DataError",
    "EachOnceSampler",
    "FIRAction",
    "FrameCache",
    "FrameOrder",
    "FrameSampler",
    "Hollywood2",
    "MovingDigits",
    "MovingDigitsHard",
    "SpokenDigits",
    "SurveillanceFight",
    "TrainSampler",
    "VideoDataModule",
    "VideoError",
    "VideoFolder",
    "YouTubeCelebrities",
    "collate_clips",
    "count_frames",
    "find_dataset",
    "make_moving_digits",
    "ordered",
    "read_frames",
    "shift_on_torus",
    "uniform_indices",
    "write_video",
]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
