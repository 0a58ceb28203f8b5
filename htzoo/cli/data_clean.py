"""``htzoo data clean``: remove caches that are no longer needed."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path

from htzoo.cli.arguments import Parser

EXAMPLES = """\
Training keeps decoded frames, and the features of a frozen CNN, in ROOT/cache. A cache is stale when a clip of it has
changed or is gone, or when an older htzoo wrote it: no run can use it any more. Stale caches are removed; others only
where an option says so. Datasets, runs and checkpoints are never touched.

  htzoo data clean                       remove stale caches
  htzoo data clean --dry-run             list all caches, and what would be removed
  htzoo data clean --unused 30           also remove those that no run has used for 30 days
  htzoo data clean --limit 20            also remove the least recently used ones until 20 GB are left
"""


def run(words: Sequence[str]) -> None:
    """Remove caches.

    Args:
        words: ``clean`` and its arguments.

    Raises:
        DataError: a cache cannot be removed.
    """
    from htzoo.data.clips.cache_files import find_caches

    parser = Parser("data clean", "Remove caches that are no longer needed.", EXAMPLES)
    parser.add_argument("--root", type=Path, default=Path("data"), help="folder of all datasets (default: data)")
    parser.add_argument("--unused", type=float, metavar="DAYS", help="also remove caches not used for so long")
    parser.add_argument("--limit", type=float, metavar="GB", help="keep at most this much, the most recently used")
    parser.add_argument("--dry-run", action="store_true", help="say what would be removed, and remove nothing")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    given = parser.parse_args(words[1:])
    for option in ("unused", "limit"):
        if (value := getattr(given, option)) is not None and value < 0:
            parser.error(f"--{option} is {value:g}; give a number that is not negative.")
    caches = find_caches(given.root / "cache")
    reasons: dict[Path, str] = {}
    total = sum(cache.bytes_used for cache in caches)
    for cache in sorted(caches, key=lambda cache: (cache.stale is None, cache.last_used)):
        days = (time.time() - cache.last_used) / 86400
        if cache.stale is not None:
            reasons[cache.path] = cache.stale
        elif given.unused is not None and days >= given.unused:
            reasons[cache.path] = f"not used for {days:.0f} days"
        elif given.limit is not None and total > given.limit * 1e9:
            reasons[cache.path] = f"beyond {given.limit:g} GB"
        else:
            continue
        total -= cache.bytes_used
        if not given.dry_run:
            cache.remove()
    if given.json:
        rows = [
            {"path": str(cache.path), "bytes": cache.bytes_used, "removed": reasons.get(cache.path)} for cache in caches
        ]
        print(json.dumps({"caches": rows, "dry_run": given.dry_run}, indent=2))
        return
    for cache in caches:
        what = (
            f"{'would be removed' if given.dry_run else 'removed'}: {reason}"
            if (reason := reasons.get(cache.path))
            else "kept"
        )
        print(f"{cache.path}  {cache.bytes_used / 1e6:,.1f} MB  {what}")
    freed = sum(cache.bytes_used for cache in caches if cache.path in reasons)
    print(f"{len(reasons)} of {len(caches)} caches, {freed / 1e6:,.1f} MB{' (dry run)' if given.dry_run else ''}")
