"""``htzoo data prepare``: from archive or folder to small clips and an index."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

from htzoo.cli.arguments import Parser

if TYPE_CHECKING:
    from htzoo.data.prepare.source_files import Published

EXAMPLES = """\
Downloads the archives (or takes what --from gives), unpacks them, decodes every clip to check that it is undamaged,
writes it as small H.264 with the same frames, and writes the index. Interrupt it at any time; the same command resumes.

  htzoo data prepare ucf11                               download it to data/downloads, prepare it in data/ucf11
  htzoo data prepare ucf11 --from ~/UCF11_updated_mpg    your own folder or archive; it is only read
  htzoo data prepare hmdb51 --from ~/hmdb51              a folder with hmdb51_org.rar and test_train_splits.rar
  htzoo data prepare ytc --short-side 120                smaller clips, which are read faster
"""


def run(words: Sequence[str]) -> None:
    """Prepare one dataset.

    Args:
        words: ``prepare`` and its arguments.

    Raises:
        DataError: it cannot be done; the message says why.
    """
    from htzoo.data.prepare.pipeline import SHORT_SIDE, prepare

    parser = Parser("data prepare", "Prepare a dataset for training.", EXAMPLES)
    parser.add_argument("name", metavar="NAME", help="the dataset, one of htzoo data list")
    parser.add_argument("--from", dest="given", type=Path, metavar="PATH", help="folder or archive that you have")
    parser.add_argument("--root", type=Path, default=Path("data"), help="folder of all datasets (default: data)")
    parser.add_argument(
        "--short-side",
        type=int,
        default=SHORT_SIDE,
        metavar="PIXELS",
        help=f"reduce larger frames until the short side has this (default: {SHORT_SIDE}); none is enlarged",
    )
    given = parser.parse_args(words[1:])
    from htzoo.data.datasets.registry import find_dataset

    try:
        found = find_dataset(given.name)
    except ValueError as error:
        parser.error(str(error))
    if found.made:
        if given.given is not None or given.short_side != SHORT_SIDE:
            parser.error(f"{given.name} is made, not converted; leave out --from and --short-side.")
        found(root=str(given.root)).prepare_data()
        print(f"{found.title} is made in {given.root / given.name}")
        return
    dataset = cast("Published", found)
    try:
        made = prepare(dataset, given.root, given.given, given.short_side)
    except ValueError as error:
        parser.error(str(error))
    for remark in made.remarks:
        print(f"note: {remark}")
    for source, reason in made.damaged:
        print(f"skipped: {source} {reason}")
    state = "was prepared already" if made.was_there else "is prepared"
    if made.was_there and given.given is not None:
        state += f" and {given.given} was not read (to prepare it anew, delete {made.folder})"
    print(f"{dataset.title} {state}: {made.clips:,} clips in {made.folder}, {len(made.damaged):,} left out as damaged")
    if dataset.clip_count is not None and made.clips + len(made.damaged) != dataset.clip_count:
        print(f"the published set has {dataset.clip_count:,} clips")
