"""Every data set by its short name; a class is imported when it is asked for."""

from importlib import import_module
from typing import TYPE_CHECKING

from htzoo.names import UnknownNameError, did_you_mean

if TYPE_CHECKING:
    from htzoo.data.datamodule import VideoDataModule

# Short name -> module of htzoo.data.datasets and class in it.
DATASETS = {
    "ucf11": ("ucf11", "UCF11"),
    "ucf50": ("ucf50", "UCF50"),
    "hmdb51": ("hmdb51", "HMDB51"),
    "hollywood2": ("hollywood2", "Hollywood2"),
    "ytc": ("youtube_celebrities", "YouTubeCelebrities"),
    "fight": ("surveillance_fight", "SurveillanceFight"),
    "fir": ("fir_action", "FIRAction"),
    "digits": ("spoken_digits", "SpokenDigits"),
    "moving_digits": ("moving_digits.dataset", "MovingDigits"),
    "moving_digits_hard": ("moving_digits.dataset", "MovingDigitsHard"),
    "folder": ("video_folder", "VideoFolder"),
}


def find_dataset(name: str) -> "type[VideoDataModule]":
    """The class of a data set.

    Raises:
        UnknownNameError: There is no such name; the message has near ones.
    """
    if name not in DATASETS:
        hint = did_you_mean(name, DATASETS, f"known are {', '.join(DATASETS)}")
        raise UnknownNameError(f"no data set {name!r}: {hint}")
    module, class_name = DATASETS[name]
    found: type[VideoDataModule] = getattr(import_module(f"htzoo.data.datasets.{module}"), class_name)
    return found
