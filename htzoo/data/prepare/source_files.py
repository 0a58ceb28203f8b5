"""The originals of a data set: downloaded, or what the user has; and which of their files are clips."""

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
from htzoo.data.video.resize import Frames
from htzoo.files import file_digest

UNPACKED = ".unpacked"  # folder of what is extracted on the way, hidden so that nobody keeps anything there


class Published(Protocol):
    """What preparing must know of a data set; the classes of `htzoo.data.datasets.registry` say it."""

    dataset_name: str
    title: str
    homepage: str
    clip_count: int | None
    sources: tuple[Source, ...]
    split_files: tuple[str, ...]

    def label_clip(self, path: PurePosixPath) -> ClipLabel | None:
        """From a video file's path inside the published tree to its label; None for what is not a clip of the set."""

    def convert(self, folder: Path) -> Iterator[tuple[str, ClipLabel, Frames, float]] | None:
        """Name, label, frames and frames a second of each clip, or None where the clips are video files."""


@dataclass(frozen=True)
class Original:
    """A video file from which a clip is to be made.

    Attributes:
        file: The file.
        source: Its path inside the tree.
        label: What it shows.
        path: The clip to make, from the folder of the data set.
    """

    file: Path
    source: str
    label: ClipLabel
    path: str


def find_trees(
    dataset: Published, root: Path, folder: Path, given: Path | None
) -> tuple[list[Path], list[dict[str, object]]]:
    """Find the originals: download them, unpack them, or see where they are.

    A folder that was given may hold archives in place of clips, or of the lists of an official split.

    Args:
        dataset: What to look for.
        root: Folder of all data sets.
        folder: Where the set is being prepared.
        given: A folder or archive that the user has; None downloads.

    Returns:
        Folders with the originals, and name, size and SHA-256 of the archives that they come from.

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
        raise DataError(f"{given} is where prepared clips go; move the originals elsewhere.")
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


def files_in(tree: Path, prepared: Path | None = None) -> Iterator[tuple[PurePosixPath, Path]]:
    """(path inside the tree, file) of all files, in a fixed order, without hidden ones and those already prepared."""
    made = set() if prepared is None else {(prepared / name).absolute() for name in ("clips", "splits")}
    for place, folders, names in os.walk(tree):
        own = Path(place)
        folders[:] = sorted(name for name in folders if name[0] != "." and (own / name).absolute() not in made)
        for name in sorted(names):
            if name[0] != "." and (own / name).is_file():
                yield PurePosixPath((own / name).relative_to(tree).as_posix()), own / name


def list_originals(dataset: Published, trees: list[Path], folder: Path) -> list[Original]:
    """List all clips, each with a path of its own; which labels there are is for `label_clip` to say."""
    found = []
    for tree in trees:
        for path, file in files_in(tree, folder):
            label = dataset.label_clip(path)
            if label is not None:
                found.append(Original(file, path.as_posix(), label, f"clips/{label.label}/{path.stem}.mp4"))
    # The same on systems that do not tell small letters from capitals.
    times = Counter(original.path.lower() for original in found)
    return [
        replace(original, path=f"{original.path[:-4]}_{sha256(os.fsencode(original.source)).hexdigest()[:8]}.mp4")
        if times[original.path.lower()] > 1
        else original
        for original in found
    ]
