"""``htzoo compress`` of weights that come from other programs: every layer of a file, one budget."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor, nn

    from htzoo.compression.compress_model import CompressionReport
    from htzoo.compression.plan import Plan
    from htzoo.compression.state_file import StateFile


def is_file_of_weights(path: Path) -> bool:
    """Whether a path is weights of another program, and not a run of htzoo, a folder, or a name."""
    from htzoo.compression.state_file import is_state_file
    from htzoo.hub.training_run import is_of_run

    is_run = path.suffix == ".ckpt" and path.is_file() and is_of_run(path)
    return is_state_file(path) and not path.is_dir() and not is_run


def check_output(parser: argparse.ArgumentParser, given: argparse.Namespace) -> None:
    """Make sure that there is an output, and that it is new."""
    if given.output is None:
        parser.error("--output is missing: give a new folder")
    if given.output.exists() and (not given.output.is_dir() or any(given.output.iterdir())):
        parser.error(f"--output is {given.output}, which is there already: give a new folder")


def one_layer(parser: argparse.ArgumentParser, given: argparse.Namespace, path: Path) -> nn.Module:
    """The layer of a file that formats are given for."""
    from htzoo.compression.state_file import StateFile

    if given.fine_tune is not None:
        parser.error("--fine-tune trains video models: train the layer in the program that it comes from")
    file = StateFile(path)
    found = file.layers(given.layer, None, batch_first=given.batch_first, nonlinearity=given.nonlinearity)
    if len(found) > 1:
        names = ", ".join(map(repr, found))
        raise ValueError(f"{path} holds {len(found)} layers: say which one is meant with --layer, of {names}")
    return next(iter(found.values()))


def _check_file(parser: argparse.ArgumentParser, given: argparse.Namespace) -> None:
    """Make sure that what is given goes together with a file of weights."""
    from htzoo.compression.find_layers import KINDS

    if given.fine_tune is not None:
        parser.error("--fine-tune trains video models: give --distill, or train in its own program")
    for kind in given.types or ():
        if kind not in KINDS:
            parser.error(f"--types has {kind!r}: give some of {', '.join(KINDS)}")
    if given.plan:
        return
    if given.budget is None:
        parser.error("--budget is missing: give a number of parameters, or 8x; --plan shows what is possible")
    if given.hidden_budget is not None:
        parser.error("--hidden-budget is given without --hidden-to: give both")
    check_output(parser, given)
    number, is_ratio = given.budget
    given.budget = f"{number:g}x" if is_ratio else int(number)
    given.to = given.to if given.to in (None, "auto") else given.to.short_name


def compress_file(parser: argparse.ArgumentParser, given: argparse.Namespace) -> None:
    """Compress the layers of a file, or only show where its parameters are.

    Args:
        parser: for errors of the command line.
        given: the command line.
    """
    _check_file(parser, given)
    from htzoo.compression.compress_model import compress_model
    from htzoo.compression.plan import plan
    from htzoo.compression.record import read_recorded
    from htzoo.compression.state_file import Layers, StateFile

    file = StateFile(Path(given.model))
    found = file.layers(given.layer, given.types, batch_first=given.batch_first, nonlinearity=given.nonlinearity)
    consumed = {f"{name}.{key}".removeprefix(".") for name, layer in found.items() for key in layer.state_dict()}
    beside = sorted(file.state.keys() - consumed)
    if "" in found and beside:
        raise ValueError(
            f"{given.model} holds a layer without a name beside {beside[0]}: compress the whole model in Python with "
            "htzoo.compress, or give the state dict of the layer alone"
        )
    model: nn.Module = found[""] if "" in found else Layers(found)
    others = sum(value.numel() for value in file.state.values()) - sum(p.numel() for p in model.parameters())
    recorded = given.distill or given.calibrate
    batches: list[Any] | None = None
    if recorded is not None:
        batches = list(read_recorded(recorded, list(found)))
        if "" in found:
            batches = [batch[""] for batch in batches]
    if given.plan:
        _print_plan(plan(model, batches, types=given.types, other_parameters=others), given.json)
        return
    teacher = deepcopy(model)
    small, report = compress_model(
        model,
        given.budget,
        to=given.to or "auto",
        types=given.types,
        dense_hidden=given.dense_hidden,
        calibration=batches,
    )
    times = _times(teacher, small, list(found))
    if not given.json:
        _print_report(report, others, times)
    distilled = None
    if given.distill is not None:
        from htzoo.compression.distill import distill

        assert batches is not None
        # Beside the output, which is to be whole or absent: the same command goes on from there.
        checkpoints = given.output.with_name(f".{given.output.name}.distilling")
        with redirect_stdout(sys.stderr):  # the bar
            distilled = distill(small, teacher, batches, steps=given.steps, checkpoints=checkpoints)
        if not given.json:
            print(f"distilled: error of the outputs on held-out inputs {distilled.before:.3f} -> {distilled.after:.3f}")
    _save(small, {key: file.state[key] for key in beside}, file, given.output)
    if given.json:
        print(json.dumps(_document(report, others, times, distilled, given.output)))
    else:
        _print_loading(small, given.output)


def _save(model: nn.Module, others: dict[str, Tensor], file: StateFile, output: Path) -> None:
    """A folder of :func:`htzoo.from_pretrained` for a file that is one layer; the whole model's weights otherwise."""
    from htzoo.compression.folder import save_compressed
    from htzoo.compression.state_file import Layers
    from htzoo.hub.save import save_pretrained

    if not isinstance(model, Layers):
        save_pretrained(model, output)
        return
    for name in model.names:  # the layers were read in float32
        first = next(key for key in file.state if key.startswith(f"{name}."))
        model.get_submodule(name).to(file.state[first].dtype)
    save_compressed(model, output, others=others)


