"""The files of caches: which are stale, which were used last, and how much space they take."""

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from htzoo.data.errors import DataError, unwritable
from htzoo.files import replacing

_SUFFIXES = (".u8", ".f32")  # of frames and of features
_CLIPS = ".clips"  # beside a cache: size, time and path of each clip, one JSON line each


@dataclass(frozen=True)
class CacheFile:
    """A cache on disk.

    Attributes:
        path: The file.
        bytes_used: Space that it takes on the disk.
        last_used: When a run opened or filled it, in seconds since 1970.
        stale: Why no run can use it any more; None if one can.
    """

    path: Path
    bytes_used: int
    last_used: float
    stale: str | None

    def remove(self) -> None:
        """Remove the cache. Runs that have opened it keep what they see.

        Raises:
            DataError: The system does not allow it.
        """
        try:
            self.path.unlink(missing_ok=True)
            _clips_of(self.path).unlink(missing_ok=True)
        except OSError as error:
            raise unwritable(self.path, error, "change the permissions of its folder") from error


def note_clips(cache: Path, clips: Sequence[tuple[int, int, Path]]) -> None:
    """Note beside a cache that it is used now, and, once, size, time and path of its clips."""
    with suppress(OSError):  # a folder that cannot be written to
        os.utime(cache)
        if not _clips_of(cache).exists():
            with replacing(_clips_of(cache)) as unfinished, unfinished.open("w", encoding="utf-8") as file:
                file.writelines(json.dumps([size, time, os.path.abspath(clip)]) + "\n" for size, time, clip in clips)


def find_caches(folder: Path) -> list[CacheFile]:
    """All caches in a folder and below, the least recently used first."""
    found = []
    for path in sorted(folder.rglob("*")):
        if path.suffix in _SUFFIXES and path.is_file():
            status = path.stat()
            found.append(CacheFile(path, _bytes_on_disk(status), status.st_mtime, _why_stale(path)))
    return sorted(found, key=lambda cache: cache.last_used)


def _bytes_on_disk(status: os.stat_result) -> int:
    """What a file takes, holes not counted; Windows does not say, and its size is taken."""
    return int(getattr(status, "st_blocks", status.st_size / 512) * 512)


def make_room(folder: Path, needed: int, limit: float) -> None:
    """Remove stale caches, and then the least recently used ones, until another of `needed` bytes fits.

    Args:
        folder: Folder of the caches of all datasets.
        needed: Bytes of the new cache.
        limit: Gigabytes (10^9 bytes) for all caches.

    Raises:
        DataError: The new cache alone is larger than `limit`.
    """
    if needed > limit * 1e9:
        raise DataError(
            f"the cache needs {needed / 1e9:.3g} GB, but cache_limit is {limit:g}; raise it, or set cache to false."
        )
    caches = sorted(find_caches(folder), key=lambda cache: (cache.stale is None, cache.last_used))
    total = sum(cache.bytes_used for cache in caches)
    for cache in caches:
        if total + needed <= limit * 1e9:
            return
        cache.remove()
        total -= cache.bytes_used


def _why_stale(cache: Path) -> str | None:
    try:
        for size, time, clip in _noted(cache):
            if _identity(Path(clip)) != (size, time):
                return f"{clip} has changed"
    except OSError as error:
        missing = error.filename != str(_clips_of(cache))
        return f"{error.filename} is gone" if missing else "written by an older htzoo"
    except ValueError:
        return "its list of clips is damaged"
    return None


def _noted(cache: Path) -> Iterator[tuple[int, int, str]]:
    with _clips_of(cache).open(encoding="utf-8") as file:
        for line in file:
            size, time, path = json.loads(line)
            yield size, time, path


def _identity(clip: Path) -> tuple[int, int]:
    status = os.stat(clip)
    return status.st_size, status.st_mtime_ns


def _clips_of(cache: Path) -> Path:
    return cache.with_name(cache.name + _CLIPS)
