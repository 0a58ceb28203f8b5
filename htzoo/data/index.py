"""The index of a prepared dataset: one line per clip, in a CSV file that any program can read."""

import csv
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from htzoo.data.collector import collector_paused
from htzoo.data.errors import DataError
from htzoo.files import replacing

INDEX = "index.csv"


class Entry(NamedTuple):
    """One clip of a prepared dataset.

    Attributes:
        path: The clip, relative to the folder of the dataset, with forward slashes.
        label: Name of its class.
        group: Scene, film or person that it shares with other clips; "" if not known.
        frames: Number of frames.
        fps: Frames per second.
        height: Frame height in pixels.
        width: Frame width in pixels.
        source: The source file, relative to the original tree, with forward slashes.
        source_sha256: SHA-256 of the source file, in hexadecimal.
        split: "train", "val" or "test" if the original tree says so, else "".
    """

    path: str
    label: str
    group: str
    frames: int
    fps: float
    height: int
    width: int
    source: str
    source_sha256: str
    split: str = ""


COLUMNS = Entry._fields
_OPTIONAL = Entry._field_defaults


def write_index(folder: str | os.PathLike[str], entries: Iterable[Entry]) -> None:
    """Write `index.csv` of the dataset in `folder`, sorted by path; an older one is replaced only when it is complete.

    The same entries give the same bytes.

    Raises:
        OSError: The folder cannot be written to.
    """
    ordered = sorted(entries, key=lambda entry: entry.path)
    columns = [name for name in COLUMNS if name not in _OPTIONAL or any(getattr(entry, name) for entry in ordered)]
    with (
        replacing(Path(folder) / INDEX) as unfinished,
        unfinished.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file,
    ):
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(entry[: len(columns)] for entry in ordered)


def has_index(folder: str | os.PathLike[str]) -> bool:
    """Whether `folder` is a prepared dataset; an `index.csv` of another kind does not count."""
    try:
        with (Path(folder) / INDEX).open(encoding="utf-8", errors="surrogateescape") as file:
            columns = file.readline().strip().split(",")
    except OSError:
        return False
    return not {"source", "source_sha256"}.isdisjoint(columns)


def read_index(folder: str | os.PathLike[str]) -> list[Entry]:
    """Read `index.csv` of the dataset in `folder`.

    Raises:
        DataError: There is no index, or a line of it cannot be read.
    """
    with _opened(folder) as (rows, columns), collector_paused():
        if columns == list(COLUMNS[: len(columns)]):  # as `write_index` orders them
            return [
                Entry(path, label, group, int(frames), float(fps), int(height), int(width), source, digest, *split)
                for path, label, group, frames, fps, height, width, source, digest, *split in rows
            ]
        return [_entry(dict(zip(columns, row, strict=True))) for row in rows]


def count_entries(folder: str | os.PathLike[str]) -> int:
    """Number of clips in `index.csv` of the dataset in `folder`, faster than `read_index`.

    Raises:
        DataError: There is no index, or it has not the columns of one.
    """
    with _opened(folder) as (rows, columns):
        return sum(len(row) == len(columns) for row in rows)


@contextmanager
def _opened(folder: str | os.PathLike[str]) -> Iterator[tuple[Iterator[list[str]], list[str]]]:
    """The lines of an index behind the first, and its columns."""
    path = Path(folder) / INDEX
    try:
        with path.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
            rows = csv.reader(file, strict=True)
            columns = next(rows, [])
            missing = [name for name in COLUMNS if name not in columns and name not in _OPTIONAL]
            if missing:
                raise ValueError(f"there is no column {missing[0]}")
            yield rows, columns
    except FileNotFoundError:
        raise DataError(
            f"{path} does not exist; prepare the dataset with htzoo data prepare {path.parent.name}."
        ) from None
    except (OSError, TypeError, ValueError, csv.Error) as error:
        raise DataError(f"{path} cannot be read ({error!r}); delete it and prepare the dataset again.") from error


def _entry(row: dict[str, str]) -> Entry:
    numbers: dict[str, Any] = {name: int(row[name]) for name in ("frames", "height", "width")}
    return Entry(**{**{name: row[name] for name in COLUMNS if name in row}, **numbers, "fps": float(row["fps"])})
