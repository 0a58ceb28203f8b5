"""``htzoo data check``: find damaged, missing and repeated clips."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, cast

from htzoo.cli.arguments import Parser

if TYPE_CHECKING:
    from htzoo.data.prepare.source_files import Published

EXAMPLES = """\
Decodes every clip from its first to its last frame, and prints one line for each clip that is missing, empty, damaged,
too short, of another length than the index says, or a copy of another clip. The exit status is 0 if there is none,
else 1. For a folder of videos, checksums are kept in ROOT/checksums.jsonl: a file that has changed since it was first
read, here or in training, is reported too, even if it can be decoded.

  htzoo data check ucf11                 a prepared dataset
  htzoo data check my/videos             every video file in a folder and below
  htzoo data check ucf11 --min-frames 6  clips with fewer than 6 frames are too short
"""


def run(words: Sequence[str]) -> None:
    """Check one dataset or folder.

    Args:
        words: ``check`` and its arguments.

    Raises:
        DataError: something is wrong, after each line about it was printed; or there is nothing to check.
    """
    from htzoo.data.datasets.registry import find_dataset
    from htzoo.data.errors import DataError
    from htzoo.data.prepare.check import MIN_FRAMES, check_clips
    from htzoo.data.prepare.how_to_get import how_to_get
    from htzoo.data.prepare.source_checksums import Checksums

    parser = Parser("data check", "Find damaged, missing and repeated clips.", EXAMPLES)
    parser.add_argument("name", metavar="NAME_OR_FOLDER", help="a prepared dataset, or any folder of videos")
    parser.add_argument("--root", type=Path, default=Path("data"), help="folder of all datasets (default: data)")
    parser.add_argument(
        "--min-frames",
        type=int,
        default=MIN_FRAMES,
        metavar="N",
        help=f"a clip with fewer is too short (default: {MIN_FRAMES})",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    given = parser.parse_args(words[1:])
    if given.min_frames < 1:
        parser.error(f"--min-frames is {given.min_frames}; give at least 1.")
    named = given.root / given.name
    folder = named if named.is_dir() else Path(given.name)
    if not folder.is_dir():
        try:
            dataset = find_dataset(given.name)
        except ValueError as error:
            parser.error(f"{given.name} is no folder, and there is {error}")
        raise DataError(how_to_get(cast("Published", dataset), given.root))
    report = check_clips(folder, given.min_frames, Checksums(given.root))
    if given.json:
        problems = [asdict(problem) for problem in report.problems]
        print(json.dumps({"folder": str(folder), "clips": report.clips, "problems": problems}, indent=2))
    else:
        for problem in report.problems:
            print(f"{problem.path}: {problem.kind}: {problem.detail}")
    bad = len({problem.path for problem in report.problems})
    if bad:
        raise DataError(f"{bad:,} of {report.clips:,} clips in {folder} have problems.")
    if not given.json:
        print(f"all {report.clips:,} clips in {folder} are fine")
