"""``htzoo bench``: how fast tensorized layers are, beside dense ones."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from htzoo.cli.arguments import Parser, positive
from htzoo.configs import config_names
from htzoo.names import UnknownNameError, did_you_mean

if TYPE_CHECKING:
    import torch

    from htzoo.bench.settings import Setting
    from htzoo.formats import Format
    from htzoo.nn.recurrent_layer import Recurrent

FRAMES = 8  # of a clip that a model of the zoo reads here

ABOUT = """\
Time recurrent layers whose weights are tensor networks, beside dense ones: PyTorch's own layer, one dense product for
all frames with a loop over time written by hand, and the practical floor, two plain products of rank 4. All layers run
in turns, so that a busy machine slows all alike: trust the ratios rather than the milliseconds.
"""

MORE = """\
settings:
  ucf11   LSTM 57,600 -> 256, 6 raw frames of 160 x 120, batch 16: the shapes of the papers where known (the default)
  cnn     LSTM 2,048 -> 2,048, 25 frames, batch 16: the input weight alone, both weights, and the two as one ("joint")

columns:
  input weight         input-to-hidden parameters (of the joint weight, where there is one), without bias
  MACs per frame       multiply-accumulates of both weights, forward, as planned
  forward              the whole sequence, without gradients: median (quartiles)
  step                 forward and backward with the gradients of all parameters, no optimiser: median (quartiles)
  faster than nn.LSTM  speed-up of the step over PyTorch's layer
  faster than hand loop  ... and over one dense matrix product for all frames with a loop over time
  time / floor         step time divided by that of the fastest floor
  peak MB              maximum size of the tensors of a step, without parameters and frames

examples:
  htzoo bench                                        every format at the UCF11 setting
  htzoo bench ht tt lowrank                          only these
  htzoo bench moving_digits_ht moving_digits_tt      the recurrent layers of models of the zoo
  htzoo bench --setting cnn --threads 1 --repeats 5
  htzoo bench --device cuda --batch 64 --json > bench.json
  htzoo bench --picture bench.png
  htzoo bench --calibrate --threads 1
