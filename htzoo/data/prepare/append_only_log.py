"""Notes by name in a file that only grows: a stop at any point loses at most the one that is being written."""

import json
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

from htzoo.data.errors import unwritable


class Records:
    """One JSON line a note; the last of a name counts, and a line cut short by a crash is passed over."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._found: dict[str, dict[str, Any]] = {}
        content = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
        for line in content.splitlines():
            with suppress(ValueError, KeyError, TypeError):
                record = json.loads(line)
                self._found[record["name"]] = record

    def get(self, name: str) -> dict[str, Any] | None:
        """The last note of this name."""
        return self._found.get(name)

    def add(self, name: str, **facts: Any) -> None:
        """Note something, which any thread may do.

        Raises:
            DataError: The file cannot be written.
        """
        record = {"name": name, **facts}
        try:
            with self._lock:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                with self.path.open("a", encoding="utf-8") as file:
                    file.write("\n" + json.dumps(record) + "\n")  # after a line cut short, on a line of its own
                self._found[name] = record
        except OSError as error:
            raise unwritable(self.path, error) from error
