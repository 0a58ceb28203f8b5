"""The index of a prepared data set: one line a clip, in a CSV file that any program reads."""

import csv
import os
from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from htzoo.data.errors import DataError
from htzoo.files import replacing

INDEX = "index.csv"


@dataclass(frozen=True)
class Entry:
    """One clip of a prepared data set.

    Attributes:
        path: The clip, from the folder of the data set, with forward slashes.
        label: Name of its class.
        group: Scene, film or person that it shares with other clips; "" where nothing is known.
        frames: How many frames decoding gives.
        fps: Frames a second.
        height: Height of the picture in pixels.
        width: Width of the picture in pixels.
        source: The file it was made from, in the original tree, with forward slashes.
        source_sha256: SHA-256 of that file, in hexadecimal.
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


COLUMNS = tuple(field.name for field in fields(Entry))


def write_index(folder: str | os.PathLike[str], entries: Iterable[Entry]) -> None:
    """Write `index.csv` of the data set in `folder`, sorted by path, whole or not at all.

    The same entries give the same bytes.

    Raises:
        OSError: The folder cannot be written to.
    """
    with (
        replacing(Path(folder) / INDEX) as unfinished,
        unfinished.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file,
    ):
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(astuple(entry) for entry in sorted(entries, key=lambda entry: entry.path))


def has_index(folder: str | os.PathLike[str]) -> bool:
    """Whether `folder` is a prepared data set; a folder of videos may have an `index.csv` of another kind."""
    try:
        with (Path(folder) / INDEX).open(encoding="utf-8", errors="surrogateescape") as file:
            columns = file.readline().strip().split(",")
    except OSError:
        return False
    return not {"source", "source_sha256"}.isdisjoint(columns)


def read_index(folder: str | os.PathLike[str]) -> list[Entry]:
    """Read `index.csv` of the data set in `folder`.

    Raises:
        DataError: There is no index, or a line of it cannot be read.
    """
    path = Path(folder) / INDEX
    try:
        with path.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
            return [_entry(row) for row in csv.DictReader(file, strict=True)]
    except FileNotFoundError:
        raise DataError(
            f"{path} does not exist; prepare the data set with htzoo data prepare {path.parent.name}."
        ) from None
    except (OSError, KeyError, TypeError, ValueError, csv.Error) as error:
        raise DataError(f"{path} cannot be read ({error!r}); delete it and prepare the data set again.") from error


def _entry(row: dict[str, str]) -> Entry:
    if None in row.values():
        raise ValueError("a line ends too early")
    return Entry(
        path=row["path"],
        label=row["label"],
        group=row["group"],
        frames=int(row["frames"]),
        fps=float(row["fps"]),
        height=int(row["height"]),
        width=int(row["width"]),
        source=row["source"],
        source_sha256=row["source_sha256"],
    )