"""


def run(words: Sequence[str]) -> None:
    """Measure, and print a table or JSON.

    Args:
        words: ``bench`` and what stands behind it.

    Raises:
        UnknownNameError: there is no such format or model.
        ValueError: there is no such device, or a model is of a kind that is not measured.
    """
    parser = _parser()
    given = parser.parse_args(list(words[1:]))
    formats, models = _resolved(given.names)
    if given.setting is not None and models:
        parser.error(f"--setting {given.setting} is for formats, but {models[0]!r} is a model and has its own sizes")

    import torch

    from htzoo.report.machine import describe_machine, machine_line

    if given.device == "cuda" and not torch.cuda.is_available():
        raise ValueError("device is 'cuda', but PyTorch sees no GPU here: give --device cpu")
    if given.threads is not None:
        torch.set_num_threads(given.threads)
    device = torch.device(given.device)
    torch.manual_seed(0)
    document: dict[str, Any] = {"command": "htzoo " + " ".join(words), **describe_machine(device), "settings": []}
    if given.calibrate:
        if given.names or given.picture is not None:
            parser.error("--calibrate measures the machine: give it without names and without --picture")
        _print_calibration(document, device, as_json=given.json)
        return
    chosen: list[tuple[Setting, dict[str, Recurrent] | None]] = [*_of_models(models)] if models else []
    if formats or not models:
        chosen.insert(0, (_of_formats(formats, given.setting or "ucf11"), None))
    for setting, layers in chosen:
        changes = {key: value for key in ("batch", "frames") if (value := getattr(given, key)) is not None}
        document["settings"].append(_measured(replace(setting, **changes), layers, device, given.repeats))
    if given.picture is not None:
        from htzoo.bench.chart import plot_bench

        plot_bench(document["settings"], given.picture, machine_line(document))
        print(f"htzoo: picture in {given.picture}", file=sys.stderr)
    if given.json:
        print(json.dumps(document, indent=2))
        return
    from htzoo.bench.table import heading, markdown

    for result in document["settings"]:
        print(f"{heading(result)}\n\n{markdown(result, gpu=device.type == 'cuda')}\n")
    print(machine_line(document))


def _print_calibration(document: dict[str, Any], device: torch.device, *, as_json: bool) -> None:
    from htzoo.bench.calibrate import calibrate, calibration_table
    from htzoo.report.machine import machine_line

    found = calibrate(device)
    if as_json:
        del document["settings"]
        print(json.dumps({**document, "constants": [asdict(one) for one in found]}, indent=2))
    else:
        print(f"{calibration_table(found)}\n\n{machine_line(document)}")


def _parser() -> argparse.ArgumentParser:
    parser = Parser("bench", ABOUT, MORE)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="a format, or a model of the zoo; every format if none"
    )
    parser.add_argument("--setting", choices=("ucf11", "cnn"), help="sizes for the formats, see below")
    parser.add_argument("--batch", type=positive, help="clips at once (16)")
    parser.add_argument("--frames", type=positive, help=f"frames of a clip (the setting's; {FRAMES} for models)")
    parser.add_argument("--threads", type=positive, help="CPU threads (as many as PyTorch takes by itself)")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="where to run (%(default)s)")
    parser.add_argument(
        "--repeats", type=positive, default=10, help="rounds that count, after 2 that do not (%(default)s)"
    )
    parser.add_argument("--picture", type=Path, metavar="FILE", help="draw the steps as bars into this PNG file")
    parser.add_argument(
        "--calibrate",
        action="store_true",
        help="measure the constants of the cost model instead, and print them beside those in use (docs/engine.md)",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document, with versions and machine")
    return parser


def _resolved(names: Sequence[str]) -> tuple[list[type[Format]], list[str]]:
    """The formats among the names, and the models.

    Raises:
        UnknownNameError: a name is neither.
    """
    from htzoo.formats import find_format, format_names

    formats, models = [], []
    for name in names:
        if name in config_names() or Path(name).is_file():
            models.append(name)
            continue
        try:
            formats.append(find_format(name))
        except UnknownNameError:
            hint = did_you_mean(
                name, [*format_names(), *config_names()], "give a format, or a model that htzoo models lists"
            )
            raise UnknownNameError(f"no format or model {name!r}: {hint}") from None
    return formats, models


def _of_formats(formats: Sequence[type[Format]], setting: str) -> Setting:
    """The setting with the layers of these formats; of all formats if there are none."""
    from htzoo.bench.settings import SETTINGS
    from htzoo.formats import format_classes

    return SETTINGS[setting](formats or [*format_classes().values()])


def _of_models(names: Sequence[str]) -> list[tuple[Setting, dict[str, Recurrent]]]:
    """The recurrent layers of models, those of one size together."""
    from htzoo.bench.settings import Setting
    from htzoo.hub.classifier import ZooClassifier
    from htzoo.hub.open_model import open_model

    groups: dict[tuple[object, ...], tuple[Setting, dict[str, Recurrent]]] = {}
    for name in names:
        layer: Recurrent = open_model(name, ZooClassifier, weights=False).recurrent
        if layer.num_layers > 1 or layer.bidirectional:
            raise ValueError(f"{name} has several layers or directions: give a model with one of each")
        sizes = layer.input_size, layer.hidden_size, FRAMES
        cell = type(layer).__name__
        groups.setdefault((cell, *sizes), (Setting("models", *sizes, cell=cell), {}))[1][name] = layer
    return list(groups.values())


def _measured(
    setting: Setting, layers: dict[str, Recurrent] | None, device: torch.device, repeats: int
) -> dict[str, Any]:
    from htzoo.bench import measure
    from htzoo.bench.table import results

    print(f"htzoo: weights of {setting.input_size:,} -> {setting.hidden_size:,}", file=sys.stderr)
    if layers is None:
        contestants = measure.layers(setting, device)
    else:
        contestants = {}
        for name, layer in layers.items():
            layer.to_empty(device=device).reset_parameters()
            contestants[name] = measure.contestant(layer, setting)
    hidden = any(measure.compresses_hidden(entry.layer) for entry in contestants.values())
    plain = measure.baselines(setting, device, hidden_floor=hidden)
    return results(setting, measure.measure({**plain, **contestants}, setting, device, repeats))
