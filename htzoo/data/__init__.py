"""Video data: exact frame reading, clips, caching, and Lightning data modules.

Names are imported on first use, so that a process that only makes or reads video does not wait for Lightning.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from htzoo.data.cache import FrameCache
    from htzoo.data.catalog import find_dataset
    from htzoo.data.clips import Clip, ClipDataset, collate_clips
    from htzoo.data.datamodule import VideoDataModule
    from htzoo.data.errors import DataError, VideoError
    from htzoo.data.fight import SurveillanceFight
    from htzoo.data.fir import FIRAction
    from htzoo.data.hmdb51 import HMDB51
    from htzoo.data.hollywood2 import Hollywood2
    from htzoo.data.making import make_moving_digits
    from htzoo.data.moving_digits import MovingDigits, MovingDigitsHard
    from htzoo.data.reading import count_frames, read_frames
    from htzoo.data.sampling import EachOnceSampler, FrameOrder, FrameSampler, TrainSampler, ordered, uniform_indices
    from htzoo.data.shifting import shift_on_torus
    from htzoo.data.spoken_digits import SpokenDigits
    from htzoo.data.ucf11 import UCF11
    from htzoo.data.ucf50 import UCF50
    from htzoo.data.video_folder import VideoFolder
    from htzoo.data.writing import write_video
    from htzoo.data.ytc import YouTubeCelebrities

_HOME = {
    "Clip": "clips",
    "ClipDataset": "clips",
    "DataError": "errors",
    "EachOnceSampler": "sampling",
    "FIRAction": "fir",
    "FrameCache": "cache",
    "FrameOrder": "sampling",
    "FrameSampler": "sampling",
    "HMDB51": "hmdb51",
    "Hollywood2": "hollywood2",
    "MovingDigits": "moving_digits",
    "MovingDigitsHard": "moving_digits",
    "SpokenDigits": "spoken_digits",
    "SurveillanceFight": "fight",
    "TrainSampler": "sampling",
    "UCF11": "ucf11",
    "UCF50": "ucf50",
    "VideoDataModule": "datamodule",
    "VideoError": "errors",
    "VideoFolder": "video_folder",
    "YouTubeCelebrities": "ytc",
    "collate_clips": "clips",
    "count_frames": "reading",
    "find_dataset": "catalog",
    "make_moving_digits": "making",
    "ordered": "sampling",
    "read_frames": "reading",
    "shift_on_torus": "shifting",
    "uniform_indices": "sampling",
    "write_video": "writing",
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
