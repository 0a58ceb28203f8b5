"""``htzoo models``: the zoo as a table."""

from __future__ import annotations

import argparse
import difflib
import json
import sys
from collections.abc import Sequence
from contextlib import suppress


def run(words: Sequence[str]) -> None:
    """List models.

    Args:
        words: the command line, without ``htzoo``.

    Raises:
        ValueError: no model has such a name.
    """
    parser = argparse.ArgumentParser(
        prog="htzoo models",
        description="List the models of the zoo: every configuration that can be trained, with its parameters.",
        epilog="columns: the input-to-hidden weight (or the joint one) and how many times fewer parameters it has than "
        "a dense one; the whole recurrent layer; the whole model; accuracy as published; whether trained weights can "
        "be had. Example: htzoo models 'ucf11_*'",
    )
    parser.add_argument("pattern", nargs="?", default="*", help="which names, with * and ? (in quotes)")
    parser.add_argument("--pretrained", action="store_true", help="only models with trained weights")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    asked = parser.parse_args(words[1:])

    from htzoo.configs import config_names
    from htzoo.hub.registry import list_models

    names = list_models(asked.pattern, asked.pretrained)
    if not names and not asked.pretrained:
        near = difflib.get_close_matches(asked.pattern, config_names(), n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else "htzoo models lists all"
        raise ValueError(f"no model is called {asked.pattern!r}: {hint}")
    with suppress(BrokenPipeError):  # the reader, such as head, has seen enough
        _print(names, asked.json)


def _print(names: Sequence[str], as_json: bool) -> None:
    from tqdm import tqdm

    from htzoo.hub.design import load_design
    from htzoo.hub.registry import list_models
    from htzoo.report.sheet import models_table

    pretrained = list_models(pretrained=True)
    bar = tqdm(names, desc="counting", unit="model", leave=False, delay=2, disable=None)
    designs = [load_design(name)[0] for name in bar]
    if as_json:
        json.dump([{**design, "pretrained": design["name"] in pretrained} for design in designs], sys.stdout, indent=2)
        print()
    else:
        print(models_table(designs, pretrained))
