"""A log of JSON records by name, to which lines are only appended: a crash loses at most the last line."""

import json
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

from htzoo.data.errors import unwritable


class AppendOnlyLog:
    """One JSON record per line; the last record of a name counts, and a line cut short by a crash is ignored."""

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
        """The last record of this name."""
        return self._found.get(name)

    def add(self, name: str, **facts: Any) -> None:
        """Append a record; any thread may call this.

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
