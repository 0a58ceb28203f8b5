"""The source files of a dataset, downloaded or given by the user, and which of them are clips."""

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import Protocol

from htzoo.data.errors import DataError
from htzoo.data.prepare.archives import is_archive
from htzoo.data.prepare.download import download
from htzoo.data.prepare.extract import extract
from htzoo.data.source import ClipLabel, Source
from htzoo.data.video.container import IMAGE_FOLDER
from htzoo.data.video.image_folder import are_frames
from htzoo.data.video.resize import Frames
from htzoo.files import file_digest

_OF_SYSTEMS = {"__MACOSX", "@eaDir", "$RECYCLE.BIN", "System Volume Information", "Thumbs.db", "desktop.ini"}
_LONGEST_NAME = 180  # bytes; systems allow 255, and temporary names are longer
UNPACKED = ".unpacked"  # folder of what is extracted on the way, hidden so that nobody keeps anything there


class Published(Protocol):
    """What preparing must know of a dataset; the classes of `htzoo.data.datasets.registry` say it."""

    dataset_name: str
    title: str
    homepage: str
    licence: str
    made: bool
    clip_count: int | None
    sources: tuple[Source, ...]
    split_files: tuple[str, ...]

    def label_clip(self, path: PurePosixPath) -> ClipLabel | None:
        """The label of a file, from its path inside the published tree; None if it is not a clip of the dataset."""

    def label_clips(
        self, paths: Sequence[PurePosixPath], empty: Sequence[PurePosixPath] = ()
    ) -> tuple[dict[PurePosixPath, ClipLabel], tuple[str, ...]]:
        """The labels of all clips in a tree, and remarks for the user; by default those of `label_clip`, and none."""

    def convert(self, folder: Path) -> Iterator[tuple[str, ClipLabel, Frames, float]] | None:
        """Name, label, frames and frames a second of each clip, or None where the clips are video files."""


@dataclass(frozen=True)
class SourceFile:
    """A video file from which a clip is to be made.

    Attributes:
        file: The file.
        source: Its path inside the tree.
        label: What it shows.
        path: The clip to make, from the folder of the dataset.
    """

    file: Path
    source: str
    label: ClipLabel
    path: str


def find_trees(
    dataset: Published, root: Path, folder: Path, given: Path | None
) -> tuple[list[Path], list[dict[str, object]]]:
    """Find the source files: download them, unpack them, or take the ones that are given.

    A folder that was given may hold archives in place of clips, or of the lists of an official split.

    Args:
        dataset: What to look for.
        root: Folder of all datasets.
        folder: Where the set is being prepared.
        given: A folder or archive that the user has; None downloads.

    Returns:
        Folders with the source files, and name, size and SHA-256 of the archives that they come from.

    Raises:
        DataError: Nothing is there, or it cannot be downloaded or extracted.
    """
    everything = dataset.convert(folder) is not None

    def is_clip(path: PurePosixPath) -> bool:
        return everything or dataset.label_clip(path) is not None

    def is_split(path: PurePosixPath) -> bool:
        return matches(path, dataset.split_files)

    if given is None:
        if not dataset.sources:
            get = f"get it from {dataset.homepage} and " if dataset.homepage else ""
            raise DataError(
                f"{dataset.title} has no address to download it from; {get}give the folder or archive with --from."
            )
        raw = folder / UNPACKED / "downloaded"
        archives = [download(source, root / "downloads") for source in dataset.sources]
        for archive in archives:
            extract(archive, raw, lambda path: is_clip(path) or is_split(path))
        return [raw], [_fact(archive) for archive in archives]
    given = given.absolute()
    raw = folder / UNPACKED / sha256(os.fsencode(given)).hexdigest()[:16]
    if given.is_file():
        extract(given, raw, lambda path: is_clip(path) or is_split(path))
        return [raw], [_fact(given)]
    if given.is_relative_to((folder / "clips").absolute()):
        raise DataError(f"{given} is where prepared clips go; move the source files elsewhere.")
    if everything:
        return [given], []
    found = [path for path, _ in files_in(given, folder)]
    lacking: list[Callable[[PurePosixPath], bool]] = []
    if not any(is_clip(path) for path in found):
        lacking.append(is_clip)
    if dataset.split_files and not any(is_split(path) for path in found):
        lacking.append(is_split)
    packed = [path for path in found if is_archive(path)] if lacking else []
    for path in packed:
        extract(given / path, raw / path.parent, lambda inner: any(lacks(inner) for lacks in lacking))
    return [given, raw] if packed else [given], [_fact(given / path) for path in packed]


