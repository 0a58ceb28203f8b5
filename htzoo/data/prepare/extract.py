"""Extracting archives from the internet safely, and archives inside them too."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath

from tqdm import tqdm

from htzoo.data.errors import DataError, unwritable
from htzoo.data.prepare.archives import Archive, Member, Write, is_archive, is_later_volume, open_archive
from htzoo.files import replacing


@dataclass(frozen=True)
class Limits:
    """What an archive may hold; videos hardly compress, so that one with much more is a trap or a mistake.

    Attributes:
        file: Bytes of one file.
        total: Bytes of all files, archives inside included; None allows 20 times the archive, or 1 GiB if that is more.
        members: How many files.
    """

    file: int = 8 << 30
    total: int | None = None
    members: int = 200_000


def extract(archive: Path, folder: Path, wanted: Callable[[PurePosixPath], bool], limits: Limits | None = None) -> None:
    """Extract the wanted files of an archive, and of the archives inside it, into `folder`.

    Only regular files are written, and only inside `folder`. Links and devices are skipped. An archive inside, of
    several volumes too, is extracted where it lies, and removed. A file has its name only when it is whole, so that
    after an interruption the same call does what is left. A call that was finished does nothing.

    Args:
        archive: RAR (also the first of several volumes), zip, or tar, compressed or not.
        folder: Where the files go; made if it is missing.
        wanted: From a path inside the tree to whether it is of use.
        limits: What the archive may hold; None stands for `Limits()`.

    Raises:
        DataError: The archive is damaged, or would write outside `folder`, or holds more than the limits allow, or
            there is no space for it, or a tool is missing.
    """
    try:
        _extract(archive, folder, PurePosixPath(), wanted, limits or Limits(), None)
    except OSError as error:
        raise unwritable(folder, error) from error


class _Budget:
    """Counts bytes that come out, whatever the archive says of its members."""

    def __init__(self, total: int, archive: Path) -> None:
        self.left = total
        self.archive = archive

    def spend(self, size: int) -> None:
        self.left -= size
        if self.left < 0:
            raise DataError(f"{self.archive} unpacks to more than expected of a dataset; extract it by hand.")


def _extract(
    archive: Path,
    folder: Path,
    place: PurePosixPath,
    wanted: Callable[[PurePosixPath], bool],
    limits: Limits,
    outer: _Budget | None,
) -> None:
    """Extract into `folder / place`; `outer` is the budget of the archive around this one, None if there is none."""
    done = _mark(folder / place / archive.name)
    if done.exists():
        return
    with open_archive(archive) as opened:
        budget = outer or _Budget(limits.total or max(1 << 30, 20 * opened.size), archive)
        chosen = _choose(archive, opened, place, wanted, limits)
        missing = [member for path, member in chosen.items() if not _is_whole(folder / path, member)]
        needed = sum(member.size for member in missing)
        if needed > budget.left:
            budget.spend(needed)
        (folder / place).mkdir(parents=True, exist_ok=True)
        if needed > shutil.disk_usage(folder).free:
            raise DataError(f"{folder} has no space for {needed:,} bytes of {archive.name}; choose another root.")
        paths = {member.name: path for path, member in chosen.items()}
        with tqdm(total=len(missing), desc=f"extracting {archive.name}", unit="file", leave=outer is None) as bar:

            @contextmanager
            def target(member: Member) -> Iterator[Write]:
                with replacing(folder / paths[member.name]) as unfinished, unfinished.open("wb") as file:
                    yield _limited(file.write, archive, member, budget)
                    if file.tell() != member.size:
                        raise DataError(
                            f"{archive} holds only {file.tell():,} of the {member.size:,} bytes of {member.name}; "
                            "download it again."
                        )
                bar.update()

            opened.copy(missing, target)
    for path in chosen:
        if is_archive(path) and (folder / path).is_file():
            if outer is not None:
                raise DataError(f"{archive} holds archives in archives in archives; extract it by hand.")
            _extract(folder / path, folder, path.parent, wanted, limits, budget)
            (folder / path).unlink()
    for path in filter(is_later_volume, chosen):
        (folder / path).unlink()
    done.touch()


def _mark(file: Path) -> Path:
    """The empty file that says that an archive was extracted whole."""
    return file.with_name(f".{file.name}.extracted")


def _is_whole(file: Path, member: Member) -> bool:
    return _mark(file).exists() or (file.is_file() and file.stat().st_size == member.size)


def _choose(
    archive: Path,
    opened: Archive,
    place: PurePosixPath,
    wanted: Callable[[PurePosixPath], bool],
    limits: Limits,
) -> dict[PurePosixPath, Member]:
    """Where each member of use goes."""
    if len(opened.members) > limits.members:
        raise DataError(f"{archive} holds {len(opened.members):,} files, too many for a dataset; extract it by hand.")
    chosen = {}
    for member in opened.members:
        path = place / _checked(archive, member.name)
        if not (wanted(path) or is_archive(path) or is_later_volume(path)):
            continue
        if member.size > limits.file:
            raise DataError(f"{archive} holds {member.name} of {member.size:,} bytes, too many; extract it by hand.")
        chosen[path] = member
    return chosen


def _checked(archive: Path, name: str) -> PurePosixPath:
    """The name as a path that stays inside the folder on every system."""
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or PureWindowsPath(name).drive or ".." in path.parts or "\0" in name or not path.parts:
        raise DataError(f"{archive} wants to write outside its folder ({name!r}); do not use it.")
    return path


def _limited(write: Write, archive: Path, member: Member, budget: _Budget) -> Write:
    left = member.size

    def limited(chunk: bytes) -> None:
        nonlocal left
        left -= len(chunk)
        if left < 0:
            raise DataError(f"{archive} holds more of {member.name} than it says; do not use it.")
        budget.spend(len(chunk))
        write(chunk)

    return limited
