"""The clips of a prepared dataset, and whether their files are there; quick for 300,000 of them."""

import os
from collections.abc import Sequence
from pathlib import Path

from htzoo.data.clips.clip import Clip
from htzoo.data.errors import DataError
from htzoo.data.index import Entry


def prepared_clip(folder: Path, entry: Entry, label: int) -> Clip:
    """The clip of a line in the index.

    Args:
        folder: Folder of the prepared dataset.
        entry: The line.
        label: Index of the class.
    """
    return Clip(folder / entry.path, label, entry.group, entry.frames, entry.source, entry.source_sha256, prepared=True)


def check_files(clips: Sequence[Clip], folder: Path) -> None:
    """Check that the file of every clip is there.

    Each folder is listed once, which is faster than asking for every file, above all over a network.

    Args:
        clips: All clips of a dataset.
        folder: Folder of the dataset, for the message.

    Raises:
        DataError: Files are missing.
    """
    names: dict[str, set[str]] = {}
    missing = []
    for clip in clips:
        parent, name = os.path.split(clip.path)
        if parent not in names:
            names[parent] = set(os.listdir(parent)) if os.path.isdir(parent) else set()
        if name not in names[parent]:
            missing.append(clip.path)
    if missing:
        raise DataError(
            f"{len(missing):,} of {len(clips):,} clips in {folder} are missing, first {missing[0]}; "
            f"htzoo data check {folder} lists them. Prepare the dataset again."
        )
