"""``htzoo compress``: trained dense layers into small ones."""

from __future__ import annotations

import argparse
import json
import re
import shlex
import sys
from collections.abc import Collection, Sequence
from contextlib import nullcontext, redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from htzoo.cli.arguments import Parser, add_hub_options, format_class, hub_options, positive
from htzoo.cli.compress_file import check_output, compress_file, is_file_of_weights, one_layer

if TYPE_CHECKING:
    from torch import nn

    from htzoo.formats import Format
    from htzoo.nn.layer_formats import LayerFormats

DESCRIPTION = """\
Replace the weights of a trained model by tensor networks that are as close to them as their size allows.

Give the weights of any PyTorch model (a state dict or a checkpoint: .pt, .pth, .pth.tar, .ckpt, .bin, .safetensors).
All weights of its LSTM, GRU and RNN layers share one budget; --types adds Linear and Embedding layers, --layer chooses
layers by name. The result is a folder with the weights of the whole model, and three lines of Python that load it. A
file that is a single layer becomes a folder for htzoo.from_pretrained.

Or give a checkpoint of `htzoo fit`, or a video model by name: --to and --budget are then for its input-to-hidden
weight, --hidden-to and --hidden-budget for the hidden-to-hidden ones. The same holds for one layer of a file with
--hidden-to, --joint, --macs or a shape.

--plan shows where the parameters are, and writes nothing. Fewer parameters are not fewer MACs: at high ranks a small
layer is slower than a dense one, and the times that are printed say so.

Trained weights are seldom close to a small network by themselves. Look at the errors that are printed: near 0 the
outputs hardly change; near 1 nothing is left of the weight. From there --distill trains the small layers to do what the
original ones do, on inputs without labels; --fine-tune trains a video model with labels. Without --to the formats of a
video model are those of the configuration that --fine-tune gives.

examples:
  htzoo compress model.pt --plan
  htzoo compress model.pt --budget 8x -o small                    all recurrent layers, the best format for each weight
  htzoo compress model.pt --budget 8x -o small --distill inputs.safetensors --steps 2000
                                                                  htzoo.record(model, loader, FILE) wrote the inputs
  htzoo compress lstm.pt --to ht --budget 50x -o small            torch.save(lstm.state_dict(), "lstm.pt") wrote it;
                                                                  add --batch-first if it was made with batch_first
  htzoo compress model.pt --layer encoder.lstm --to tt --budget 5000 --hidden-to tt --hidden-budget 10x -o small
  htzoo compress runs/moving_digits_lstm/TIME/checkpoints/best.ckpt --to ht --budget 2000 -o small \\
      --fine-tune moving_digits_lstm --trainer.max_epochs 10      options behind it are those of htzoo fit
  htzoo compress runs/fight_cnn_lstm/TIME/checkpoints/best.ckpt -o small --fine-tune fight_cnn_ht \\
      --model.optimizer.lr 0.006                                  all formats are those of fight_cnn_ht
  htzoo compress lstm.pt --to tt --in-modes 8,8,8 --out-modes 4,8,8 --rank 6 -o small
"""

LIMITS = ("budget", "macs", "joint", "hidden_to", "hidden_budget")


