"""Anybody's own videos: a folder for each class, or a table that says what each file shows."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from htzoo.data.clips.clip import Clip
from htzoo.data.clips.splits import Folds, Split
from htzoo.data.datamodule import VideoDataModule
from htzoo.data.errors import DataError
from htzoo.data.index import has_index, read_index
from htzoo.data.parallel import on_all_cores
from htzoo.data.prepare.source_checksums import Checksums, FirstReading
from htzoo.data.prepare.source_files import files_in
from htzoo.data.source import ClipLabel
from htzoo.data.video.checksum import digest_of
from htzoo.data.video.container import VIDEO_SUFFIXES
from htzoo.data.video.video_file import count_frames


@dataclass(frozen=True)
class _Row:
    """A file of the folder; its path has forward slashes, and part is "" where the table does not say."""

    path: str
    label: str
    group: str
    part: str


class VideoFolder(VideoDataModule):
    """Videos of a folder, as they are or prepared by `htzoo data prepare folder --from FOLDER`.

    Without a table, the files are `<class>/<file>` or `<class>/<group>/<file>`. A table is a CSV file with the columns
    path (from the folder) and label, and if wanted group (clips that share a scene or person) and split (train, val or
    test; without val, validation clips are taken from train).

    Files that are not prepared are read exactly too, if more slowly. They are decoded once to count their frames, and
    one that changes after that is an error, see `htzoo.data.prepare.source_checksums`.
    """

    dataset_name = "folder"
    title = "A folder of videos"
    homepage = ""
    licence = "yours"
    classes: tuple[str, ...] = ()

    def __init__(
        self, folder: str | None = None, table: str | None = None, root: str = "data", **settings: Any
    ) -> None:
        """Keep the settings, and look for the names of the classes.

        Args:
            folder: The folder of the videos; None takes the one that `htzoo data prepare folder` makes, ROOT/folder.
            table: CSV file that says what each video shows; None takes it from the folders.
            root: Folder of all data sets, where caches and checksums are.
            settings: Those of `VideoDataModule`; split official is the one of the table, and where it has one, usual.

        Raises:
            DataError: The folder or the table has no clips or cannot be read.
        """
        self._folder = Path(folder) if folder else Path(root) / self.dataset_name
        self.dataset_name = self._folder.resolve().name
        self.title = f"Folder {self.dataset_name}"
        self._prepared = table is None and has_index(self._folder)
        self._rows = [] if self._prepared else _rows(self._folder, table)
        labels = (
            {entry.label for entry in read_index(self._folder)} if self._prepared else {row.label for row in self._rows}
        )
        self.classes = tuple(sorted(labels))
        if any(row.part for row in self._rows):
            self.usual_folds = Folds(official=1)
            self.default_split = "official"
        super().__init__(root, **settings)

    @classmethod
    def label_clip(cls, path: PurePosixPath) -> ClipLabel | None:
        """`<class>/<file>` or `<class>/<group>/<file>`."""
        if path.suffix.lower() not in VIDEO_SUFFIXES or len(path.parts) < 2:
            return None
        return ClipLabel(path.parts[0], path.parts[1] if len(path.parts) > 2 else "")

    @property
    def folder(self) -> Path:
        """The folder of the videos."""
        return self._folder

    def prepare_data(self) -> None:
        """Decode the videos that have not been read before, unless they are prepared.

        Raises:
            VideoError: A file cannot be decoded.
            DataError: Files have changed since they were first read, or what was read cannot be noted.
        """
        if not self._prepared:
            self._first_readings()

    def list_clips(self) -> list[Clip]:
        """List all clips, in the order of their paths."""
        if self._prepared:
            return super().list_clips()
        label_of = {label: number for number, label in enumerate(self.classes)}
        return [
            Clip(self._folder / row.path, label_of[row.label], row.group, first.frames, row.path, first.sha256)
            for row, first in zip(self._rows, self._first_readings(), strict=True)
        ]

    def official_splits(self, fold: int) -> Sequence[Split | None]:
        """The split of the table."""
        return [_part(row.part) for row in self._rows]

    def _first_readings(self) -> list[FirstReading]:
        """What each file was when it was first read, which is now for those that are new."""
        files = [self._folder / row.path for row in self._rows]
        checksums = Checksums(self.root)
        checksums.compare(files)

        def first_reading(file: Path) -> FirstReading:
            return checksums.find(file) or checksums.add(file, digest_of(file), count_frames(file))

        return list(on_all_cores(first_reading, files, "counting frames", "file"))


def _rows(folder: Path, table: str | None) -> list[_Row]:
    if not folder.is_dir():
        raise DataError(f"folder is {str(folder)!r}, which is no folder; give the one that has the videos.")
    rows = _rows_of_folder(folder) if table is None else _rows_of_table(Path(table))
    if not rows:
        where = table or f"{folder} (looked for <class>/<file> ending in {', '.join(sorted(VIDEO_SUFFIXES))})"
        raise DataError(f"there are no videos in {where}.")
    return sorted(rows, key=lambda row: row.path)


def _rows_of_folder(folder: Path) -> list[_Row]:
    rows = []
    for path, _ in files_in(folder):
        found = VideoFolder.label_clip(path)
        if found is not None:
            rows.append(_Row(str(path), found.label, found.group, ""))
    return rows


def _rows_of_table(table: Path) -> list[_Row]:
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, strict=True)
            missing = {"path", "label"} - set(reader.fieldnames or ())
            if missing:
                raise DataError(f"{table} has no column {' or '.join(sorted(missing))}; its first line must name both.")
            rows = [_Row(row["path"], row["label"], row.get("group") or "", row.get("split") or "") for row in reader]
    except (OSError, ValueError, csv.Error) as error:
        raise DataError(f"{table} cannot be read ({error}); give a CSV file with columns path and label.") from error
    for number, row in enumerate(rows, 2):
        if not row.path or not row.label:
            raise DataError(f"{table} has no path or no label in line {number}; fill it in.")
        if row.part not in ("", "train", "val", "test"):
            raise DataError(f"{table} has split {row.part!r} in line {number}; write train, val or test.")
    return rows


def _part(word: str) -> Split | None:
    match word:
        case "train" | "val" | "test":
            return word
    return None
