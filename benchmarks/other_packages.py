"""A training step of htzoo's LSTM against those of other packages, format by format.

    pip install -r benchmarks/requirements.txt
    python benchmarks/other_packages.py --threads 1 [--setting ucf11|cnn] [--repeats 5] [--json FILE]

All layers run in turns in one process, as in ``htzoo bench``, with the same frames, sizes, modes and ranks. Layers of
other packages are used as they are: tednet's LSTMs without dropout; tensorly-torch has no recurrent layers, so its
factorized linear layer, applied to all frames at once, precedes the same hand-written loop over time that the dense
baseline has. Packages that are not installed are skipped. The hidden-to-hidden weights are dense. The last column is
the step time of the fastest other package for the same format divided by htzoo's.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import io
import json
import sys
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from htzoo.bench import measure
from htzoo.bench.baselines import HandLoop
from htzoo.bench.measure import Contestant
from htzoo.bench.settings import SETTINGS, Setting
from htzoo.bench.table import heading, markdown, results
from htzoo.cli.arguments import positive
from htzoo.files import replacing
from htzoo.formats import CP, BlockTerm, TensorRing, TensorTrain, Tucker
from htzoo.report.machine import describe_machine, machine_line

PACKAGES = {"tednet": "tednet", "tltorch": "tensorly-torch"}  # module: name of the distribution
# Separate input and output nodes, four each: faster for tednet than the paper's eight and five.
RINGS = {"ucf11": TensorRing((8, 20, 20, 18), (4, 4, 4, 4), 5), "cnn": TensorRing((8, 16, 16), (16, 16, 8), 5)}


class TimeFirst(nn.Module):
    """A layer of tednet, which wants (time, batch, features) and a state, as one of ours."""

    def __init__(self, layer: nn.Module, hidden_size: int) -> None:
        super().__init__()
        self.layer = layer
        self.hidden_size = hidden_size

    def forward(self, x: Tensor) -> tuple[Tensor, Any]:
        """Outputs (batch, time, hidden_size) of ``x`` (batch, time, input_size)."""
        zero = x.new_zeros(x.shape[0], self.hidden_size)
        y, state = self.layer(x.transpose(0, 1), (zero, zero))
        return y.transpose(0, 1), state


def main() -> int:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--setting", choices=tuple(SETTINGS), default="ucf11")
    parser.add_argument("--repeats", type=positive, default=5)
    parser.add_argument("--threads", type=positive, default=1)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--json", type=Path, help="write the results to this file too")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    torch.manual_seed(0)
    device = torch.device(given.device)
    setting = _setting(given.setting)
    entries = measure.baselines(setting, device, hidden_floor=False)
    entries |= measure.layers(setting, device)
    entries |= _peers(setting, device)
    result = results(setting, measure.measure(entries, setting, device, given.repeats))
    _compare(result)
    packages = {name: version(name) for module, name in PACKAGES.items() if importlib.util.find_spec(module)}
    command = (
        f"python benchmarks/other_packages.py --setting {given.setting} "
        f"--threads {given.threads} --repeats {given.repeats}"
    )
    document = {"command": command, **describe_machine(device), "packages": packages, "settings": [result]}
    if given.json is not None:
        with replacing(given.json) as temporary:
            temporary.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    print(f"{heading(result)}\n\n{markdown(result, gpu=device.type == 'cuda')}\n\n{compared(result)}\n")
    print(f"{machine_line(document)}; {', '.join(f'{name} {number}' for name, number in packages.items())}")
    return 0


def compared(result: dict[str, Any]) -> str:
    """The table of every format beside the best other package."""
    lines = [
        "| format | htzoo step ms | best other package | its step ms | its step / htzoo's |",
        "|---|---:|---|---:|---:|",
    ]
    for name, (row, rival, ratio) in result["compared"].items():
        lines.append(f"| {name} | {row:,.1f} | {rival[0]} | {rival[1]:,.1f} | {ratio:.1f} |")
    return "\n".join(lines)


def _setting(name: str) -> Setting:
    """The setting, with the layers whose format some other package has."""
    whole = SETTINGS[name]((TensorTrain, TensorRing, BlockTerm, CP, Tucker))
    if name == "ucf11":
        return replace(whole, layers={**whole.layers, "TensorRing, 4 + 4 modes": {"input_format": RINGS[name]}})
    chosen = {row.split(",")[0]: formats["input_format"] for row, formats in whole.layers.items() if "both" in row}
    return replace(whole, layers={row: {"input_format": one} for row, one in chosen.items()})


def _peers(setting: Setting, device: torch.device) -> dict[str, Contestant]:
    """The layers of other packages, for the formats of the setting."""
    found = {}
    for module, package in PACKAGES.items():
        if importlib.util.find_spec(module) is None:
            print(f"{package} is not installed: its rows are skipped", file=sys.stderr)
    for row, formats in setting.layers.items():
        chosen = formats["input_format"]
        for package, make in (("tednet", _tednet), ("tltorch", _tensorly_torch)):
            if importlib.util.find_spec(package):
                with contextlib.redirect_stdout(io.StringIO()):  # tednet prints its ranks
                    made = make(chosen, setting)
                for variant, (layer, size) in made.items():
                    found[f"{row}, {PACKAGES[package]}{variant}"] = Contestant(layer.to(device), True, size, None)
    return found


def _tednet(chosen: Any, setting: Setting) -> dict[str, tuple[nn.Module, int]]:
    from tednet.tnn import bt_tucker, cp, tensor_ring, tensor_train

    no_dropout = {"drop_ih": 0.0, "drop_hh": 0.0}
    modes = list(chosen.in_modes), list(chosen.out_modes)
    if isinstance(chosen, TensorTrain):
        layer = tensor_train.TTLSTM(*modes, list(chosen.rank), **no_dropout)
    elif isinstance(chosen, TensorRing):
        layer = tensor_ring.TRLSTM(*modes, list(chosen.rank), **no_dropout)
    elif isinstance(chosen, BlockTerm):
        ranks = [chosen.rank] * len(chosen.in_modes)
        layer = bt_tucker.BTTLSTM(*modes, ranks, chosen.blocks, **no_dropout)
    elif isinstance(chosen, CP):
        layer = cp.CPLSTM(*modes, chosen.rank, **no_dropout)
    else:
        return {}
    size = sum(value.numel() for name, value in layer.cell.weight_ih.named_parameters() if "bias" not in name)
    return {"": (TimeFirst(layer, setting.hidden_size), size)}


def _tensorly_torch(chosen: Any, setting: Setting) -> dict[str, tuple[nn.Module, int]]:
    from tltorch import FactorizedLinear

    if isinstance(chosen, TensorTrain):
        kind, rank = "blocktt", (1, *chosen.rank, 1)
    elif isinstance(chosen, CP):
        kind, rank = "cp", chosen.rank
    elif isinstance(chosen, Tucker):
        kind, rank = "tucker", (*chosen.rank[len(chosen.in_modes) :], *chosen.rank[: len(chosen.in_modes)])
    else:
        return {}
    outputs = (4 * chosen.out_modes[0], *chosen.out_modes[1:])
    made = {}
    for implementation in ("factorized", "reconstructed"):
        linear = FactorizedLinear(
            chosen.in_modes, outputs, bias=False, factorization=kind, rank=rank, implementation=implementation
        )
        layer = HandLoop("LSTM", 1, setting.hidden_size)
        layer.input = linear
        made[f" {implementation}"] = layer, sum(value.numel() for value in linear.parameters())
    return made


def _compare(result: dict[str, Any]) -> None:
    """Add, for every format, the step of the fastest other package and its ratio to htzoo's."""
    steps = {row["name"]: row["step"]["median"] for row in result["rows"] if row["step"] is not None}
    own = [row["name"] for row in result["rows"] if row["step"] is not None and not row["baseline"]]
    result["compared"] = {}
    for name in own:
        known = tuple(f"{name}, {package}" for package in PACKAGES.values())
        others = {other.removeprefix(f"{name}, "): step for other, step in steps.items() if other.startswith(known)}
        if others:
            best = min(others.items(), key=lambda item: item[1])
            result["compared"][name] = steps[name], best, best[1] / steps[name]


if __name__ == "__main__":
    sys.exit(main())