def run(words: Sequence[str]) -> None:
    """Run the command.

    Args:
        words: the command line, without ``htzoo``.
    """
    from htzoo.formats.registry import shape_arguments

    names = shape_arguments()
    parser = _parser(names)
    given, training = parser.parse_known_args(words[1:])
    shape = {key: getattr(given, key) for key in names if getattr(given, key) is not None}
    if training and given.fine_tune is None:
        parser.error(f"unrecognized arguments: {' '.join(training)}; those of htzoo fit need --fine-tune CONFIG")
    for word in training:
        if re.match(r"--model\.(init_args\.)?(input|hidden|joint)_format\b", word):
            parser.error(
                f"{word} would train another format than the compressed one: give --to and its limits or shape"
            )
    source = Path(given.model)
    by_hand = bool(shape) or given.joint or given.hidden_to is not None or given.macs is not None
    if is_file_of_weights(source) and not by_hand:
        compress_file(parser, given)
        return
    _check_model(parser, given)
    if given.to is None:
        _check_without_format(parser, given, names)
    elif (given.budget is None and given.macs is None) == (not shape):
        parser.error(
            "give either --budget or --macs, or the shape: --in-modes, --out-modes and the ranks of the format"
        )
    if given.hidden_to is None and given.hidden_budget is not None:
        parser.error("--hidden-budget is given without --hidden-to: give both")
    if given.hidden_to is not None and given.hidden_budget is None and given.macs is None:
        parser.error("--hidden-to is given without a limit: give --hidden-budget or --macs")
    if given.joint and given.hidden_to is not None:
        parser.error("--joint makes the two weights one: leave out --hidden-to")
    from htzoo.compression.one_layer import compress_with_report
    from htzoo.configs import load_config
    from htzoo.hub.classifier import ZooClassifier
    from htzoo.hub.compress_classifier import compress_classifier
    from htzoo.hub.open_model import open_model
    from htzoo.hub.save import save_pretrained

    if given.fine_tune is not None:
        load_config(given.fine_tune)  # a wrong name ends here, before there is a folder
    _check_shape(parser, given.to, shape)
    if is_file_of_weights(source):
        before = one_layer(parser, given, source)
        formats = _formats(given, shape, before)
        after, rows = compress_with_report(before, formats)
        save_pretrained(after, given.output)
    else:
        model = open_model(given.model, ZooClassifier, hub=hub_options(given))
        before = model.recurrent
        formats = _formats(given, shape, before)
        small, rows = compress_classifier(model, formats)
        after = small.recurrent
        save_pretrained(small, given.output, replace(small.config, name=given.output.resolve().name))
    _report(rows, before, after, given.json, given.output)
    if given.fine_tune is not None:
        with redirect_stdout(sys.stderr) if given.json else nullcontext():  # the one document is printed already
            _fine_tune(given.fine_tune, training, formats, given.output, shlex.join(["htzoo", *words]))


