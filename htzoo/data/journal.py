"""Which clips are done, so that work that was stopped goes on where it was."""

import json
import threading
from dataclasses import asdict
from pathlib import Path
from typing import Any

from htzoo.data.errors import VideoError
from htzoo.data.index import Entry
from htzoo.data.sealing import check_seal


class Journal:
    """One line for each clip that is done; a line cut short by a crash is passed over.

    What a line says counts only as long as the original has the same bytes and the clip is there.
    """

    def __init__(self, path: Path, short_side: int) -> None:
        self.path = path
        self.short_side = short_side
        self._lock = threading.Lock()
        self._done: dict[str, dict[str, Any]] = {}
        content = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
        for line in content.splitlines():
            try:
                record = json.loads(line)
                self._done[record["source"]] = record
            except (ValueError, KeyError, TypeError):
                continue

    def find(self, source: str, digest: str, folder: Path) -> Entry | str | None:
        """What came of a clip: its entry, or why it was left out, or None if it is still to do."""
        record = self._done.get(source)
        if record is None or (record["sha256"], record["short_side"]) != (digest, self.short_side):
            return None
        if record["entry"] is None:
            return str(record["reason"])
        entry = Entry(**record["entry"])
        return entry if _is_whole(folder / entry.path) else None

    def add(self, source: str, digest: str, result: Entry | str) -> None:
        """Note what came of a clip."""
        entry, reason = (asdict(result), None) if isinstance(result, Entry) else (None, result)
        record = {
            "source": source,
            "sha256": digest,
            "short_side": self.short_side,
            "entry": entry,
            "reason": reason,
        }
        with self._lock, self.path.open("a", encoding="utf-8") as file:
            file.write("\n" + json.dumps(record) + "\n")  # after a line cut short, on a line of its own


def _is_whole(file: Path) -> bool:
    """Whether the clip is there; after a loss of power it may be, without all its bytes."""
    try:
        return file.is_file() and check_seal(file)
    except VideoError:
        return False
