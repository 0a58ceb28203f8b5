"""Which datasets are on disk, and how much space they take."""

import os
from pathlib import Path

from htzoo.data.datasets.registry import dataset_names, find_listing
from htzoo.data.errors import DataError
from htzoo.data.index import INDEX, count_entries


def list_datasets(root: Path) -> list[dict[str, object]]:
    """Describe every dataset that htzoo knows, and what is in a folder of it.

    Args:
        root: Folder of all datasets.

    Returns:
        For each dataset: name, title, classes, published_clips, licence, homepage, state ("ready", "damaged index",
        "begun" or "absent"), clips, bytes of its folder, and cache_bytes of its caches.
    """
    rows: list[dict[str, object]] = []
    for name in dataset_names():
        dataset = find_listing(name)
        folder = root / name
        state, clips = "begun" if folder.is_dir() else "absent", 0
        if (folder / INDEX).is_file():
            try:
                state, clips = "ready", count_entries(folder)
            except DataError:
                state = "damaged index"
        rows.append(
            {
                "name": name,
                "title": dataset.attribute("title"),
                "classes": len(dataset.attribute("classes")),
                "published_clips": dataset.attribute("clip_count"),
                "licence": dataset.attribute("licence"),
                "homepage": dataset.attribute("homepage"),
                "state": state,
                "clips": clips,
                "bytes": _size(folder),
                "cache_bytes": _size(root / "cache" / name),
            }
        )
    return rows


def _size(folder: str | os.PathLike[str]) -> int:
    """Bytes that the files of a folder take on disk; less than their length where a file has holes."""
    total = 0
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    total += _size(entry.path)
                elif entry.is_file(follow_symlinks=False):
                    status = entry.stat(follow_symlinks=False)
                    total += getattr(status, "st_blocks", -(-status.st_size // 512)) * 512
    except FileNotFoundError:
        pass  # it is not there, or is being prepared at this moment
    return total
