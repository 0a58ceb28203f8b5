"""``htzoo data show NAME``: counts, splits and plots of a dataset."""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from htzoo.cli.arguments import Parser

if TYPE_CHECKING:
    from htzoo.data.datamodule import VideoDataModule
    from htzoo.data.statistics import Statistics


def run(words: Sequence[str]) -> None:
    """Print the counts and write the plots.

    Args:
        words: the command line from ``show`` on.
    """
    parser = Parser(
        "data show",
        "Print how the clips of a dataset are split, class by class, and draw a contact sheet and the "
        "distribution of classes and lengths.",
        "Without --split, --fold and --folds the split is the one that training uses by default.",
    )
    parser.add_argument("name", metavar="NAME", help="a name of htzoo data list, or a folder of videos")
    parser.add_argument("--root", default="data", help="folder of all datasets (%(default)s)")
    parser.add_argument("--split", choices=("group", "clip", "official"), help="the split rule")
    parser.add_argument("--fold", type=int, default=1, help="fold to test on (%(default)s)")
    parser.add_argument("--folds", type=int, help="number of folds")
    parser.add_argument("--validation", type=float, default=0.1, help="share of validation clips (%(default)s)")
    parser.add_argument("--list", action="store_true", help="print every clip with its split, and draw nothing")
    parser.add_argument("--json", action="store_true", help="print one JSON document, and draw nothing")
    parser.add_argument("-o", "--output", default=".", help="folder for the plots (%(default)s)")
    options = parser.parse_args(words[1:])

    from htzoo.data.statistics import describe

    try:
        data = _module(options)
        data.setup()
    except ValueError as error:
        parser.error(str(error))
    found = describe(data)
    if options.json:
        print(json.dumps({"name": data.dataset_name, **asdict(found)}, indent=2))
    elif options.list:
        for index, (clip, split) in enumerate(zip(data.clips, data.splits, strict=True)):
            print(split or "unused", data.label_of(index) or "-", clip.group or "-", clip.name, sep="\t")
    else:
        from htzoo.data.errors import DataError
        from htzoo.report.dataset_plots import plot_contact_sheet, plot_statistics

        _print(data, found)
        sheet = Path(options.output) / f"{data.dataset_name}_clips.png"
        chart = Path(options.output) / f"{data.dataset_name}_statistics.png"
        try:
            plot_contact_sheet(data, sheet)
            plot_statistics(found, data.title, chart)
        except OSError as error:
            raise DataError(
                f"{options.output} cannot be written ({error.strerror or error}); choose another --output."
            ) from error
        print(f"{sheet}: a contact sheet\n{chart}: clips by class, and their lengths")


def _module(options: argparse.Namespace) -> VideoDataModule:
    from htzoo.data.datasets.registry import dataset_names, find_dataset

    settings: dict[str, Any] = {
        "root": options.root,
        "split": options.split,
        "fold": options.fold,
        "folds": options.folds,
        "validation": options.validation,
        "cache": False,
    }
    if options.name not in dataset_names() and Path(options.name).is_dir():
        from htzoo.data.datasets.video_folder import VideoFolder

        return VideoFolder(options.name, **settings)
    return find_dataset(options.name)(**settings)


def _print(data: VideoDataModule, found: Statistics) -> None:
    lengths = found.lengths
    print(f"{data.title}: {data.homepage or data.folder} ({data.licence})")
    spread = f"{min(lengths)} to {max(lengths)}, median {statistics.median(lengths):g}"
    print(f"{len(lengths):,} clips, {sum(lengths):,} frames; a clip has {spread}")
    overlap = f"; {found.shared} groups have training and test clips" if found.shared else ""
    print(f"split {found.split_rule}{overlap}\n")
    splits = [split for split, clips in found.clips.items() if clips]
    width = max(len(name) for name in [*found.counts, "groups"])
    print(f"{'class':<{width}}" + "".join(f"{split:>9}" for split in splits))
    for name, count in found.counts.items():
        print(f"{name:<{width}}" + "".join(f"{count[split]:>9,}" for split in splits))
    for name, count in (("clips", found.clips), ("groups", found.groups)):
        print(f"{name:<{width}}" + "".join(f"{count[split]:>9,}" for split in splits))
    print()
