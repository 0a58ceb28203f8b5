"""Low-resolution far-infrared actions: what people do, seen by 16 x 16 thermometers in the ceiling."""

import csv
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import numpy as np
import numpy.typing as npt

from htzoo.data.clips.splits import Folds
from htzoo.data.datamodule import VideoDataModule
from htzoo.data.errors import DataError
from htzoo.data.source import ClipLabel, Source
from htzoo.data.video.resize import Frames

# Ten annotated labels are seven actions.
_ACTION = {"falling1": "fall", "falling2": "fall", "walk1": "walk", "walk2": "walk"}
_COLDEST, _WARMEST = 22.0, 27.0  # degrees Celsius that become 0 and 255; all clips lie between 22.1 and 26.9
_FPS = 10

Celsius = npt.NDArray[np.floating]
_NOTHING: Celsius = np.empty((0, 16, 16))


class FIRAction(VideoDataModule):
    """2,520 clips of 6 to 49 frames, 16 x 16, in 7 actions by 9 people (Kawashima et al., 2017).

    The published temperatures become grey: 22 degrees is black and 27 degrees white, 1/51 of a degree a step. With the
    rounding of the video's own colours a pixel is within 0.03 degrees of what was measured.

    `split: group` leaves people out: three of the nine in each of three folds, or one in each of nine.
    """

    dataset_name = "fir"
    title = "Nagoya low-resolution FIR actions"
    homepage = "https://github.com/muralab/Low-Resolution-FIR-Action-Dataset"
    licence = "CC BY-NC-SA 4.0"
    classes = ("fall", "lie", "sit", "sitdown", "stand", "standup", "walk")
    clip_count = 2520
    sources = (
        Source(
            "https://github.com/muralab/Low-Resolution-FIR-Action-Dataset/archive/refs/heads/master.zip",
            "Low-Resolution-FIR-Action-Dataset.zip",
        ),
    )
    standard_size = (16, 16)
    usual_folds = Folds(group=3)

    @classmethod
    def label_clip(cls, path: PurePosixPath) -> ClipLabel | None:
        """None: the set is published as tables, see `convert`."""
        return None

    @classmethod
    def convert(cls, folder: Path) -> Iterator[tuple[str, ClipLabel, Frames, float]]:
        """The clips of the published tables, or of one .npz file that holds them all.

        Published are `annotation/annotation_<date>_human.csv`, with lines `<recording>.csv,<first>,<last>,<label>,
        <person>`, both frames included and counted from 0, and `<date>/raw/<recording>.csv`, whose rows from the third
        on are time, sensor temperature, and 256 pixels. The .npz file has `frames` (n x 16 x 16, Celsius), `offsets`
        (where each clip begins, and the end), `label` and `human`.

        Args:
            folder: Holds the one or the other, at any depth.

        Raises:
            DataError: Neither is there, or a table cannot be read.
        """
        compact = sorted(folder.rglob("*.npz"))
        clips = _from_npz(compact[0]) if compact else _from_tables(folder)
        for name, label, person, celsius in clips:
            action = _ACTION.get(label, label)
            yield name, ClipLabel(action, person), as_grey(celsius), _FPS


def as_grey(celsius: Celsius) -> Frames:
    """Temperatures, T x 16 x 16, as grey frames, uint8, T x 16 x 16 x 3."""
    grey = np.rint((celsius.astype(np.float64) - _COLDEST) * (255 / (_WARMEST - _COLDEST))).clip(0, 255)
    return np.repeat(grey.astype(np.uint8)[..., None], 3, axis=-1)


def _from_npz(path: Path) -> Iterator[tuple[str, str, str, Celsius]]:
    try:
        with np.load(path, allow_pickle=False) as file:
            frames, offsets, labels, people = (file[key] for key in ("frames", "offsets", "label", "human"))
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"{path} cannot be read ({error!r}); copy it again.") from error
    for number, (label, person) in enumerate(zip(labels.tolist(), people.tolist(), strict=True)):
        yield f"clip_{number:04d}", label, person, frames[offsets[number] : offsets[number + 1]]


def _from_tables(folder: Path) -> Iterator[tuple[str, str, str, Celsius]]:
    annotations = sorted(folder.rglob("annotation_*_human.csv"))
    if not annotations:
        raise DataError(f"{folder} has no annotation_*_human.csv; give the folder or archive of {FIRAction.homepage}.")
    recordings = {path.name: path for path in folder.rglob("raw/*.csv")}
    for annotation in annotations:
        with annotation.open(newline="", encoding="utf-8-sig") as file:
            rows = [row for row in csv.reader(file) if row and row[0]]
        name, frames = "", _NOTHING
        for recording, first, last, label, person, *_ in rows:
            if recording != name:
                name = recording
                frames = _read_recording(recordings.get(name, annotation.with_name(name)))
            start, end = int(first), int(last) + 1
            if not start < end <= len(frames):
                raise DataError(
                    f"{annotation} has frames {first} to {last} of {name}, which has {len(frames)}; copy both again."
                )
            yield f"{name.removesuffix('.csv')}_{start:04d}", label, person, frames[start:end]


def _read_recording(path: Path) -> Celsius:
    """Temperatures of a recording, T x 16 x 16."""
    try:
        return np.loadtxt(path, delimiter=",", skiprows=2, usecols=range(2, 258), ndmin=2).reshape(-1, 16, 16)
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read ({error}); copy it again.") from error
