"""Checksums of source files from when they were first decoded, so that a later change is reported.

A decoder sees most damage, but not a flipped bit that makes another legal stream. From the first reading on there is
the SHA-256 to tell by. For clips that htzoo wrote, `htzoo.data.video.checksum` does the same within the file.
"""

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from htzoo.data.errors import DataError
from htzoo.data.parallel import on_all_cores
from htzoo.data.prepare.append_only_log import AppendOnlyLog
from htzoo.data.video.checksum import digest_of
from htzoo.data.video.container import unreadable
from htzoo.data.video.image_folder import numbered_images

_NAMED = 3  # files in one sentence


@dataclass(frozen=True)
class FirstReading:
    """A file when it was first decoded whole.

    Attributes:
        frames: How many it had.
        sha256: Of the file, in hexadecimal.
        size: In bytes.
        mtime_ns: When it was last written, as the system says; newer where only this has changed since.
    """

    frames: int
    sha256: str
    size: int
    mtime_ns: int


class Checksums:
    """The first readings of all source files, by absolute path, in `<root>/checksums.jsonl`.

    Attributes:
        remedy: What to do about a file that has changed, as the end of a sentence.
    """

    def __init__(self, root: Path) -> None:
        self._records = AppendOnlyLog(root / "checksums.jsonl")
        self.remedy = f"put back what was there, or, if the change is meant, delete its lines in {self._records.path}."

    def find(self, file: Path) -> FirstReading | None:
        """The first reading of a file, or None."""
        record = self._records.get(os.path.abspath(file))
        return None if record is None else FirstReading(**{key: record[key] for key in FirstReading.__annotations__})

    def has_changed(self, file: Path, digest: str) -> bool:
        """Whether a file that is known had another SHA-256 than this one."""
        first = self.find(file)
        return first is not None and first.sha256 != digest

    def add(self, file: Path, digest: str, frames: int) -> FirstReading:
        """Note a file of this SHA-256 that was decoded whole.

        Raises:
            VideoError: The file is gone.
            DataError: The note cannot be written.
        """
        reading = FirstReading(frames, digest, *_mark(file))
        if reading != self.find(file):
            self._records.add(os.path.abspath(file), **asdict(reading))
        return reading

    def compare(self, files: Sequence[Path]) -> None:
        """See that no file is another than when it was first read.

        Those of another size or time are read; the others are compared when they are decoded.

        Raises:
            DataError: Some have changed.
            VideoError: A file cannot be read.
        """
        known = {file: first for file in files if (first := self.find(file)) is not None}
        touched = [file for file, first in known.items() if _mark(file) != (first.size, first.mtime_ns)]
        changed = []
        for file, digest in zip(touched, on_all_cores(digest_of, touched, "comparing files", "file"), strict=True):
            if digest == known[file].sha256:
                self.add(file, digest, known[file].frames)
            else:
                changed.append(str(file))
        if changed:
            names = ", ".join(changed[:_NAMED] + ["..."] * (len(changed) > _NAMED))
            raise DataError(
                f"{len(changed):,} of {len(files):,} files have changed since they were first read ({names}); "
                f"{self.remedy}"
            )


def _mark(file: Path) -> tuple[int, int]:
    """Size and time, by which a file that nobody touched is known again."""
    try:
        found = [os.stat(part) for part in (numbered_images(file) if file.is_dir() else [file])]
    except OSError as error:
        raise unreadable(file, error) from error
    return sum(status.st_size for status in found), max(status.st_mtime_ns for status in found)
