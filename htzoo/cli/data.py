"""``htzoo data``: list, prepare, check, show and clean datasets."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module

from htzoo.cli.arguments import listing
from htzoo.names import UnknownNameError, did_you_mean

# Subcommand: the module of htzoo.cli that has its `run(words)`, and what it does.
SUBCOMMANDS = {
    "list": ("data_list", "list the datasets, and which of them are on disk"),
    "prepare": ("data_prepare", "download a dataset, or take it from a folder or archive, and prepare it"),
    "check": ("data_check", "find clips that are damaged, empty, too short or repeated"),
    "clean": ("data_clean", "remove cached frames and features that are no longer needed"),
    "show": ("data_show", "draw a contact sheet, and print classes, lengths and splits"),
}

HELP = """\
usage: htzoo data SUBCOMMAND [options]

subcommands:
{subcommands}

examples:
  htzoo data prepare ucf11                                 download, verify, shrink and index UCF11
  htzoo data prepare ucf11 --from UCF11_updated_mpg.rar    the same from an archive that is here already
  htzoo data check ucf11                                   decode every clip, and list those that are damaged
  htzoo data check my/videos --json                        the same for any folder of videos

htzoo data SUBCOMMAND --help lists the options.
"""


def run(words: Sequence[str]) -> None:
    """Run one subcommand.

    Args:
        words: the command line, without ``htzoo``.
    """
    if len(words) < 2 or words[1] in ("-h", "--help"):
        print(HELP.format(subcommands=listing(SUBCOMMANDS)))
        return
    if words[1] not in SUBCOMMANDS:
        hint = did_you_mean(words[1], SUBCOMMANDS, f"subcommands are {', '.join(SUBCOMMANDS)}")
        raise UnknownNameError(f"no subcommand {words[1]!r} of data: {hint}")
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="surrogateescape")  # names of files need not be UTF-8
    import_module(f"htzoo.cli.{SUBCOMMANDS[words[1]][0]}").run(words[1:])
