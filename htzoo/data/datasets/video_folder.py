"""The user's own videos: a folder for each class, or tables that say what each file shows."""

import os
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import torch

from htzoo.data.clips.clip import Clip
from htzoo.data.clips.splits import Folds, Split
from htzoo.data.datamodule import VideoDataModule
from htzoo.data.errors import DataError, VideoError
from htzoo.data.index import Entry, has_index, read_index
from htzoo.data.parallel import on_all_cores
from htzoo.data.prepare.folder_layout import Layout, read_layout
from htzoo.data.prepare.label_names import check_labels, sort_labels, split_named
from htzoo.data.prepare.label_table import Row, read_tables
from htzoo.data.prepare.source_checksums import Checksums, FirstReading
from htzoo.data.prepare.source_files import read_tree
from htzoo.data.source import ClipLabel
from htzoo.data.video.checksum import digest_of
from htzoo.data.video.container import VIDEO_SUFFIXES
from htzoo.data.video.image_folder import on_disk
from htzoo.data.video.video_file import count_frames

_LISTED = 5  # files in one message


class VideoFolder(VideoDataModule):
    """Videos of a folder, as they are or prepared by `htzoo data prepare folder --from FOLDER`.

    Without a table, the files are `<class>/<file>` or `<class>/<group>/<file>`, and may be in folders train, val and
    test; see `htzoo.data.prepare.folder_layout.read_layout`. Tables are described in
    `htzoo.data.prepare.label_table.read_tables`.

    Files that are not prepared are read exactly too, if more slowly. They are decoded once to count their frames, and
    one that changes after that is an error; see `htzoo.data.prepare.source_checksums`.
    """

    dataset_name = "folder"
    title = "A folder of videos"
    homepage = ""
    licence = "not stated"
    classes: tuple[str, ...] = ()

    def __init__(
        self,
        folder: str | None = None,
        table: str | dict[str, str] | None = None,
        root: str = "data",
        group_pattern: str | None = None,
        skip_broken: bool = False,
        multilabel: bool = False,
        **settings: Any,
    ) -> None:
        """Read the names of the files and their classes; no video is opened yet.

        Args:
            folder: The folder of the videos; None takes the folder of the table, or without a table the one that
                `htzoo data prepare folder` makes, ROOT/folder.
            table: File that says what each video shows, or one file for each split, {train: FILE, test: FILE}; None
                takes it from the folders.
            root: Folder of all datasets, where caches and checksums are.
            group_pattern: Regular expression that finds the group of a clip (scene, film, person) in its path; its
                first parenthesis counts if it has one. For example "_(s[0-9]+)_".
            skip_broken: Go on without the videos that are missing or cannot be read, and report how many there are.
            multilabel: Whether a clip may have several labels, for the task MultiLabelClassification.
            settings: Those of `VideoDataModule`; split official is the one of the table or the folders, and the usual
                one where they have one. Otherwise it is group if any group is known, else clip.

        Raises:
            DataError: The folder or a table has no clips or cannot be read, or its classes are not as they should be.
            ValueError: A setting does not fit the clips.
        """
        tables = [table] if isinstance(table, str) else list((table or {}).values())
        self._folder = Path(folder) if folder else Path(tables[0]).parent if tables else Path(root) / self.dataset_name
        self.dataset_name = self._folder.resolve().name
        self.title = f"Folder {self.dataset_name}"
        self.multilabel = multilabel
        self.skip_broken = skip_broken
        self._prepared = table is None and has_index(self._folder)
        self._source = ", ".join(tables) or str(self._folder)
        self._layout = Layout({}, Counter(), ())
        self._readings: list[tuple[Row, FirstReading]] | None = None
        self._entries: list[Entry] = []
        self._rows: list[Row] = []
        if self._prepared:
            self._entries = read_index(self._folder)
        elif not self._folder.is_dir():
            raise DataError(f"folder is {str(self._folder)!r}, which is no folder; give the one that has the videos.")
        elif table is None:
            self._rows = self._rows_of_folder()
        else:
            lines = read_tables(table)
            self._rows = _merge(lines, multilabel)
            if not multilabel and len(lines) > len(self._rows):
                self._layout.skipped["listed twice"] = len(lines) - len(self._rows)
        if not self._rows and not self._entries:
            raise DataError(
                f"there are no videos in {self._source}; a clip is <class>/<file>, and its name ends in one of "
                f"{', '.join(sorted(VIDEO_SUFFIXES))}."
            )
        if group_pattern is not None:
            find = _group_finder(group_pattern)
            self._entries = [entry._replace(group=find(entry.source) or entry.group) for entry in self._entries]
            self._rows = [replace(row, group=find(row.path) or row.group) for row in self._rows]
        labels = {entry.label for entry in self._entries}
        self.classes = sort_labels(labels.union(*(row.labels for row in self._rows)))
        self._check_classes()
        remarks = self._choose_split(settings.get("split"), group_pattern)
        super().__init__(root, **settings)
        self.skipped += self._layout.skipped
        self.remarks = (*self._layout.remarks, *remarks)

    @classmethod
    def label_clip(cls, path: PurePosixPath) -> ClipLabel | None:
        """`<class>/<file>` or `<class>/<group>/<file>`."""
        if path.suffix.lower() not in VIDEO_SUFFIXES or len(path.parts) < 2:
            return None
        return ClipLabel(path.parts[0], path.parts[1] if len(path.parts) > 2 else "")

    @classmethod
    def label_clips(
        cls, paths: Sequence[PurePosixPath], empty: Sequence[PurePosixPath] = ()
    ) -> tuple[dict[PurePosixPath, ClipLabel], tuple[str, ...]]:
        """The labels of a whole tree, which also tells classes from splits; see `VideoDataModule.label_clips`."""
        layout = read_layout("the folder", paths, empty)
        return layout.labels, layout.remarks

    @property
    def folder(self) -> Path:
        """The folder of the videos."""
        return self._folder

    def prepare_data(self) -> None:
        """Decode the videos that have not been read before, unless they are prepared.

        Raises:
            DataError: Files are missing, cannot be decoded, or have changed since they were first read; or the result
                cannot be written.
        """
        if not self._prepared:
            self._first_readings()

    def list_clips(self) -> list[Clip]:
        """List all clips, in the order of their paths."""
        if self._prepared:
            return super().list_clips()
        readings = self._first_readings()
        self._rows = [row for row, _ in readings]
        label_of = {label: number for number, label in enumerate(self.classes)}
        if self.multilabel:
            self.shown = torch.tensor([[int(label in row.labels) for label in self.classes] for row in self._rows])
        return [
            Clip(
                _find(self._folder, row.path), label_of[row.labels[0]], row.group, first.frames, row.path, first.sha256
            )
            for row, first in readings
        ]

    def read_entries(self) -> list[Entry]:
        """The index, with the groups of `group_pattern`."""
        return self._entries

    def official_splits(self, fold: int) -> Sequence[Split | None]:
        """The split of the table or the folders."""
        splits = [split_named(clip.split) for clip in self._entries or self._rows]
        if "test" in splits:
            return splits
        return ["test" if split == "val" else split for split in splits]

    def _rows_of_folder(self) -> list[Row]:
        files, empty = read_tree(self._folder)
        self._layout = read_layout(str(self._folder), [path for path, _ in files], empty)
        rows = [
            Row(str(path), (found.label,), found.group, found.split, "") for path, found in self._layout.labels.items()
        ]
        return sorted(rows, key=lambda row: row.path)

    @property
    def _count(self) -> int:
        return len(self._entries or self._rows)

    def _check_classes(self) -> None:
        check_labels(self.classes, self._source)
        if len(self.classes) > 1 or self.multilabel:
            return
        (label,) = self.classes
        inside = self._folder / label
        remedy = "give every class a folder of its own"
        if inside.is_dir():
            remedy = f"if the classes are the folders in {inside}, give --data.folder {inside}"
        raise DataError(
            f"{self._source} has only one class, {label!r}, with {self._count:,} videos; a classifier needs two: "
            f"{remedy}."
        )

    def _choose_split(self, asked: str | None, group_pattern: str | None) -> tuple[str, ...]:
        """Set the usual split rule, and see that a group split has groups; returns remarks for the user."""
        splits = {clip.split for clip in self._entries or self._rows}
        if splits != {""}:
            if "" in splits or not splits & {"test", "val"} or "train" not in splits:
                missing = "of some clips" if "" in splits else "train" if "train" not in splits else "test"
                raise DataError(f"{self._source} has no split {missing}; every clip is in train, val or test.")
            self.usual_folds = Folds(official=1)
            self.default_split = "official"
            if "test" not in splits:
                return ("no split is called test: val is used for testing, and validation clips are taken from train",)
        elif not any(clip.group for clip in self._entries or self._rows):
            self.default_split = "clip"
            advice = (
                f"no group (scene, film, person) of the {self._count:,} clips of {self._source} is known: put "
                "clips of one scene into a folder <class>/<scene>, or give --data.group_pattern REGEX, which finds the "
                "scene in a file name"
            )
            if group_pattern is not None:
                raise ValueError(f"group_pattern is {group_pattern!r}, which is in no path of {self._source}.")
            if asked == "group":
                raise ValueError(f"split is 'group', but {advice}, or choose --data.split clip.")
            return (f"{advice}; until then clips of one scene may be in train and in test",)
        return ()

    def _first_readings(self) -> list[tuple[Row, FirstReading]]:
        """What each file was when it was first read, which is now for those that are new."""
        if self._readings is not None:
            return self._readings
        checksums = Checksums(self.root)
        found = [(row, _find(self._folder, row.path)) for row in self._rows]
        broken = {row: "is missing" for row, file in found if not file.exists()}
        there = [(row, file) for row, file in found if row not in broken]
        there = self._without_copies(there)
        checksums.compare([file for _, file in there])

        def first_reading(file: Path) -> FirstReading | str:
            try:
                return checksums.find(file) or checksums.add(file, digest_of(file), count_frames(file))
            except VideoError as error:
                return str(error).removeprefix(f"{file} ").partition(";")[0]

        readings = []
        files = [file for _, file in there]
        for (row, _), result in zip(there, on_all_cores(first_reading, files, "counting frames", "file"), strict=True):
            if isinstance(result, str):
                broken[row] = result
            else:
                readings.append((row, result))
        if broken:
            self._report(broken)
        lost = set(self.classes) - {label for row, _ in readings for label in row.labels}
        if lost:
            raise DataError(f"{self._source} has no readable video of {', '.join(sorted(lost))}; add one.")
        self._readings = readings
        return readings

    def _without_copies(self, found: list[tuple[Row, Path]]) -> list[tuple[Row, Path]]:
        """Without files that are there twice, by symbolic links or two spellings of a path."""
        first: dict[tuple[int, int], Row] = {}
        kept = []
        for row, file in found:
            status = file.stat()
            same = first.setdefault((status.st_dev, status.st_ino), row)
            if same is row or status.st_nlink > 1:  # hard links count as copies
                kept.append((row, file))
            elif same.labels != row.labels:
                raise DataError(
                    f"{_where(same)} and {_where(row)} are one file with the labels {' '.join(same.labels)} and "
                    f"{' '.join(row.labels)}; remove one."
                )
            else:
                self.skipped["listed twice"] += 1
        return kept

    def _report(self, broken: dict[Row, str]) -> None:
        """Count the files that cannot be read, or raise one error for all."""
        if self.skip_broken:
            for reason in broken.values():
                self.skipped["missing" if reason == "is missing" else "broken"] += 1
            return
        named = "; ".join(f"{_where(row)} {reason}" for row, reason in list(broken.items())[:_LISTED])
        more = f"; and {len(broken) - _LISTED:,} more" if len(broken) > _LISTED else ""
        raise DataError(
            f"{len(broken):,} of {len(self._rows):,} videos of {self._source} cannot be read ({named}{more}); replace "
            f"them (htzoo data check {self._folder} lists all that are damaged), or go on without them with "
            "--data.skip_broken true."
        )


