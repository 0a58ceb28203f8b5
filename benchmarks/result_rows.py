"""CSV tables of results to which a row is added after each measurement."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from htzoo.files import replacing


def read_rows(path: Path) -> list[dict[str, str]]:
    """What is in the table so far."""
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def add_row(path: Path, row: dict[str, Any]) -> None:
    """Add a row to the table, whole or not at all."""
    rows = [*read_rows(path), row]
    with replacing(path) as unfinished, unfinished.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(row), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
