"""What a data set on the disk looks like in numbers."""

from collections import Counter
from dataclasses import dataclass

from htzoo.data.datamodule import VideoDataModule

PARTS = ("train", "val", "test", "unused")


@dataclass(frozen=True)
class Statistics:
    """Numbers of a data set and of one of its splits.

    Attributes:
        rule: The split in words.
        counts: Class -> part -> clips that show it; the parts are train, val, test and unused.
        clips: Part -> clips; fewer than the sum over classes where a clip shows several.
        groups: Part -> groups of clips.
        shared: Groups that have both training and test clips.
        lengths: Frames of each clip, in the order of the clips.
    """

    rule: str
    counts: dict[str, dict[str, int]]
    clips: dict[str, int]
    groups: dict[str, int]
    shared: int
    lengths: tuple[int, ...]


def describe(data: VideoDataModule) -> Statistics:
    """Count clips, groups and frames of a data module that is set up."""
    parts: list[str] = [part or "unused" for part in data.parts]
    counted = Counter((name, part) for index, part in enumerate(parts) for name in data.classes_of(index))
    counts = {name: {part: counted[name, part] for part in PARTS} for name in data.classes}
    members = {
        part: {clip.group or clip.name for clip, of_clip in zip(data.clips, parts, strict=True) if of_clip == part}
        for part in PARTS
    }
    return Statistics(
        rule=data.rule,
        counts=counts,
        clips={part: parts.count(part) for part in PARTS},
        groups={part: len(found) for part, found in members.items()},
        shared=len(members["test"] & (members["train"] | members["val"])),
        lengths=tuple(clip.frames for clip in data.clips),
    )
