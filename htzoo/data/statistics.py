"""What a data set on the disk looks like in numbers."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISREG

from htzoo.data.datamodule import VideoDataModule
from htzoo.data.datasets.registry import DATASETS, find_dataset
from htzoo.data.errors import DataError
from htzoo.data.index import INDEX, read_index

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


def list_datasets(root: Path) -> list[dict[str, object]]:
    """Every data set that htzoo knows: what it is, and what of it lies in a folder.

    Args:
        root: Folder of all data sets.

    Returns:
        For each: name, title, classes, published_clips, licence, homepage, state ("ready", "damaged index", "begun" or
        "absent"), clips, bytes of the prepared clips and bytes of the caches.
    """
    rows: list[dict[str, object]] = []
    for name in DATASETS:
        dataset = find_dataset(name)
        folder = root / name
        state, clips = "begun" if folder.is_dir() else "absent", 0
        if (folder / INDEX).is_file():
            try:
                state, clips = "ready", len(read_index(folder))
            except DataError:
                state = "damaged index"
        rows.append(
            {
                "name": name,
                "title": dataset.title,
                "classes": len(dataset.classes),
                "published_clips": dataset.clip_count,
                "licence": dataset.licence,
                "homepage": dataset.homepage,
                "state": state,
                "clips": clips,
                "bytes": _size(folder),
                "cache_bytes": _size(root / "cache" / name),
            }
        )
    return rows


def _size(folder: Path) -> int:
    """Bytes on the disk of all files of a folder; a cache that is not full takes less than its length."""
    total = 0
    for path in folder.rglob("*"):
        try:
            status = path.lstat()
        except FileNotFoundError:
            continue  # a set that is being prepared
        if S_ISREG(status.st_mode):
            total += getattr(status, "st_blocks", -(-status.st_size // 512)) * 512
    return total
