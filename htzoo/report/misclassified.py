"""Misclassified test clips with the highest probability, which show wrong labels and similar classes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from htzoo.data import VideoDataModule
from htzoo.data.errors import VideoError
from htzoo.report.contact_sheet import plot_clips
from htzoo.report.dataset_plots import small_frames

MAX_CLIPS = 12  # on a sheet
_MAX_LETTERS = 32  # of a name on the sheet


class Mistake(NamedTuple):
    """A misclassified clip.

    Attributes:
        probability: of the predicted class, from 0 to 1.
        clip: position in the list of all clips.
        predicted: index of the predicted class.
    """

    probability: float
    clip: int
    predicted: int


def find_mistakes(probability: Tensor, label: Tensor, index: Tensor) -> list[Mistake]:
    """The misclassified clips of a batch.

    Args:
        probability: (B, classes) class probabilities.
        label: (B,) true classes.
        index: (B,) positions in the list of all clips.
    """
    highest, predicted = probability.max(1)
    wrong = predicted != label
    columns = (values[wrong].tolist() for values in (highest, index, predicted))
    return [Mistake(*row) for row in zip(*columns, strict=True)]


def most_certain(mistakes: Sequence[Mistake]) -> list[Mistake]:
    """At most `MAX_CLIPS` mistakes, in the order of descending probability."""
    return sorted(mistakes, key=lambda mistake: (-mistake.probability, mistake.clip))[:MAX_CLIPS]


def as_tensor(mistakes: Sequence[Mistake]) -> Tensor:
    """(MAX_CLIPS, 3) float64, equal on all processes so that it can be gathered; rows that are not used are -1."""
    rows = [*map(list, mistakes), *[[-1.0, -1.0, -1.0]] * (MAX_CLIPS - len(mistakes))]
    return torch.tensor(rows, dtype=torch.float64)


def from_tensor(rows: Tensor) -> list[Mistake]:
    """The mistakes of all processes from (..., 3) rows of :func:`as_tensor`."""
    return [Mistake(p, int(clip), int(predicted)) for p, clip, predicted in rows.reshape(-1, 3).tolist() if p >= 0]


def plot_misclassified(data: VideoDataModule, mistakes: Sequence[Mistake], output: Path, title: str) -> bool:
    """Draw a contact sheet of misclassified clips. A clip whose file can no longer be read is skipped.

    Args:
        data: has the clips.
        mistakes: in the order to draw.
        output: the PNG to write; an older file is replaced.
        title: shown above the sheet.

    Returns:
        Whether there was a clip to draw.

    Raises:
        OSError: the plot cannot be written.
    """
    rows = []
    for probability, clip, predicted in mistakes:
        names = data.label_of(clip), data.classes[predicted], Path(data.clips[clip].name).name
        true, taken, file = map(_shortened, names)
        try:
            frames = small_frames(data.clips[clip])
        except VideoError:
            continue
        rows.append((f"{true}, predicted {taken} ({probability:.0%})\n{file}", frames))
    if rows:
        plot_clips(rows, output, title)
    return bool(rows)


def _shortened(name: str) -> str:
    return name if len(name) <= _MAX_LETTERS else f"{name[: _MAX_LETTERS - 1]}\N{HORIZONTAL ELLIPSIS}"