def _merge(rows: list[Row], multilabel: bool) -> list[Row]:
    """One row for each path, sorted by path."""
    merged: dict[str, Row] = {}
    for row in rows:
        before = merged.get(row.path)
        labels = tuple(dict.fromkeys((*(before.labels if before else ()), *row.labels)))
        if len(labels) > 1 and not multilabel:
            lines = f"{before.line} and {row.line}" if before and before.line != row.line else row.line
            raise DataError(
                f"{row.path} has several labels, {', '.join(labels)} ({lines}); keep one, or train with "
                "--data.multilabel true --model MultiLabelClassification."
            )
        merged[row.path] = replace(before or row, labels=labels)
    return sorted(merged.values(), key=lambda row: row.path)


def _group_finder(pattern: str) -> Callable[[str], str]:
    """Finds the group of a clip in its path; "" if the pattern is not there."""
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise ValueError(f"group_pattern is {pattern!r}, which is no regular expression ({error}).") from None

    def find(path: str) -> str:
        found = compiled.search(path)
        return "" if found is None else found[1 if compiled.groups else 0] or ""

    return find


def _find(folder: Path, path: str) -> Path:
    """The file of a path, also if its accented letters are written in the other of their two Unicode forms."""
    file = folder / path
    if path.isascii() or os.path.exists(file):
        return on_disk(file)
    others = (on_disk(folder / unicodedata.normalize(form, path)) for form in ("NFC", "NFD"))
    return next(filter(os.path.exists, others), file)


def _where(row: Row) -> str:
    return f"{row.path} ({row.line})" if row.line else row.path
