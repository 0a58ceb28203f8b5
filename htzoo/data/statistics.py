"""Counts of a dataset: clips, groups and frames, by class and split."""

from collections import Counter
from dataclasses import dataclass

from htzoo.data.datamodule import VideoDataModule

_LISTED_CLASSES = 12  # in one line
SPLITS = ("train", "val", "test", "unused")


@dataclass(frozen=True)
class Statistics:
    """Counts of a dataset under one split rule.

    Attributes:
        split_rule: How the clips are split, in words.
        counts: Class -> split -> clips that show it; the splits are train, val, test and unused.
        clips: Split -> clips; fewer than the sum over classes where a clip shows several.
        groups: Split -> groups of clips.
        shared: Groups that have both training and test clips.
        lengths: Number of frames of each clip, in the order of the clips.
    """

    split_rule: str
    counts: dict[str, dict[str, int]]
    clips: dict[str, int]
    groups: dict[str, int]
    shared: int
    lengths: tuple[int, ...]


def describe(data: VideoDataModule) -> Statistics:
    """Count clips, groups and frames of a data module that is set up."""
    splits: list[str] = [split or "unused" for split in data.splits]
    counted = Counter((name, split) for index, split in enumerate(splits) for name in data.classes_of(index))
    counts = {name: {split: counted[name, split] for split in SPLITS} for name in data.classes}
    members = {
        split: {clip.group or clip.name for clip, of_clip in zip(data.clips, splits, strict=True) if of_clip == split}
        for split in SPLITS
    }
    return Statistics(
        split_rule=data.split_rule,
        counts=counts,
        clips={split: splits.count(split) for split in SPLITS},
        groups={split: len(found) for split, found in members.items()},
        shared=len(members["test"] & (members["train"] | members["val"])),
        lengths=tuple(clip.frames for clip in data.clips),
    )


def summary_line(data: VideoDataModule) -> str:
    """What was understood of a data module that is set up: classes, skipped files, groups and splits, in one line."""
    shown = Counter(name for index in range(len(data.clips)) for name in data.classes_of(index))
    classes = f"{len(data.classes):,} classes"
    if len(data.classes) <= _LISTED_CLASSES:
        classes += f": {', '.join(f'{name} {shown[name]:,}' for name in data.classes)}"
    else:
        counts = sorted(shown[name] for name in data.classes)
        classes += f" of {counts[0]:,} to {counts[-1]:,} clips"
    skipped = data.skipped.total()
    reasons = ", ".join(f"{count:,} {reason}" for reason, count in data.skipped.most_common())
    groups = len({clip.group for clip in data.clips if clip.group})
    splits = Counter(data.splits)
    unused = f", {splits[None]:,} unused" if splits[None] else ""
    counted = f"train / val / test {splits['train']:,} / {splits['val']:,} / {splits['test']:,}{unused}"
    found = [
        classes,
        f"{skipped:,} file{'s' * (skipped > 1)} skipped ({reasons})" if skipped else "",
        f"{groups:,} groups" if groups else "no groups",
        f"{counted} (split {data.split_rule})",
    ]
    return "; ".join(filter(None, found))
