"""Time the product of every format against the dense product, and against a floor of two plain skinny products.

    OMP_NUM_THREADS=1 python benchmarks/formats.py [--rows 96] [--repeats 15]

The weight is that of an LSTM over frames: 57,600 inputs, 4 x 256 outputs; rows are frames. A step is forward and
backward without the gradient of the frames. The floor is ``x @ A @ B`` with A of shape (57600, 4) and B of shape
(4, 1024). All rows of the table are measured in turns, so that a busy machine slows all of them alike; compare ratios,
not milliseconds. The prediction is for an idle core; ``multiply`` itself plans for the next power of two of rows.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor

from htzoo.formats import (
    CP,
    BlockTerm,
    Format,
    HierarchicalTucker,
    KroneckerCP,
    TensorRing,
    TensorTrain,
    Tucker,
)
from htzoo.formats.initialize import initialize
from htzoo.formats.multiply import multiply
from htzoo.formats.plan import plan

IN_FEATURES, OUT_FEATURES, GATES = 57600, 256, 4
FORMATS: dict[str, Format] = {
    "HT": HierarchicalTucker((8, 10, 10, 9, 8), (4, 4, 2, 4, 2), leaf_rank=4, inner_rank=5),
    "TT": TensorTrain((8, 20, 20, 18), (4, 4, 4, 4), 4),
    "TR": TensorRing((4, 2, 5, 8, 6, 5, 3, 2), (4, 4, 2, 4, 2), (10, *[5] * 12)),
    "BT": BlockTerm((8, 20, 20, 18), (4, 4, 4, 4), rank=4, blocks=2),
    "CP": CP((8, 20, 20, 18), (4, 4, 4, 4), 10),
    "KCP": KroneckerCP((4, 20, 20, 36), (2, 8, 8, 2), rank=2, terms=1),
    "Tucker": Tucker((8, 20, 20, 18), (4, 4, 4, 4), 2),
}


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=96)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--only", nargs="+", choices=FORMATS, default=list(FORMATS))
    arguments = parser.parse_args()
    torch.manual_seed(0)
    x = torch.randn(arguments.rows, IN_FEATURES)
    upstream = torch.randn(arguments.rows, GATES * OUT_FEATURES)
    skinny = [torch.randn(IN_FEATURES, 4, requires_grad=True), torch.randn(4, GATES * OUT_FEATURES, requires_grad=True)]
    matrix = torch.randn(IN_FEATURES, GATES * OUT_FEATURES).mul_(0.004).requires_grad_()
    contestants: dict[str, tuple[Callable[[], Tensor], list[Tensor]]] = {
        "dense": (lambda: x @ matrix, [matrix]),
        "floor": (lambda: x @ skinny[0] @ skinny[1], skinny),
    }
    facts = dict.fromkeys(contestants, ("", "", ""))
    for name in arguments.only:
        network = FORMATS[name].network(IN_FEATURES, OUT_FEATURES, GATES)
        cores = [torch.empty(core.shape, requires_grad=True) for core in network.cores]
        initialize(network, cores)
        contestants[name] = (lambda network=network, cores=cores: multiply(network, cores, x), cores)  # type: ignore[misc]
        chain = plan(network, arguments.rows)
        facts[name] = (f"{network.num_parameters:,}", str(len(chain.products)), f"{chain.seconds * 1e3:.1f}")

    forward: dict[str, list[float]] = {name: [] for name in contestants}
    step: dict[str, list[float]] = {name: [] for name in contestants}
    for repeat in range(-2, arguments.repeats):  # two rounds to warm up
        for name, (function, parameters) in contestants.items():
            if name == "dense" and repeat > 2:
                continue
            start = time.perf_counter()
            y = function()
            middle = time.perf_counter()
            torch.autograd.grad(y, parameters, upstream)
            if repeat >= 0:
                forward[name].append(middle - start)
                step[name].append(time.perf_counter() - start)

    medians = {name: statistics.median(times) for name, times in step.items()}
    print(f"torch {torch.__version__}, {torch.get_num_threads()} thread(s), {arguments.rows} rows, medians")
    print("format   parameters  products  predicted ms  forward ms   step ms  dense / it  it / floor")
    for name, seconds in medians.items():
        parameters_text, products, predicted = facts[name]
        print(
            f"{name:8} {parameters_text:>10}  {products:>8}  {predicted:>12}  "
            f"{statistics.median(forward[name]) * 1e3:10.1f}  {seconds * 1e3:8.1f}  "
            f"{medians['dense'] / seconds:10.1f}  {seconds / medians['floor']:10.2f}"
        )


if __name__ == "__main__":
    main()
