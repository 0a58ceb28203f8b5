"""How the cost of a contraction grows with the number of modes, the rank, the input size and the batch, by format.

    python benchmarks/cost_scaling.py [--threads 1] [--repeats 5] [--json benchmarks/results/scaling.json]
    python benchmarks/speed_page.py   # draws docs/scaling.png from that file

Measured is one training step of one weight: forward, and the gradients of its cores. The planned MACs of the forward
pass, per row, are recorded beside it. One quantity varies at a time; the others stay at 4 modes, rank 4, 65,536 inputs,
96 rows and 4 x 256 outputs. Modes are as equal as possible, ascending for the input and descending for the output. KCP
has rank 2 and half the rank as its number of terms; Tucker has half the rank; BT has one block.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from htzoo.bench.measure import Time, seconds
from htzoo.cli.arguments import positive
from htzoo.files import replacing
from htzoo.formats import (
    CP,
    BlockTerm,
    Format,
    HierarchicalTucker,
    KroneckerCP,
    TensorRing,
    TensorTrain,
    Tucker,
    count_macs,
)
from htzoo.formats.suggest import balanced_modes
from htzoo.nn import Weight
from htzoo.report.machine import describe_machine

OUTPUTS, GATES = 256, 4
BASE = {"modes": 4, "rank": 4, "inputs": 2**16, "rows": 96}
SWEEPS = {
    "modes": [2, 3, 4, 5, 6],
    "rank": [1, 2, 4, 8, 16],
    "inputs": [2**k for k in range(10, 20, 2)],
    "rows": [1, 4, 16, 64, 256, 1024],
}
LARGEST_CORE = 5000  # numbers in the core tensor of BT and Tucker, which grows as a power of the number of modes
Modes = tuple[int, ...]
FORMATS: dict[str, Callable[[Modes, Modes, int], Format]] = {
    "HT": lambda n, m, rank: HierarchicalTucker(n, m, rank, rank),
    "TT": TensorTrain,
    "TR": TensorRing,
    "BT": lambda n, m, rank: BlockTerm(n, m, rank, 1),
    "KCP": lambda n, m, rank: KroneckerCP(n, m, 2, max(1, rank // 2)),
    "CP": CP,
    "Tucker": lambda n, m, rank: Tucker(n, m, max(1, rank // 2)),
}


def main() -> int:
    """Measure, and write the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=positive, default=1)
    parser.add_argument("--repeats", type=positive, default=5)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--json", type=Path, default=Path("benchmarks/results/scaling.json"))
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    torch.manual_seed(0)
    device = torch.device(given.device)
    points = [{**BASE, key: value, "sweep": key} for key, values in SWEEPS.items() for value in values]
    measured = [_point(point, device, given.repeats) for point in tqdm(points, desc="measuring", disable=None)]
    document = {
        "command": " ".join(["python", *sys.argv]),
        **describe_machine(device),
        "base": BASE,
        "points": measured,
    }
    with replacing(given.json) as temporary:
        temporary.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    print(f"{given.json} written; python benchmarks/speed_page.py draws it")
    return 0


def _point(point: dict[str, Any], device: torch.device, repeats: int) -> dict[str, Any]:
    """All formats in turns at one point."""
    modes = balanced_modes(point["inputs"], point["modes"]), balanced_modes(OUTPUTS, point["modes"])[::-1]
    x = torch.randn(point["rows"], point["inputs"], device=device)
    upstream = torch.randn(point["rows"], GATES * OUTPUTS, device=device)
    weights = {}
    for name, make in FORMATS.items():
        try:
            network = make(*modes, point["rank"]).network(point["inputs"], OUTPUTS, GATES)
        except ValueError:  # a rank that these modes cannot use
            continue
        if all(math.prod(core.shape) <= LARGEST_CORE for core in network.cores if core.name == "core"):
            weights[name] = Weight(make(*modes, point["rank"]), point["inputs"], OUTPUTS, GATES, device=device)
    times: dict[str, list[float]] = {name: [] for name in weights}
    for repeat in range(-2, repeats):
        for name, weight in weights.items():
            taken = seconds(lambda weight=weight: torch.autograd.grad(weight(x), weight.cores, upstream), device)
            if repeat >= 0:
                times[name].append(taken)
    found = {
        name: {
            "step": Time.of(times[name]).median,
            "macs": count_macs(weight.network, point["rows"]),
            "parameters": weight.num_parameters,
        }
        for name, weight in weights.items()
    }
    return {**point, "formats": found}


if __name__ == "__main__":
    sys.exit(main())
