"""Members of zip, tar and RAR archives, one after the other, none of them trusted."""

import gzip
import lzma
import re
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

from htzoo.data.errors import DataError

_SUFFIXES = (".rar", ".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
_CHUNK = 1 << 20
_NEEDS_TOOL = (
    "is compressed, which takes a tool to read: run pip install 'htzoo[rar]', or install the program unrar, and run "
    "the command again."
)


@dataclass(frozen=True)
class Member:
    """A regular file in an archive.

    Attributes:
        name: Its path as the archive has it, with forward slashes.
        size: Bytes that it says to have.
    """

    name: str
    size: int


Write = Callable[[bytes], object]
Target = Callable[[Member], AbstractContextManager[Write]]
Copy = Callable[[list[Member], Target], None]


class Archive:
    """An open archive: its members, and their bytes."""

    def __init__(self, members: list[Member], size: int, copy: Copy) -> None:
        """Take its regular files, its size in bytes, and what copies some of the files."""
        self.members = members
        self.size = size
        self.copy = copy


def is_archive(path: PurePosixPath) -> bool:
    """Whether the name is that of an archive, or of the first volume of one."""
    return path.name.lower().endswith(_SUFFIXES) and not is_later_volume(path) and not path.name.startswith(".")


def is_later_volume(path: PurePosixPath) -> bool:
    """Whether the name is that of a volume of a RAR archive, but not of the first: x.part2.rar, or x.r00."""
    return re.search(r"(\.part(?!0*1\.)\d+\.rar|\.[r-z]\d\d)$", path.name.lower()) is not None


@contextmanager
def open_archive(path: Path) -> Iterator[Archive]:
    """Open an archive of any of the three kinds, whatever its name says.

    `copy(members, target)` calls `target(member)` for each of them in turn, a context manager that gives the function
    to write its bytes with. Checksums that the archive has are checked: those of each file in RAR and zip, that of all
    in a compressed tar. A tar that is not compressed has none but of its names.

    Raises:
        DataError: It is no archive, is damaged or encrypted, or needs a tool that is missing.
    """
    import rarfile

    failures = (
        *(rarfile.Error, zipfile.BadZipFile, tarfile.TarError, gzip.BadGzipFile, zlib.error, lzma.LZMAError),
        *(EOFError, NotImplementedError, RuntimeError),
    )
    try:
        if rarfile.is_rarfile(path):
            with rarfile.RarFile(path) as rar:
                yield _rar(path, rar)
                if rar.strerror() is not None:  # it gave up listing on the way
                    raise rarfile.BadRarFile(rar.strerror())
        elif zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as zipped:
                yield _zip(path, zipped)
        elif tarfile.is_tarfile(path):
            with tarfile.open(path) as tarred:
                yield _tar(path, tarred)
        else:
            raise DataError(f"{path} is not a RAR, zip or tar archive; download it again.")
    except DataError:
        raise
    except FileNotFoundError as error:
        if not is_later_volume(volume := PurePosixPath(str(error.filename))):
            raise
        raise DataError(
            f"{path} goes on in {volume.name}, which is not there; put all volumes in one folder."
        ) from error
    except rarfile.RarCannotExec as error:
        raise DataError(f"{path} {_NEEDS_TOOL}") from error
    except failures as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DataError(f"{path} cannot be extracted ({reason}); download it again.") from error


def _copy_each(open_member: Callable[[Member], IO[bytes]]) -> Copy:
    def copy(members: list[Member], target: Target) -> None:
        for member in members:
            with open_member(member) as content, target(member) as write:
                while chunk := content.read(_CHUNK):
                    write(chunk)

    return copy


def _zip(path: Path, archive: zipfile.ZipFile) -> Archive:
    def is_regular(info: zipfile.ZipInfo) -> bool:
        kind = info.external_attr >> 28  # the first four bits of a Unix mode, where there is one
        return not info.is_dir() and kind in (0, 8)

    infos = {info.filename: info for info in archive.infolist() if is_regular(info)}
    members = [Member(name, info.file_size) for name, info in infos.items()]
    return Archive(members, path.stat().st_size, _copy_each(lambda member: archive.open(infos[member.name])))


def _tar(path: Path, archive: tarfile.TarFile) -> Archive:
    infos = {info.name: info for info in archive if info.isreg()}
    _check_end(archive)
    members = [Member(name, info.size) for name, info in infos.items()]

    def open_member(member: Member) -> IO[bytes]:
        content = archive.extractfile(infos[member.name])
        assert content is not None  # it is a regular file
        return content

    return Archive(members, path.stat().st_size, _copy_each(open_member))


def _check_end(archive: tarfile.TarFile) -> None:
    """See that the list of members went to the end, and read on to the checksum of what was unpacked up to there."""
    content = archive.fileobj
    assert content is not None  # it was opened for reading
    content.seek(archive.offset)
    if content.read(tarfile.BLOCKSIZE).strip(b"\0"):
        raise tarfile.ReadError("a header is damaged")
    while content.read(_CHUNK):
        pass


def _rar(path: Path, archive: Any) -> Archive:
    import rarfile

    if archive.needs_password():
        raise DataError(f"{path} is encrypted; extract it by hand and give the folder.")
    infos = {info.filename: info for info in archive.infolist() if info.is_file()}
    members = [Member(name, info.file_size) for name, info in infos.items()]

    def copy(wanted: list[Member], target: Target) -> None:
        if all(infos[member.name].compress_type == rarfile.RAR_M0 for member in wanted):
            _copy_each(lambda member: archive.open(infos[member.name]))(wanted, target)
            return
        try:
            import unrar.cffi
        except ImportError:
            if shutil.which("unrar") is None:
                raise DataError(f"{path} {_NEEDS_TOOL}") from None
            _copy_each(lambda member: archive.open(infos[member.name]))(wanted, target)
        else:
            _copy_by_unrar(unrar.cffi, path, wanted, target)

    return Archive(members, sum(Path(volume).stat().st_size for volume in archive.volumelist()), copy)


def _copy_by_unrar(unrar: Any, path: Path, wanted: list[Member], target: Target) -> None:
    """Go through the archive once, as solid archives need."""
    missing = {member.name: member for member in wanted}
    try:
        with unrar.RarArchive.open_for_processing(str(path)) as archive:
            for header in archive.iterate_headers():
                # Outside of the first 65,536 characters, the library gives halves of them.
                name = header.FileNameW.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
                member = missing.pop(name.replace("\\", "/") if "\\" in name else name, None)
                if member is None:
                    header.skip()
                    continue
                with target(member) as write:
                    kept = _Keeping(write)
                    header.test(kept)  # unpacks, and checks the checksum
                    if kept.error is not None:
                        raise kept.error
    except unrar.BadRarFile as error:
        raise DataError(f"{path} cannot be extracted ({error}); download it again.") from error
    if missing:
        raise DataError(f"{path} cannot be extracted ({next(iter(missing))} did not come out); download it again.")


class _Keeping:
    """Writes, and keeps the first error for later: none may pass through the library, which would print it."""

    def __init__(self, write: Write) -> None:
        self.write = write
        self.error: BaseException | None = None

    def __call__(self, chunk: bytes) -> None:
        if self.error is None:
            try:
                self.write(chunk)
            except BaseException as error:  # raised again by the caller
                self.error = error
