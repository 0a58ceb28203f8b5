"""Decomposition against tensorly: relative error and time of TT, Tucker and CP on one matrix.

    pip install tensorly
    python benchmarks/decomposition.py [--threads 1] [--in-modes 10 12 12 10] [--out-modes 4 4 4 4] [--json FILE]

The matrix is a sum of 40 rank-one tensors of decreasing size plus 10 % noise, so that no rank is exact. tensorly
decomposes the tensor whose axis k is the k-th pair of modes (TT) or a single mode (Tucker, CP), which is the structure
of our networks. Both work in float64 with the same number of sweeps; our CP begins with ten sweeps from each of a few
starts. The table has the medians of time and error.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from torch import Tensor

from htzoo.cli.arguments import positive
from htzoo.files import replacing
from htzoo.formats import TensorTrain
from htzoo.formats.contract import to_dense
from htzoo.formats.decompose import from_dense
from htzoo.formats.network import Core, Network
from htzoo.report.machine import describe_machine, machine_line

RANK, SWEEPS, TERMS = 8, 30, 40
IN_MODES, OUT_MODES = (10, 12, 12, 10), (4, 4, 4, 4)


def main() -> int:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--in-modes", type=int, nargs=4, default=IN_MODES)
    parser.add_argument("--out-modes", type=int, nargs=4, default=OUT_MODES)
    parser.add_argument("--threads", type=positive, default=1)
    parser.add_argument("--repeats", type=positive, default=3)
    parser.add_argument("--json", type=Path, help="write the results to this file too")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    import tensorly  # only here: benchmarks/speed_page.py, which wants the table, does without it
    from tensorly.decomposition import parafac, tensor_train, tucker

    tensorly.set_backend("pytorch")
    torch.manual_seed(0)
    in_modes, out_modes = tuple(given.in_modes), tuple(given.out_modes)
    matrix = _matrix(in_modes, out_modes)
    single = matrix.reshape(*out_modes, *in_modes)
    paired = single.permute([axis for k in range(4) for axis in (k + 4, k)])
    paired = paired.reshape([n * m for n, m in zip(in_modes, out_modes, strict=True)])
    names = [*(f"o{k}" for k in range(1, 5)), *(f"i{k}" for k in range(1, 5))]
    train = TensorTrain(in_modes, out_modes, RANK)
    ranks = [min(3, size) for size in single.shape]
    core = Core.of("core", **{f"r_{name}": rank for name, rank in zip(names, ranks, strict=True)})
    factors = [Core.of(n, **{n: size, f"r_{n}": r}) for n, size, r in zip(names, single.shape, ranks, strict=True)]
    stars = Network((core, *factors), tuple(names[4:]), tuple(names[:4]))
    polyadic = Network(
        tuple(Core.of(n, **{n: size}, r=RANK) for n, size in zip(names, single.shape, strict=True)),
        tuple(names[4:]),
        tuple(names[:4]),
    )

    def rebuilt(tensor: Tensor, whole: Tensor) -> float:
        return ((tensor - whole).norm() / whole.norm()).item()

    methods: dict[str, dict[str, Callable[[], float]]] = {
        f"TT, rank {RANK}": {
            "htzoo": lambda: from_dense(matrix, train).error,
            "tensorly": lambda: rebuilt(tensor_train(paired, [1, RANK, RANK, RANK, 1]).to_tensor(), paired),
        },
        "Tucker, rank 3, 1 sweep": {
            "htzoo": lambda: from_dense(matrix, stars, sweeps=1).error,
            "tensorly": lambda: rebuilt(tensorly.tucker_to_tensor(tucker(single, ranks, n_iter_max=1)), single),
        },
        f"Tucker, rank 3, {SWEEPS} sweeps": {
            "htzoo": lambda: from_dense(matrix, stars, sweeps=SWEEPS, tolerance=0).error,
            "tensorly": lambda: rebuilt(
                tensorly.tucker_to_tensor(tucker(single, ranks, n_iter_max=SWEEPS, tol=0)), single
            ),
        },
        f"CP, rank {RANK}, {SWEEPS} sweeps": {
            "htzoo": lambda: from_dense(matrix, polyadic, sweeps=SWEEPS, tolerance=0).error,
            "tensorly": lambda: rebuilt(
                parafac(single, RANK, n_iter_max=SWEEPS, init="random", tol=0).to_tensor(), single
            ),
        },
        f"CP, rank {RANK}, until a sweep gains 1e-6": {
            "htzoo": lambda: from_dense(matrix, polyadic, tolerance=1e-6).error,
            "tensorly": lambda: rebuilt(
                parafac(single, RANK, n_iter_max=500, init="random", tol=1e-6).to_tensor(), single
            ),
        },
    }
    document = {
        "command": f"python benchmarks/decomposition.py --threads {given.threads} --repeats {given.repeats}",
        **describe_machine(torch.device("cpu")),
        "packages": {"tensorly": tensorly.__version__},
        "matrix": list(matrix.shape),
        "rows": [
            {"method": method, "package": package, **_measured(run, given.repeats)}
            for method, packages in methods.items()
            for package, run in packages.items()
        ],
    }
    if given.json is not None:
        with replacing(given.json) as temporary:
            temporary.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    print(f"{table(document)}\n\n{machine_line(document)}; tensorly {tensorly.__version__}")
    return 0


def table(document: dict[str, Any]) -> str:
    """What was measured, as Markdown."""
    lines = ["| method | package | seconds | relative error |", "|---|---|---:|---:|"]
    for row in document["rows"]:
        lines.append(f"| {row['method']} | {row['package']} | {row['seconds']:.2f} | {row['error']:.6f} |")
    return "\n".join(lines)


def _measured(run: Callable[[], float], repeats: int) -> dict[str, float]:
    """Median time, and median error, over as many seeds."""
    seconds, errors = [], []
    for repeat in range(repeats):
        torch.manual_seed(repeat)
        start = perf_counter()
        errors.append(run())
        seconds.append(perf_counter() - start)
    return {"seconds": statistics.median(seconds), "error": statistics.median(errors)}


def _matrix(in_modes: tuple[int, ...], out_modes: tuple[int, ...]) -> Tensor:
    """A sum of rank-one tensors that become smaller and smaller, and a tenth of noise."""
    sizes = {f"{side}{k}": size for side, modes in (("i", in_modes), ("o", out_modes)) for k, size in enumerate(modes)}
    edges = tuple(sizes)
    network = Network(
        tuple(Core.of(edge, **{edge: size}, r=TERMS) for edge, size in sizes.items()), edges[:4], edges[4:]
    )
    factors = [torch.randn(core.shape, dtype=torch.float64) for core in network.cores]
    factors[0] *= 2.0 ** (-torch.arange(TERMS) / 4)
    matrix = to_dense(network, factors)
    noise = torch.randn(matrix.shape, dtype=torch.float64)
    return matrix + 0.1 * matrix.norm() / noise.norm() * noise


if __name__ == "__main__":
    sys.exit(main())