def _times(before: nn.Module, after: nn.Module, names: Sequence[str]) -> dict[str, tuple[float, float]]:
    """Milliseconds of the forward of all layers together, before and after, at every size."""
    from htzoo.compression.speed import CASES, milliseconds

    found = {}
    for case in CASES:
        pairs = [milliseconds([before.get_submodule(name), after.get_submodule(name)], case) for name in names]
        old, new = (sum(values) for values in zip(*pairs))
        found[str(case)] = round(old, 3), round(new, 3)
    return found


def _print_plan(plan: Plan, as_json: bool) -> None:
    if as_json:
        rows = [vars(row) for row in plan.layers]
        best = {"layers": plan.best_layers, "model": plan.best_model}
        print(json.dumps({"layers": rows, "parameters": plan.parameters, "best": best}))
        return
    width = max(len("layer"), *(len(row.name) for row in plan.layers))
    print(f"{'layer':<{width}}  {'kind':<9}  {'parameters':>12}  {'share':>6}  {'MACs/step':>11}  {'time':>9}  at best")
    for row in plan.layers:
        time = "-" if row.milliseconds is None else f"{row.milliseconds:.1f} ms"
        least = f"{row.least:,}" if row.skipped is None else f"left alone: {row.skipped}"
        print(
            f"{row.name:<{width}}  {row.kind:<9}  {row.parameters:>12,}  {row.share:>6.1%}  {row.macs:>11,}  "
            f"{time:>9}  {least}"
        )
    print(
        f"whole model: {plan.parameters:,} parameters; with rank 1 everywhere, the least there is, these layers have "
        f"{plan.best_layers:,.1f}x fewer and the whole model {plan.best_model:,.1f}x fewer"
    )


def _print_report(report: CompressionReport, others: int, times: dict[str, tuple[float, float]]) -> None:
    width = max(len(row.name) for row in report.weights)
    print(f"{'weight':<{width}}  {'error':>7}  {'of outputs':>10}  {'parameters':>25}  {'fewer':>9}  format")
    for row in report.weights:
        errors = ["-" if error is None else f"{error:.4f}" for error in (row.error, row.output_error)]
        change = f"{row.before:,} -> {row.after:,}"
        print(
            f"{row.name:<{width}}  {errors[0]:>7}  {errors[1]:>10}  {change:>25}  {row.before / row.after:>8,.1f}x  "
            f"{row.format}"
        )
    for name, reason in report.skipped.items():
        print(f"{name}: left alone, {reason}")
    layers, model = report.layers_before / report.layers_after, report.model_before + others
    now = report.model_after + others
    print(f"these layers: {report.layers_before:,} -> {report.layers_after:,} parameters, {layers:,.1f}x fewer")
    print(f"whole model: {model:,} -> {now:,} parameters, {model / now:,.1f}x fewer")
    if report.output_error is not None:
        print(f"error of the layers' outputs on the given inputs: {report.output_error:.3f}")
    slower = []
    for case, (old, new) in times.items():
        print(f"forward, {case}: {old:.2f} -> {new:.2f} ms, {old / new:.2f} times the speed")
        if new > old:
            slower.append(case)
    if slower:
        print(
            f"SLOWER than before at {' and at '.join(slower)}: --dense-hidden keeps the recurrence as fast as it was, "
            "a smaller budget takes fewer MACs"
        )


def _print_loading(model: nn.Module, output: Path) -> None:
    from htzoo.compression.state_file import Layers

    if not isinstance(model, Layers):
        order = "(batch, time, features)" if getattr(model, "batch_first", False) else "(time, batch, features)"
        print(f"saved: htzoo.from_pretrained({str(output)!r}), whose recurrent layer takes {order}", flush=True)
        return
    print(f"saved the weights of the whole model in {output}. To load them:\n")
    print("    import htzoo")
    print("    model = YourModel()  # the class that the original weights are of")
    print(f"    htzoo.load_compressed(model, {str(output)!r})", flush=True)


def _document(
    report: CompressionReport, others: int, times: dict[str, tuple[float, float]], distilled: Any, output: Path
) -> dict[str, Any]:
    return {
        "folder": str(output),
        "weights": [vars(row) for row in report.weights],
        "parameters": {"before": report.layers_before, "after": report.layers_after},
        "model_parameters": {"before": report.model_before + others, "after": report.model_after + others},
        "output_error": report.output_error,
        "skipped": report.skipped,
        "milliseconds": {case: {"before": old, "after": new} for case, (old, new) in times.items()},
        "distilled": None if distilled is None else distilled._asdict(),
    }