def _parser(shape_names: Sequence[str]) -> argparse.ArgumentParser:
    parser = Parser("compress", DESCRIPTION)
    parser.add_argument("model", metavar="CKPT_OR_NAME", help="state dict (.pt, .safetensors), checkpoint, or model")
    parser.add_argument("-o", "--output", type=Path, metavar="FOLDER", help="a new folder")
    parser.add_argument(
        "--to",
        type=_format_or_auto,
        metavar="FORMAT",
        help="ht, tt, lowrank, ...; auto tries a few for every weight (default: auto for a file, those of --fine-tune "
        "for a video model)",
    )
    parser.add_argument(
        "--budget",
        type=_limit,
        metavar="N",
        help="parameters of all layers together (of a video model: of the input-to-hidden weight), or 50x for 50 times "
        "fewer than now",
    )
    parser.add_argument(
        "--plan", action="store_true", help="show the parameters, MACs and time of each layer, and stop"
    )
    parser.add_argument(
        "--macs",
        type=_limit,
        metavar="N",
        help="MACs a frame that each new weight may take, or 2x for 2 times fewer than a dense one takes",
    )
    parser.add_argument("--joint", action="store_true", help="one network for both weights of the first layer")
    parser.add_argument(
        "--hidden-to",
        type=format_class,
        metavar="FORMAT",
        help="format of the hidden-to-hidden weights (default: dense)",
    )
    parser.add_argument(
        "--hidden-budget", type=_limit, metavar="N", help="parameters that each of them may have, or 10x"
    )
    parser.add_argument(
        "--layer",
        type=lambda text: text.split(","),
        metavar="NAME,...",
        help="which layers of a file, such as encoder.lstm or 'encoder.*'",
    )
    parser.add_argument(
        "--types",
        type=lambda text: text.split(","),
        metavar="KIND,...",
        help="which kinds of layers of a file: LSTM, GRU, RNN, Linear, Embedding (default: LSTM,GRU,RNN)",
    )
    parser.add_argument(
        "--dense-hidden", action="store_true", help="leave the hidden-to-hidden weights of a file dense, which is fast"
    )
    parser.add_argument(
        "--calibrate",
        type=Path,
        metavar="INPUTS",
        help="inputs of the layers, a file of htzoo.record, or .npy (sequences, time, features) of a single layer: the "
        "weights are fitted such that outputs on these inputs change least",
    )
    parser.add_argument(
        "--distill", type=Path, metavar="INPUTS", help="the same, and train the small layers to do what the original do"
    )
    parser.add_argument("--steps", type=positive, default=1000, help="steps of --distill (default: 1000)")
    parser.add_argument(
        "--batch-first", action="store_true", help="the layer of the state dict takes (batch, time, features)"
    )
    parser.add_argument(
        "--nonlinearity", choices=("tanh", "relu"), default="tanh", help="that of a torch.nn.RNN (default: tanh)"
    )
    parser.add_argument(
        "--fine-tune",
        metavar="CONFIG",
        help="train the small model from there with htzoo fit; without --to, CONFIG gives the formats too",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document and nothing else")
    shape = parser.add_argument_group("shape, in place of a budget")
    for name in shape_names:
        shape.add_argument(_flag(name), dest=name, type=_numbers, metavar="N,N" if "mode" in name else "N")
    add_hub_options(parser)
    return parser


def _check_model(parser: argparse.ArgumentParser, given: argparse.Namespace) -> None:
    """Make sure that nothing is given that only files of weights have."""
    alone = [_flag(name) for name in ("plan", "types", "dense_hidden", "calibrate", "distill") if getattr(given, name)]
    if alone:
        parser.error(
            f"{alone[0]} is for files of weights and all their layers: give a state dict, without --hidden-to, "
            "--joint, --macs and shapes"
        )
    if given.to == "auto":
        parser.error("--to auto is for files of weights and all their layers: give the name of a format")
    check_output(parser, given)


def _format_or_auto(text: str) -> Any:
    """``auto``, or the class of a format."""
    return text if text == "auto" else format_class(text)


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _numbers(text: str) -> int | tuple[int, ...]:
    try:
        numbers = tuple(int(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no list of whole numbers, such as 8,10,10") from None
    return numbers if "," in text else numbers[0]


def _limit(text: str) -> tuple[float, bool]:
    """A number of parameters or MACs, or how many times fewer (True)."""
    try:
        number = float(text.removesuffix("x").replace(",", ""))
    except ValueError:
        number = 0
    if not 0 < number < 1e18:
        raise argparse.ArgumentTypeError(
            f"{text!r} is neither a number, such as 5000, nor how many times fewer, such as 50x"
        )
    return number, text.endswith("x")


def _check_without_format(parser: argparse.ArgumentParser, given: argparse.Namespace, names: Sequence[str]) -> None:
    """Make sure that a configuration gives the formats, and nothing else says something of them."""
    alone = [_flag(key) for key in (*LIMITS, *names) if getattr(given, key) is not parser.get_default(key)]
    if alone:
        parser.error(f"{alone[0]} is given without --to: give the format of the input-to-hidden weight")
    if given.fine_tune is None:
        parser.error("give --to and how small, such as --to ht --budget 50x, or --fine-tune CONFIG for its formats")


def _check_shape(parser: argparse.ArgumentParser, to: type[Format], shape: Collection[str]) -> None:
    """Make sure that what is given of a shape is what the format takes."""
    from htzoo.formats.registry import shape_arguments

    if not shape:
        return
    takes = shape_arguments(to)
    wrong = [f"{_flag(key)} is not among them" for key in shape if key not in takes]
    wrong += [f"{_flag(key)} is missing" for key in takes if key not in shape]
    if wrong:
        parser.error(f"--to {to.short_name} takes {', '.join(map(_flag, takes))}: {wrong[0]}")


def _formats(given: argparse.Namespace, shape: dict[str, Any], layer: Any) -> dict[str, LayerFormats]:
    """What becomes of the weights of a layer."""
    if given.to is None:
        return _formats_of(given.fine_tune)
    gates = {"LSTM": 4, "GRU": 3, "RNN": 1}[type(layer).__name__]
    columns = layer.input_size + (layer.hidden_size if given.joint else 0)
    old = ("weight_ih_l0", "weight_hh_l0", "weight_l0") if given.joint else ("weight_ih_l0", "weight_l0")
    if shape:
        chosen = given.to(**shape)
    else:
        budget = _parameters("--budget", given.budget, layer, old)
        chosen = _suggested(given.to, columns, layer.hidden_size, gates, budget, given.macs)
    if given.joint:
        return {"joint_format": chosen}
    hidden = None
    if given.hidden_to is not None:
        size = layer.hidden_size
        budget = _parameters("--hidden-budget", given.hidden_budget, layer, ("weight_hh_l0", "weight_l0"))
        hidden = _suggested(given.hidden_to, size, size, gates, budget, given.macs)
    return {"input_format": chosen, "hidden_format": hidden}


def _formats_of(config: str) -> dict[str, LayerFormats]:
    """The formats that a configuration gives.

    Raises:
        UnknownNameError: there is no such configuration.
        ValueError: it gives none, or one that does not exist.
    """
    from htzoo.configs import load_config
    from htzoo.nn.layer_formats import formats_from_plain

    arguments = load_config(config).get("model", {}).get("init_args", {})
    keys = ("input_format", "hidden_format", "joint_format")
    found = {key: formats_from_plain(arguments[key]) for key in keys if arguments.get(key) is not None}
    if not found:
        raise ValueError(
            f"--fine-tune is {config}, whose weights are dense: give --to and how small, or one with formats"
        )
    return found


def _parameters(flag: str, limit: tuple[float, bool] | None, layer: nn.Module, names: Sequence[str]) -> int | None:
    """How many parameters a limit leaves of the weights of these names."""
    if limit is None:
        return None
    now = sum(value.numel() for name, value in layer.named_parameters() if name.partition(".")[0] in names)
    most = int(now / limit[0] if limit[1] else limit[0])
    if most >= now:
        raise ValueError(f"{flag} allows {most:,} parameters, and there are {now:,} now: give fewer, or 2x for half")
    return max(1, most)


def _suggested(
    kind: type[Format], columns: int, hidden: int, gates: int, budget: int | None, limit: tuple[float, bool] | None
) -> Format:
    """The format within limits of parameters and of MACs."""
    from htzoo.formats.suggest import suggest

    macs = limit and int(gates * hidden * columns / limit[0] if limit[1] else limit[0])
    return suggest(kind, columns, hidden, gates=gates, budget=budget, macs=macs)


def _report(rows: Sequence[Any], before: nn.Module, after: nn.Module, as_json: bool, output: Path) -> None:
    from htzoo.compression.speed import milliseconds

    sizes = [sum(parameter.numel() for parameter in layer.parameters()) for layer in (before, after)]
    times = {
        kind: milliseconds([before, after], training=kind == "training step", repeats=5)
        for kind in ("forward", "training step")
    }
    if as_json:
        print(
            json.dumps(
                {
                    "folder": str(output),
                    "weights": [vars(row) for row in rows],
                    "parameters": {"before": sizes[0], "after": sizes[1]},
                    "milliseconds": {kind: {"before": old, "after": new} for kind, (old, new) in times.items()},
                }
            )
        )
        return
    width = max(len(row.name) for row in rows)
    print(f"{'weight':<{width}}  {'error':>7}  {'parameters':>25}  {'fewer':>9}  format")
    for row in rows:
        error = "-" if row.error is None else f"{row.error:.4f}"
        change = f"{row.before:,} -> {row.after:,}"
        print(f"{row.name:<{width}}  {error:>7}  {change:>25}  {row.before / row.after:>8,.1f}x  {row.format}")
    print(f"whole layer: {sizes[0]:,} -> {sizes[1]:,} parameters, {sizes[0] / sizes[1]:,.1f}x fewer")
    for kind, (old, new) in times.items():
        print(f"{kind}, 16 sequences of 8 steps: {old:.2f} -> {new:.2f} ms, {old / new:.2f} times the speed")
    order = "(batch, time, features)" if after.batch_first else "(time, batch, features)"
    print(f"saved: htzoo.from_pretrained({str(output)!r}), whose recurrent layer takes {order}", flush=True)


def _fine_tune(config: str, words: Sequence[str], formats: dict[str, LayerFormats], output: Path, command: str) -> None:
    """Train from the compressed weights with the settings of a configuration; the best epoch takes their place."""
    from htzoo.cli.training import run as train
    from htzoo.hub.classifier import ZooClassifier
    from htzoo.hub.open_model import open_model
    from htzoo.hub.save import save_pretrained
    from htzoo.hub.training_run import read_training
    from htzoo.nn.layer_arguments import plain_formats

    given = {key: json.dumps(plain_formats(form)) for key, form in formats.items()}
    if "joint_format" in given:
        given |= {"input_format": "null", "hidden_format": "null"}
    flags = [f"--model.init_args.{key}={value}" for key, value in given.items()]
    start = f"--model.init_args.init_from={output}"
    sys.stdout.flush()
    cli = train(["fit", "--config", config, *flags, start, *words])
    assert cli.checkpoints is not None and cli.checkpoints.best is not None
    best = cli.checkpoints.best
    trained = open_model(best, ZooClassifier)
    named = replace(trained.config, name=output.resolve().name)  # the configuration has the name of another
    training = read_training(best)
    if training is not None:  # training alone, from weights that it has replaced, cannot be done again
        training = replace(training, summary=replace(training.summary, command=command))
    save_pretrained(trained, output, named, training=training)
    result = trained.config.result
    reached = "" if result is None else f", test accuracy {result.accuracy:.3f}"
    print(f"{output}: fine-tuned{reached}")