def _fact(archive: Path) -> dict[str, object]:
    return {"file": archive.name, "bytes": archive.stat().st_size, "sha256": file_digest(archive)}


def matches(path: PurePosixPath, patterns: Sequence[str]) -> bool:
    """Whether the name is of one of these patterns."""
    return any(fnmatch(path.name, pattern) for pattern in patterns)


def read_tree(tree: Path, prepared: Path | None = None) -> tuple[list[tuple[PurePosixPath, Path]], list[PurePosixPath]]:
    """List the files of a tree in a fixed order, without hidden ones; links to folders are followed.

    A folder of numbered images and nothing else that is a video counts as one file, with the suffix ".images".

    Args:
        tree: The folder.
        prepared: Folder of a prepared dataset, whose own clips are not listed.

    Returns:
        (path inside the tree, file) of all files, and the paths of folders that are empty.
    """
    files: list[tuple[PurePosixPath, Path]] = []
    empty: list[PurePosixPath] = []
    if not tree.is_dir():
        return files, empty
    made = set() if prepared is None else {os.path.abspath(prepared / name) for name in ("clips", "splits")}

    def walk(folder: str, inside: str, around: frozenset[tuple[int, int]]) -> None:
        status = os.stat(folder)
        own = (status.st_dev, status.st_ino)
        if own in around:
            return  # a link to a folder that it is in
        with os.scandir(folder) as scanned:
            entries = sorted(scanned, key=lambda entry: entry.name)
        entries = [entry for entry in entries if entry.name[0] != "." and entry.name not in _OF_SYSTEMS]
        if not entries and inside:
            empty.append(PurePosixPath(inside))
        if inside and are_frames(entry.name for entry in entries) and not any(entry.is_dir() for entry in entries):
            files.append((PurePosixPath(inside + IMAGE_FOLDER), Path(folder)))
            return
        for entry in entries:
            if entry.is_file():
                files.append((PurePosixPath(f"{inside}/{entry.name}" if inside else entry.name), Path(entry.path)))
        for entry in entries:
            if entry.is_dir() and os.path.abspath(entry.path) not in made:
                walk(entry.path, f"{inside}/{entry.name}" if inside else entry.name, around | {own})

    walk(str(tree), "", frozenset())
    return files, empty


def files_in(tree: Path, prepared: Path | None = None) -> list[tuple[PurePosixPath, Path]]:
    """(path inside the tree, file) of all files; see `read_tree`."""
    return read_tree(tree, prepared)[0]


def list_source_files(dataset: Published, trees: list[Path], folder: Path) -> tuple[list[SourceFile], tuple[str, ...]]:
    """List all clips, each with a path of its own, and what the user should know about how the trees were read."""
    found: list[SourceFile] = []
    remarks: list[str] = []
    for tree in trees:
        files, empty = read_tree(tree, folder)
        labels, of_tree = dataset.label_clips([path for path, _ in files], empty)
        remarks += of_tree
        for path, file in files:
            if path in labels:
                found.append(SourceFile(file, path.as_posix(), labels[path], _clip_path(labels[path].label, path.stem)))
    # Paths also differ on systems that do not distinguish small letters from capitals.
    times = Counter(one.path.lower() for one in found)
    sources = [
        replace(one, path=_clip_path(one.label.label, PurePosixPath(one.source).stem, one.source))
        if times[one.path.lower()] > 1 or len(os.fsencode(one.file.name)) > _LONGEST_NAME
        else one
        for one in found
    ]
    return sources, tuple(remarks)


def _clip_path(label: str, stem: str, source: str | None = None) -> str:
    """Where a clip goes; with a source, its name is shortened if necessary and has the digest of the source."""
    if source is not None:
        digest = sha256(os.fsencode(source)).hexdigest()[:8]
        stem = f"{os.fsencode(stem)[:_LONGEST_NAME].decode('utf-8', 'ignore')}_{digest}"
    return f"clips/{label}/{stem}.mp4"
