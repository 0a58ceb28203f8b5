"""The clips of a prepared dataset, and whether their files are there; quick for 300,000 of them."""

import os
from collections.abc import Iterable
from pathlib import Path

from htzoo.data.clips.clip import Clip
from htzoo.data.index import Entry


def prepared_clip(folder: Path, entry: Entry, label: int) -> Clip:
    """The clip of a line in the index.

    Args:
        folder: Folder of the prepared dataset.
        entry: The line.
        label: Index of the class.
    """
    return Clip(folder / entry.path, label, entry.group, entry.frames, entry.source, entry.source_sha256, prepared=True)


def missing_files(clips: Iterable[Clip]) -> list[Path]:
    """The paths of clips that are not there.

    Each folder is listed once, which is faster than asking for every file, above all over a network.
    """
    names: dict[str, set[str]] = {}
    missing = []
    for clip in clips:
        folder, name = os.path.split(clip.path)
        if folder not in names:
            names[folder] = set(os.listdir(folder)) if os.path.isdir(folder) else set()
        if name not in names[folder]:
            missing.append(clip.path)
    return missing
