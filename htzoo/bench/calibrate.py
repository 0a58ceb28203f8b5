"""Measure the constants of the cost model (:class:`htzoo.formats.machine.Machine`) on this machine, each one alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from htzoo.bench.measure import seconds
from htzoo.formats.apply import forward
from htzoo.formats.chain import Chain, Link
from htzoo.formats.machine import CPU, GPU, NATIVE, Machine
from htzoo.formats.matmul import matmul
from htzoo.native.library import library

REPEATS = 30  # the fastest counts: whatever else runs only makes it slower
MEMORY = 1 << 24  # values of a tensor that no cache holds, 64 MB
CACHED = 1 << 15  # values of a tensor that a core's cache holds, 128 KB
ROWS = 4096


@dataclass(frozen=True)
class Measured:
    """One constant.

    Args:
        machine: the way to run a chain: ``CPU``, ``NATIVE`` or ``GPU``.
        name: the attribute of :class:`Machine`.
        in_use: its value there.
        here: its value on this machine.
    """

    machine: str
    name: str
    in_use: float
    here: float


@torch.no_grad()
def calibrate(device: torch.device) -> list[Measured]:
    """Constants of every way to run a chain on the device, with PyTorch's current number of threads.

    Sizes that are chosen rather than measured (``cache``, ``piece``, ``cached_matrix``, ``vector``) are not among them.
    """
    machines: dict[str, tuple[Machine, Mapping[str, float]]] = {}
    plain = _pytorch(device)
    machines["GPU" if device.type == "cuda" else "CPU"] = (GPU if device.type == "cuda" else CPU), plain
    if device.type == "cpu" and library() is not None:
        machines["NATIVE"] = NATIVE, {**_memory(device), **_compiled()}
    return [
        Measured(label, name, getattr(machine, name), here)
        for label, (machine, found) in machines.items()
        for name, here in found.items()
    ]


def calibration_table(found: Sequence[Measured]) -> str:
    """The constants as a Markdown table."""
    lines = ["| machine | constant | in use | measured here |", "|---|---|---:|---:|"]
    lines += [f"| {one.machine} | {one.name} | {one.in_use:.2g} | {one.here:.2g} |" for one in found]
    return "\n".join(lines)


def _beyond(whole: float, part: float) -> float:
    """``whole - part``; at least a tenth of the whole, because noise can make the difference negative."""
    return max(whole - part, whole / 10)


def _best(work: Callable[[], object], device: torch.device) -> float:
    return min(seconds(work, device) for _ in range(REPEATS))


def _memory(device: torch.device) -> dict[str, float]:
    """Traffic with memory: a copy between old tensors, and a new tensor that is written and read."""
    source = torch.ones(MEMORY, device=device)
    target = torch.empty_like(source)
    copied = _best(lambda: target.copy_(source), device)
    kept = _best(lambda: torch.ones(MEMORY, device=device).sum(), device)
    return {"memory_bytes": 2 * 4 * MEMORY / copied, "kept_bytes": 2 * 4 * MEMORY / kept}


def _pytorch(device: torch.device) -> dict[str, float]:
    """The constants of PyTorch's own operations."""
    inner, outer = 256, 64
    tiny = torch.ones(8, 8, device=device)
    kernel = _best(lambda: matmul(tiny, tiny), device)
    rows = torch.ones(ROWS, inner, device=device)
    matrix = torch.ones(inner, outer, device=device)
    macs = ROWS * inner * outer / _best(lambda: matmul(rows, matrix), device)
    cached = torch.ones(CACHED, device=device)
    passed = _beyond(_best(lambda: cached.add_(1.0), device), kernel)
    grid = torch.ones(ROWS, 32, 32, device=device)
    reordered = _beyond(_best(lambda: grid.mT.contiguous(), device), kernel)
    size, count = 8, 1 << 14
    left, right = torch.ones(size, size, device=device), torch.ones(count, size, size, device=device)
    batched = _beyond(_best(lambda: torch.bmm(left.expand(count, size, size), right), device), kernel)
    return {
        "macs": macs,
        **_memory(device),
        "cache_bytes": 2 * 4 * CACHED / passed,
        "values_reordered": grid.numel() / reordered,
        "kernel": kernel,
        "batched_product": max(0.0, batched / count - size**3 / macs),
    }


def _compiled() -> dict[str, float]:
    """The constants of compiled code, from chains of one step."""
    device = torch.device("cpu")
    macs = ROWS * 64 * 64 / _time((64,), 64, 64, 1)
    plain = _time((32, 32), 32, 32, 1)
    # Two axes change places; with a third one behind them, runs of 32 values stay together.
    apart = _beyond(_time((32, 32), 32, 32, 1, permutation=(1, 0)), plain)
    together = _beyond(_time((8, 4, 32), 32, 32, 1, permutation=(1, 0, 2)), plain)
    size, count = 8, 4  # a row of 1 KB, so that all rows fit into a cache
    batched = _time((count, size, size), size, size, size) / (ROWS * count)
    one, matrix, row = _chain((8,), 8, 8, 1, None), torch.ones(8, 8), torch.ones(1, 8)
    tiny = _best(lambda: forward(one, [matrix], row), device)
    return {
        "macs": macs,
        "values_reordered": ROWS * 1024 / apart,
        "runs_reordered": ROWS * 1024 / NATIVE.vector / together,
        "kernel": tiny,
        "batched_product": max(0.0, batched - size**3 / macs),
    }


def _time(
    shape: tuple[int, ...], inner: int, outer: int, after: int, permutation: tuple[int, ...] | None = None
) -> float:
    """Seconds of a compiled chain of one step, whose result is reordered at last."""
    chain = _chain(shape, inner, outer, after, permutation)
    x = torch.ones(ROWS, chain.in_features)
    matrices: list[Tensor] = [torch.ones(inner, outer)]
    return _best(lambda: forward(chain, matrices, x), x.device)


def _chain(shape: tuple[int, ...], inner: int, outer: int, after: int, permutation: tuple[int, ...] | None) -> Chain:
    """One step that leaves a row's shape as it is (``inner`` is ``outer``)."""
    values = torch.Size(shape).numel()
    link = Link(shape, None, inner, outer, after, saved=False)
    return Chain((link,), 1, shape, permutation, values, values, 0, native=True)
