"""Which clips are finished, so that interrupted work resumes where it stopped."""

from pathlib import Path

from htzoo.data.errors import VideoError
from htzoo.data.index import Entry
from htzoo.data.prepare.append_only_log import AppendOnlyLog
from htzoo.data.video.checksum import check_seal


class FinishedClips:
    """The result for each clip; it is valid as long as the source file has the same bytes and the clip is there."""

    def __init__(self, path: Path, short_side: int) -> None:
        self.short_side = short_side
        self._records = AppendOnlyLog(path)

    def find(self, source: str, digest: str, folder: Path) -> Entry | str | None:
        """The result for a clip: its entry, or why it was skipped, or None if it is not finished."""
        record = self._records.get(source)
        if record is None or (record["sha256"], record["short_side"]) != (digest, self.short_side):
            return None
        if record["entry"] is None:
            return str(record["reason"])
        entry = Entry(**record["entry"])
        return entry if _is_whole(folder / entry.path) else None

    def add(self, source: str, digest: str, result: Entry | str) -> None:
        """Log the result for a clip."""
        entry, reason = (result._asdict(), None) if isinstance(result, Entry) else (None, result)
        self._records.add(source, sha256=digest, short_side=self.short_side, entry=entry, reason=reason)


def _is_whole(file: Path) -> bool:
    """Whether the clip is there; after a loss of power it may be, without all its bytes."""
    try:
        return file.is_file() and check_seal(file)
    except VideoError:
        return False
