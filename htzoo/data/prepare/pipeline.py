"""From published archives, or from what the user has, to a prepared dataset: small clips and an index.

Every step can be stopped at any point, by Ctrl-C, kill or power, and the same call goes on from there: files get their
names when they are whole, and a log says which clips are finished. `index.csv` comes last, so where it is, the set is
whole; it has the same bytes however often the work was interrupted.
"""

import csv
import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import av

from htzoo.data.errors import DataError, VideoError, unwritable
from htzoo.data.index import INDEX, write_index
from htzoo.data.prepare.convert import make_clips, make_converted
from htzoo.data.prepare.finished_clips import FinishedClips
from htzoo.data.prepare.source_checksums import Checksums
from htzoo.data.prepare.source_files import UNPACKED, Published, files_in, find_trees, list_source_files, matches
from htzoo.data.video.checksum import check_seal
from htzoo.data.video.encode import CRF, X264
from htzoo.files import replacing

DAMAGED, PREPARED = "damaged.csv", "prepared.json"
SHORT_SIDE = 240
_FINISHED, _LOCK = ".journal.jsonl", ".lock"


@dataclass(frozen=True)
class Prepared:
    """The result of preparing a dataset.

    Attributes:
        folder: Folder of the prepared dataset.
        clips: Number of clips in its index.
        damaged: (path in the original tree, reason) of each clip that is skipped.
        remarks: What the user should know about how the source files were read.
        was_there: Whether the dataset was prepared before.
    """

    folder: Path
    clips: int
    damaged: tuple[tuple[str, str], ...]
    remarks: tuple[str, ...] = ()
    was_there: bool = False


def prepare(dataset: Published, root: Path, given: Path | None = None, short_side: int = SHORT_SIDE) -> Prepared:
    """Prepare a dataset in `root`, or finish what an earlier call began.

    Args:
        dataset: What to prepare.
        root: Folder of all datasets; downloads go to `root/downloads` and stay there.
        given: A folder or archive that the user has, which is only read; None downloads.
        short_side: Length of the short side of a frame in pixels; larger frames are reduced to it.

    Returns:
        The result; damaged clips are also listed in `damaged.csv`.

    Raises:
        DataError: Nothing to prepare was found, or none of it is whole; or what was found cannot be downloaded,
            extracted or written, or has changed since it was first read; or the folder holds the set prepared with
            another `short_side`.
        ValueError: `short_side` is too small, or `given` does not exist.
    """
    if short_side < 16:
        raise ValueError(f"short_side is {short_side}; give at least 16 pixels.")
    if given is not None and not given.exists():
        raise ValueError(f"{given} does not exist; give the folder or archive of {dataset.title}.")
    folder = root / dataset.dataset_name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _alone(folder):
            try:
                if (folder / INDEX).is_file():
                    return _as_it_is(folder, short_side)
                return _prepare(dataset, root, folder, given, short_side)
            finally:
                if not any(path.is_file() for path in folder.rglob("*") if path.name != _LOCK):  # nothing came of it
                    shutil.rmtree(folder)
    except OSError as error:
        raise unwritable(folder, error) from error


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep a second process from preparing the same folder at the same time, where the system can."""
    try:
        import fcntl
    except ImportError:
        yield
        return
    with (folder / _LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DataError(f"{folder} is being prepared by another process; wait for it, or stop it.") from None
        yield


def _as_it_is(folder: Path, short_side: int) -> Prepared:
    _tidy(folder)
    try:
        facts = json.loads((folder / PREPARED).read_text(encoding="utf-8"))
        there, clips = facts["short_side"], facts["clips"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{folder / PREPARED} cannot be read ({error!r}); delete {folder} and prepare it again."
        ) from error
    if there != short_side:
        raise DataError(
            f"{folder} was prepared with a short side of {there}, not {short_side}; delete it or choose another root."
        )
    return Prepared(folder, clips, tuple(_read_damaged(folder)), was_there=True)


def _prepare(dataset: Published, root: Path, folder: Path, given: Path | None, short_side: int) -> Prepared:
    trees, archives = find_trees(dataset, root, folder, given)
    converted = dataset.convert(trees[0])
    finished = FinishedClips(folder / _FINISHED, short_side)
    damaged: list[tuple[str, str]] = []
    remarks: tuple[str, ...] = ()
    try:
        if converted is not None:
            entries = make_converted(converted, folder, finished)
        else:
            files, remarks = list_source_files(dataset, trees, folder)
            entries, damaged = make_clips(files, folder, finished, Checksums(root))
        if not entries:
            _write_damaged(folder, damaged)
            remedy = f"get {dataset.title} from {dataset.homepage}" if dataset.homepage else "it takes <class>/<file>"
            remedy = f"see {folder / DAMAGED}" if damaged else remedy
            raise DataError(f"{given or folder} has no clip of {dataset.title} that can be read; {remedy}.")
    except DataError as error:
        text = str(error)
        for tree in trees:
            if tree.is_relative_to(folder / UNPACKED):
                shutil.rmtree(tree)  # another archive may come in place of this one
                text = text.replace(str(tree), str(given or root / "downloads"))  # where it came from
        raise DataError(text) from error
    for tree in trees:
        for path, file in files_in(tree, folder):
            if matches(path, dataset.split_files):
                with replacing(folder / "splits" / path.name) as unfinished:
                    shutil.copyfile(file, unfinished)
    facts = {
        "dataset": dataset.dataset_name,
        "clips": len(entries),
        "damaged": len(damaged),
        "short_side": short_side,
        "encoder": {"codec": "libx264", "crf": 0 if converted is not None else CRF, **X264},
        "versions": {"av": version("av"), **{name: _dotted(number) for name, number in av.library_versions.items()}},
        "archives": archives,
    }
    with replacing(folder / PREPARED) as unfinished:
        unfinished.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    _write_damaged(folder, damaged)
    _sweep(folder, {entry.path for entry in entries})
    write_index(folder, entries)
    _tidy(folder)
    return Prepared(folder, len(entries), tuple(damaged), remarks)


def _dotted(number: Sequence[int]) -> str:
    return ".".join(map(str, number))


def _write_damaged(folder: Path, damaged: list[tuple[str, str]]) -> None:
    if not damaged:
        (folder / DAMAGED).unlink(missing_ok=True)
        return
    with (
        replacing(folder / DAMAGED) as unfinished,
        unfinished.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file,
    ):
        writer = csv.writer(file, lineterminator="\n")
        writer.writerows([("source", "reason"), *damaged])


def _read_damaged(folder: Path) -> list[tuple[str, str]]:
    path = folder / DAMAGED
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
        return [(row["source"], row["reason"]) for row in csv.DictReader(file)]


def _sweep(folder: Path, wanted: set[str]) -> None:
    """Remove clips of ours that are not of the set: half written by a killed run, or left by one of another choice."""
    for file in [*(folder / "clips").rglob(".*.part"), *(folder / "clips").rglob("*.mp4")]:
        if file.relative_to(folder).as_posix() not in wanted and (file.suffix == ".part" or _is_ours(file)):
            file.unlink(missing_ok=True)


def _is_ours(file: Path) -> bool:
    try:
        return check_seal(file)
    except VideoError:
        return True


def _tidy(folder: Path) -> None:
    """Remove what was of use only on the way."""
    shutil.rmtree(folder / UNPACKED, ignore_errors=True)
    (folder / _FINISHED).unlink(missing_ok=True)
