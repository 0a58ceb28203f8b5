"""Plots of a dataset: a contact sheet, and how its clips spread over classes and lengths."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from matplotlib.ticker import MaxNLocator

from htzoo.data.clips.clip import Clip
from htzoo.data.clips.frame_sampler import uniform_indices
from htzoo.data.datamodule import VideoDataModule
from htzoo.data.statistics import Statistics
from htzoo.data.video.resize import Frames
from htzoo.report.contact_sheet import plot_clips
from htzoo.report.style import BLUE, GREEN, GREY, ORANGE, new_figure, save_figure, shared_look

_COLOURS = {"train": BLUE, "val": GREEN, "test": ORANGE, "unused": GREY}
_SHEET_FRAMES = 8
_SHEET_HEIGHT = 96  # pixels
_FEW_CLASSES = 12  # up to here, two clips a class
_MANY_CLASSES = 60  # above, bars have no names
_SHEET_CLASSES = 30  # at most, evenly spaced


def plot_contact_sheet(data: VideoDataModule, output: Path) -> None:
    """Draw eight frames, evenly spaced, of one or two clips of each class, or of 30 classes if there are more.

    Args:
        data: a module that is set up.
        output: the PNG to write; an older file is replaced.

    Raises:
        VideoError: a clip cannot be read.
        OSError: the plot cannot be written.
    """
    count = len(data.classes)
    names = [data.classes[index] for index in uniform_indices(count, _SHEET_CLASSES)]
    some = f", {len(names)} of {count:,} classes" if len(names) < count else ""
    plot_clips(list(_examples(data, names)), output, f"{data.title}: {len(data.clips):,} clips{some}")


def _examples(data: VideoDataModule, names: Sequence[str]) -> Iterator[tuple[str, Frames]]:
    """One or two clips of each of these classes, from different groups if possible."""
    showing: dict[str, list[int]] = {name: [] for name in names}
    for index in range(len(data.clips)):
        for name in data.classes_of(index):
            if name in showing:
                showing[name].append(index)
    for found in showing.values():
        chosen = found[:1]
        if len(data.classes) <= _FEW_CLASSES:
            others = [index for index in found if data.clips[index].group != data.clips[found[0]].group]
            chosen += others[-1:] or found[1:2]
        for index in chosen:
            yield data.label_of(index), small_frames(data.clips[index])


def small_frames(clip: Clip) -> Frames:
    """Eight frames of a clip, evenly spaced, made small enough for a contact sheet; uint8 (T, H, W, C).

    Raises:
        VideoError: the clip cannot be read.
    """
    height, width = clip.read([0]).shape[1:3]
    shown = min(height, _SHEET_HEIGHT)
    return clip.read(uniform_indices(clip.frames, _SHEET_FRAMES), (shown, max(1, width * shown // height)))


def plot_statistics(statistics: Statistics, title: str, output: Path) -> None:
    """Draw clips by class and split, and how many frames the clips have.

    Args:
        statistics: what to draw.
        title: name of the dataset.
        output: the PNG to write; an older file is replaced.

    Raises:
        OSError: the plot cannot be written.
    """
    names = list(statistics.counts)
    many = len(names) > _MANY_CLASSES
    if many:
        names.sort(key=lambda name: -sum(statistics.counts[name].values()))
    places = np.arange(len(names))
    with shared_look():
        figure = new_figure(11.0, 6.0 if many else max(3.6, 1.2 + 0.2 * len(names)))
        figure.suptitle(f"{title}: {len(statistics.lengths):,} clips, split {statistics.split_rule}")
        classes, lengths = figure.subplots(1, 2, width_ratios=(3, 2))
        start = np.zeros(len(names))
        for split, colour in _COLOURS.items():
            clips = np.array([statistics.counts[name][split] for name in names])
            if clips.any():
                groups = statistics.groups[split]
                label = f"{split} ({statistics.clips[split]:,} clips, {groups:,} group{'s' if groups > 1 else ''})"
                if many:
                    classes.fill_betweenx(
                        places, start, start + clips, color=colour, label=label, step="mid", linewidth=0
                    )
                else:
                    classes.barh(names, clips, left=start, color=colour, label=label, height=0.8)
                start = start + clips
        classes.invert_yaxis()
        if many:
            classes.set_ylabel("classes, most clips first")
        classes.set_xlabel("clips")
        classes.xaxis.set_major_locator(MaxNLocator(integer=True))
        classes.grid(axis="y", visible=False)
        classes.margins(y=0.5 / max(len(names), 1))
        classes.legend(loc="upper left", bbox_to_anchor=(0.0, -0.08 - 0.6 / figure.get_figheight()), ncols=2)
        shortest, longest = min(statistics.lengths), max(statistics.lengths)
        width = -(-(longest - shortest + 1) // 40)  # integers, so that each bar covers equally many lengths
        lengths.hist(statistics.lengths, bins=np.arange(shortest, longest + width + 1, width) - 0.5, color=BLUE)
        lengths.xaxis.set_major_locator(MaxNLocator(integer=True))
        lengths.set_xlabel("frames of a clip")
        lengths.set_ylabel("clips")
        median = float(np.median(statistics.lengths))
        lengths.axvline(median, color=ORANGE, label=f"median {median:g}")
        lengths.legend()
        save_figure(figure, output)
