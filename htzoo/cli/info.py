"""``htzoo info``: everything about one model or format."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from htzoo.cli.arguments import Parser

DESCRIPTION = """\
Show one model: sizes, formats, parameters beside those of its dense equivalent, and published results. Or show one
format: what it is, its arguments, and an example.

examples:
  htzoo info ucf11_ht --picture ucf11_ht.png
  htzoo info tt
  htzoo info runs/moving_digits_ht/TIME --json
"""


def run(words: Sequence[str]) -> None:
    """Print the facts about a model or a format, and draw the networks of a model on request.

    Args:
        words: the command line, without ``htzoo``.

    Raises:
        ValueError: there is no such model.
        OSError: a file is missing, or the diagram cannot be written.
    """
    parser = Parser("info", DESCRIPTION)
    parser.add_argument(
        "model",
        help="name of the zoo, configuration file, folder, ORG/REPO, or training run; or a format",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="draw a diagram of the tensor networks as a PNG")
    asked = parser.parse_args(words[1:])
    if asked.picture is not None and asked.picture.suffix != ".png":
        parser.error(f"--picture is {str(asked.picture)!r}: give a name that ends in .png")

    from htzoo.formats import find_format
    from htzoo.names import UnknownNameError

    with suppress(UnknownNameError):
        cls = find_format(asked.model)
        if asked.picture is not None:
            parser.error(f"--picture draws models, and {asked.model} is a format")
        from htzoo.report.format_sheet import format_info, format_sheet

        print(json.dumps(format_info(cls), indent=2) if asked.json else format_sheet(format_info(cls)))
        return

    from htzoo.hub.model_info import read_info
    from htzoo.report.models_table import info_sheet

    design, model = read_info(asked.model)
    if asked.picture is not None:
        from htzoo.models.model_info import first_layer_weights
        from htzoo.report.network_diagram import plot_design

        plot_design(design, first_layer_weights(model), model.recurrent.cell.gates, asked.picture)
    if asked.json:
        json.dump(design, sys.stdout, indent=2)
        print()
    else:
        print(info_sheet(design))
        if asked.picture is not None:
            print(f"\n  diagram: {asked.picture}")
