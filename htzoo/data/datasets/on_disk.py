"""Which datasets are on the disk, and how much of it they take."""

from pathlib import Path
from stat import S_ISREG

from htzoo.data.datasets.registry import DATASETS, find_dataset
from htzoo.data.errors import DataError
from htzoo.data.index import INDEX, read_index


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
