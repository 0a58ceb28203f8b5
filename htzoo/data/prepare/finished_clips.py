"""Which clips are done, so that work that was stopped goes on where it was."""

from pathlib import Path

from htzoo.data.errors import VideoError
from htzoo.data.index import Entry
from htzoo.data.prepare.append_only_log import Records
from htzoo.data.video.checksum import check_seal


class Journal:
    """What came of each clip; it counts only as long as the original has the same bytes and the clip is there."""

    def __init__(self, path: Path, short_side: int) -> None:
        self.short_side = short_side
        self._records = Records(path)

    def find(self, source: str, digest: str, folder: Path) -> Entry | str | None:
        """What came of a clip: its entry, or why it was left out, or None if it is still to do."""
        record = self._records.get(source)
        if record is None or (record["sha256"], record["short_side"]) != (digest, self.short_side):
            return None
        if record["entry"] is None:
            return str(record["reason"])
        entry = Entry(**record["entry"])
        return entry if _is_whole(folder / entry.path) else None

    def add(self, source: str, digest: str, result: Entry | str) -> None:
        """Note what came of a clip."""
        entry, reason = (result._asdict(), None) if isinstance(result, Entry) else (None, result)
        self._records.add(source, sha256=digest, short_side=self.short_side, entry=entry, reason=reason)


def _is_whole(file: Path) -> bool:
    """Whether the clip is there; after a loss of power it may be, without all its bytes."""
    try:
        return file.is_file() and check_seal(file)
    except VideoError:
        return False
