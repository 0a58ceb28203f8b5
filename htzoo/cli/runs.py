"""``htzoo runs``: all runs side by side."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from htzoo.cli.arguments import Parser
from htzoo.names import printable

DESCRIPTION = """\
Compare runs of `htzoo fit`: epochs, accuracy on validation and test clips, macro F1, parameters and time. Runs that
differ by their seed alone are summed up by mean, standard deviation and range.

examples:
  htzoo runs                            every run in the folder runs
  htzoo runs runs/moving_digits_ht      those of one model
  htzoo runs --json                     for programs
"""


def run(words: Sequence[str]) -> None:
    """Run the command.

    Args:
        words: the command line, without ``htzoo``.

    Raises:
        FileNotFoundError: there is no run.
        ValueError: a summary cannot be read.
    """
    parser = Parser("runs", DESCRIPTION)
    parser.add_argument("folders", type=Path, nargs="*", default=[Path("runs")], metavar="FOLDER", help="of runs")
    parser.add_argument("--json", action="store_true", help="print JSON")
    given = parser.parse_args(words[1:])
    from htzoo.report.runs import find_runs, runs_as_json, runs_table

    rows = find_runs(given.folders)
    print(json.dumps(runs_as_json(rows), indent=2) if given.json else printable("\n".join(runs_table(rows))))
