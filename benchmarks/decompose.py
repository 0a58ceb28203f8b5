"""Decomposition against tensorly: relative error and time of TT, Tucker and CP on one matrix.

    pip install tensorly
    OMP_NUM_THREADS=1 python benchmarks/decompose.py [--in-modes 10 12 12 10] [--out-modes 4 4 4 4] [--repeat 3]

The matrix is a sum of 40 rank-one tensors that become smaller and smaller, and a tenth of noise: no rank is enough.
tensorly decomposes the tensor whose axis k is the pair of modes k (TT) or one mode (Tucker, CP), which is what our
networks stand for. Both work in float64. The sweeps are as many for both; ours of CP begin with ten of each of a few
starts. The table goes to standard output: median time in seconds, and error.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable

import tensorly
import torch
from tensorly.decomposition import parafac, tensor_train, tucker
from torch import Tensor

from htzoo.formats import TensorTrain
from htzoo.formats.decompose import from_dense
from htzoo.formats.merge import to_dense
from htzoo.formats.network import Core, Network

RANK, SWEEPS, TERMS = 8, 30, 40
IN_MODES, OUT_MODES = (10, 12, 12, 10), (4, 4, 4, 4)


def main(words: list[str]) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--in-modes", type=int, nargs=4, default=IN_MODES)
    parser.add_argument("--out-modes", type=int, nargs=4, default=OUT_MODES)
    parser.add_argument("--repeat", type=int, default=3)
    given = parser.parse_args(words)
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
        f"CP, rank {RANK}, until it stops": {
            "htzoo": lambda: from_dense(matrix, polyadic).error,
            "tensorly": lambda: rebuilt(
                parafac(single, RANK, n_iter_max=500, init="random", tol=1e-6).to_tensor(), single
            ),
        },
    }
    print(f"{matrix.shape[0]} x {matrix.shape[1]}, {torch.get_num_threads()} thread(s), torch {torch.__version__},")
    print(f"tensorly {tensorly.__version__}, median of {given.repeat}\n")
    print("| method | package | seconds | relative error |\n|---|---|---|---|")
    for method, packages in methods.items():
        for package, run in packages.items():
            seconds, errors = [], []
            for repeat in range(given.repeat):
                torch.manual_seed(repeat)
                start = time.perf_counter()
                errors.append(run())
                seconds.append(time.perf_counter() - start)
            print(f"| {method} | {package} | {statistics.median(seconds):.2f} | {statistics.median(errors):.6f} |")
            sys.stdout.flush()
    return 0


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
    sys.exit(main(sys.argv[1:]))
