"""``htzoo models``: the zoo as a table."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict

from htzoo.cli.arguments import Parser
from htzoo.names import UnknownNameError, did_you_mean

DESCRIPTION = """\
List the models of the zoo, that is every configuration that trains a model.

columns:
  input weight   parameters of the input-to-hidden weight, or of the joint one
  ratio          parameters of the dense weight, divided by that
  layer          parameters of the whole recurrent layer
  model          parameters of the whole model, with its CNN
  published      accuracy in the paper (on Hollywood2, mean average precision)
  measured       test accuracy of the trained weights, on the split that their card reports
  weights        whether there are trained weights

examples:
  htzoo models 'ucf11_*'
  htzoo models --pretrained --json
"""


def run(words: Sequence[str]) -> None:
    """List models.

    Args:
        words: the command line, without ``htzoo``.

    Raises:
        UnknownNameError: no name matches.
    """
    parser = Parser("models", DESCRIPTION)
    parser.add_argument("pattern", nargs="?", default="*", help="which names, with * and ? (in quotes)")
    parser.add_argument("--pretrained", action="store_true", help="only models with trained weights")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    asked = parser.parse_args(words[1:])

    from htzoo.hub.registry import list_models

    names = list_models(asked.pattern, asked.pretrained)
    if not names:
        hint = did_you_mean(asked.pattern, list_models(pretrained=asked.pretrained), "htzoo models lists all")
        what = "model with trained weights" if asked.pretrained else "model"
        raise UnknownNameError(f"no {what} is called {asked.pattern!r}: {hint}")
    with suppress(BrokenPipeError):  # the reader, such as head, has closed the pipe
        _print(names, asked.json)


def _print(names: Sequence[str], as_json: bool) -> None:
    from tqdm import tqdm

    from htzoo.hub.model_info import read_info
    from htzoo.hub.packaged_weights import measured
    from htzoo.hub.registry import list_models
    from htzoo.report.models_table import models_table

    pretrained = list_models(pretrained=True)
    results = {name: measured(name) for name in names}
    bar = tqdm(names, desc="counting", unit="model", leave=False, delay=2, disable=None)
    designs = [read_info(name, count_macs=as_json)[0] for name in bar]
    if as_json:
        facts = {
            name: {"pretrained": name in pretrained, "measured": result and asdict(result)}
            for name, result in results.items()
        }
        json.dump([{**design, **facts[design["name"]]} for design in designs], sys.stdout, indent=2)
        print()
    else:
        reached = {name: result.accuracy for name, result in results.items() if result is not None}
        print(models_table(designs, reached, pretrained))
