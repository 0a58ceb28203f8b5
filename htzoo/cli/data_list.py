"""``htzoo data list``: the datasets, and which of them are on disk."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from htzoo.cli.arguments import Parser


def run(words: Sequence[str]) -> None:
    """Print the table.

    Args:
        words: the command line from ``list`` on.
    """
    parser = Parser(
        "data list",
        "List the datasets that htzoo knows, and which of them are on disk.",
        "Files in ROOT/cache can be deleted at any time; the next run that needs them creates them again.",
    )
    parser.add_argument("--root", default="data", help="folder of all datasets (%(default)s)")
    parser.add_argument("--json", action="store_true", help="print one JSON document and nothing else")
    options = parser.parse_args(words[1:])
    from htzoo.data.datasets.on_disk import list_datasets

    rows = list_datasets(Path(options.root))
    if options.json:
        print(json.dumps(rows, indent=2))
        return
    table = [("NAME", "TITLE", "CLASSES", "CLIPS", f"IN {options.root}", "SIZE", "CACHE", "LICENCE")]
    for row in rows:
        published = row["published_clips"]
        here = f"{row['clips']:,} clips" if row["state"] == "ready" else str(row["state"])
        table.append(
            (
                str(row["name"]),
                str(row["title"]),
                str(row["classes"] or ""),
                f"{published:,}" if published else "",
                here,
                readable(row["bytes"]),
                readable(row["cache_bytes"]),
                str(row["licence"]),
            )
        )
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for line in table:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def readable(size: object) -> str:
    """Bytes in decimal units, as disks are sold; empty for none."""
    assert isinstance(size, int)
    for unit, scale in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= scale:
            return f"{size / scale:.3g} {unit}"
    return f"{size} B" if size else ""
