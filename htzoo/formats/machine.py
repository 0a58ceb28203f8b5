"""The constants of the cost model: how fast each way to run a chain is.

``htzoo bench --calibrate`` measures what can be measured alone on this machine and prints it beside the values here
(:mod:`htzoo.bench.calibrate`). docs/engine.md explains each constant.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Machine:
    """One way to run a chain, in float32 and on one core where it is a CPU. Rates are per second.

    Only ratios matter for the choice between plans: how many MACs cost as much as one byte of memory traffic, or as one
    more kernel. Absolute times matter for the choice between two machines.

    Args:
        macs: multiply-accumulates of a large matrix product.
        memory_bytes: bytes read or written in memory.
        kept_bytes: bytes written to newly allocated memory that is kept for the backward and read there.
        cache_bytes: bytes read or written in a core's cache.
        cache: maximum bytes that pass between two steps at once; a larger batch is cut into pieces, so that they never
            go to memory.
        values_reordered: values copied by a reordering that separates all neighbours.
        runs_reordered: runs of up to ``vector`` neighbouring values copied by a reordering; 0 where runs do not help.
        kernel: seconds to start one kernel from Python.
        batched_product: seconds that each matrix product inside a batched one costs in addition to its arithmetic.
        vector: the innermost axis of a matrix product is computed in blocks of this many values.
        cached_matrix: maximum number of values of a matrix that stays in the cache.
        piece: values that pass a compiled chain together; 0 if the chain is not compiled.
    """

    macs: float
    memory_bytes: float
    kept_bytes: float
    cache_bytes: float
    cache: float
    values_reordered: float
    runs_reordered: float
    kernel: float
    batched_product: float
    vector: int
    cached_matrix: float = math.inf
    piece: int = 0

    @property
    def is_compiled(self) -> bool:
        """Whether all steps of a chain run in one call of compiled code."""
        return self.piece > 0


# PyTorch's matrix products on one core. The rates were fitted to measured times of whole chains, so they include what
# the formulas leave out; measured alone, some rates are four times higher.
CPU = Machine(
    macs=2.5e10,
    memory_bytes=2.0e10,
    kept_bytes=2.0e10,
    cache_bytes=2.0e10,  # as memory: a kernel that reads and writes 0.5 MB is limited by its start, counted below
    cache=2**19,
    values_reordered=5.0e8,
    runs_reordered=0,
    kernel=1e-5,
    batched_product=1e-7,
    vector=16,
)
# The chain in compiled code (htzoo/native), fitted in the same way.
NATIVE = Machine(
    macs=3.5e10,
    memory_bytes=2.0e10,
    kept_bytes=4.0e9,  # page faults of new memory dominate where everything else stays in the cache
    cache_bytes=5.0e10,
    cache=math.inf,  # it is cut by `piece` instead
    values_reordered=8.0e8,
    runs_reordered=1.3e9,
    kernel=1e-5,
    batched_product=1e-8,
    vector=8,
    cached_matrix=2**16,
    piece=2**16,
)
# From the data sheet of an A100 (19.5 TFLOP/s in float32, 1.6 TB/s) and the usual 5 to 10 microseconds of a launch.
# Nothing has been measured on a GPU yet.
GPU = Machine(
    macs=2.0e13,
    memory_bytes=1.5e12,
    kept_bytes=1.5e12,
    cache_bytes=1.5e12,
    cache=math.inf,
    values_reordered=1.0e11,
    runs_reordered=0,
    kernel=6e-6,
    batched_product=0,
    vector=32,
)
