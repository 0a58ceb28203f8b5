"""The predicted time of a step, forward and backward, memory traffic included; and how many MACs a plan takes.

docs/engine.md derives the formulas. Every rate is a constant of :class:`htzoo.formats.machine.Machine`; the block sizes
of the compiled code come from the code itself (:mod:`htzoo.native.layout`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from htzoo.formats.contract import Edges, merge_order
from htzoo.formats.machine import Machine
from htzoo.formats.network import Network
from htzoo.formats.plan import Plan, Step
from htzoo.native.layout import CONSTANTS

FLOAT = 4  # bytes of a value
BLOCK, TILE_ROWS = CONSTANTS["BLOCK"], CONSTANTS["TILE_ROWS"]
MIN_GRADIENT_ROWS, NARROW_VECTORS = CONSTANTS["MIN_GRADIENT_ROWS"], CONSTANTS["NARROW_VECTORS"]

# How compiled code departs from its rate of MACs, fitted to measured times of whole chains.
LATENCY_ROWS = 5  # a product with fewer rows of sums than this waits for its own additions
DOT_OVERHEAD = 128  # values of a sum over vectors that adding up the last vector costs
GRADIENT_PENALTY = 0.4  # of a forward step: the gradient of a matrix on the left, beyond one more product
PACKED_COPIES = 3  # a matrix on the right is packed, packed transposed, and its gradient is unpacked


class StepCost(NamedTuple):
    """Predicted seconds of a step.

    Args:
        seconds: forward and backward.
        forward: the forward product alone; what computing its result again costs.
        saved: whether keeping what enters the step is cheaper than computing it again.
    """

    seconds: float
    forward: float
    saved: bool


class CostModel:
    """Costs of steps with one network and batch.

    Args:
        network: the weight.
        rows: input vectors that are multiplied at once.
        input_gradient: whether the gradient with respect to the input is wanted.
        machine: what runs the chain.
    """

    def __init__(self, network: Network, rows: int, input_gradient: bool, machine: Machine) -> None:
        self.network = network
        self.rows = rows
        self.input_gradient = input_gradient
        self.machine = machine

    def merge(self, edges: Sequence[Edges], kept: Edges) -> float:
        """Seconds to merge cores with these edges into one tensor with the edges ``kept``, forward and backward."""
        order = merge_order(self.network.sizes, edges, kept)
        traffic = 2 * FLOAT * order.written / self.machine.memory_bytes  # written, and read by the next contraction
        arithmetic = order.macs / self.machine.macs
        return 3 * (arithmetic + traffic + len(order.steps) * self.machine.kernel)  # the backward costs twice as much

    def step(self, step: Step, layout: Edges, previous: float | None) -> StepCost:
        """Cost of a step that a running tensor with axes ``layout`` enters.

        Args:
            step: the step.
            layout: axes of the running tensor, before the step's own permutation.
            previous: seconds of the forward product of the step before; None for the first step.
        """
        inner, outer = self.network.size(step.contracted), self.network.size(step.new)
        batch, after = self.rows * step.before, step.after
        values = self.rows * self.network.size(layout)
        forward = self._product(inner, outer, batch, after, back=False)
        back = self._product(outer, inner, batch, after, back=True) if self.machine.is_compiled else forward
        # The gradient of the matrix takes as many MACs as the forward, and so does that of what enters the step.
        seconds = 2 * forward
        passes = 2
        if previous is not None or self.input_gradient:
            seconds += back
            passes = 3
        if previous is None:  # the batch itself comes from memory
            seconds += FLOAT * passes * values / self.machine.memory_bytes
        seconds += self._matrix_gradient(inner, outer, step.before, batch, after, forward)
        copy, copy_back = self._copies(step, layout, inner)
        seconds += copy + copy_back
        if previous is None:
            return StepCost(seconds, forward, saved=False)
        keep, again = 2 * FLOAT * values / self.machine.kept_bytes, previous + copy
        return StepCost(seconds + min(keep, again), forward, saved=keep < again)

    def reorder(self, layout: Edges, permutation: Sequence[int]) -> float:
        """Seconds to copy a tensor with axes ``layout`` in another order; 0 if only axes of size 1 move."""
        moved = [k for k in permutation if self.network.sizes[layout[k]] > 1]
        if moved == sorted(moved):
            return 0.0
        values = self.rows * self.network.size(layout)
        run = self._run_length(layout, permutation)
        if self.machine.runs_reordered and run > 1:
            vectors = math.ceil(run / self.machine.vector)
            return values / run * vectors / self.machine.runs_reordered + self.machine.kernel
        return values / self.machine.values_reordered + self.machine.kernel

    def add_slices(self) -> float:
        """Seconds that one more slice costs beyond its own steps: its outputs are added to those of the others."""
        added = 3 * FLOAT * self.rows * self.network.out_features / self.machine.memory_bytes
        return added + 2 * len(self.network.cores) * self.machine.kernel

    def lower_bound(self, layout: Edges) -> float:
        """Seconds that any remaining steps take at least: the tensor is read and the outputs written, both ways."""
        values = self.rows * (self.network.size(layout) + self.network.out_features)
        return 3 * FLOAT * values / self.machine.cache_bytes + 3 * self.machine.kernel

    def _product(self, inner: int, outer: int, batch: int, after: int, *, back: bool) -> float:
        """Seconds of ``batch`` products in the cache, each of which replaces ``inner`` values by ``outer``."""
        machine = self.machine
        width = after if after > 1 else outer  # the innermost axis of the product
        padded = math.ceil(width / machine.vector) * machine.vector
        macs = batch * after * inner * outer * padded / width
        read, written = (FLOAT * batch * after * size for size in (inner, outer))
        if machine.is_compiled:
            if after > 1:
                macs *= max(1, LATENCY_ROWS / outer)
            elif not back and _is_narrow(inner, outer, machine.vector):
                macs *= outer / padded * (inner + DOT_OVERHEAD) / inner  # sums over vectors waste no part of them
            elif inner * outer > machine.cached_matrix:  # it is read again for every block of rows
                read += FLOAT * inner * outer * (batch // max(TILE_ROWS, BLOCK // inner))
        seconds = macs / machine.macs + (read + written) / machine.cache_bytes
        seconds += math.ceil(written / machine.cache) * machine.kernel
        return seconds + (batch * machine.batched_product if after > 1 else 0.0)

    def _matrix_gradient(self, inner: int, outer: int, before: int, batch: int, after: int, forward: float) -> float:
        """Seconds that the gradient of a step's matrix costs beyond its product: partial sums are added up."""
        machine = self.machine
        seconds = partial_sums = 0.0
        if machine.is_compiled:
            piece = max(1, machine.piece // self.network.in_features) * before
            if after == 1:
                block = BLOCK // (inner + outer) + MIN_GRADIENT_ROWS
                seconds += PACKED_COPIES * inner * outer / machine.values_reordered
            else:
                block = 2 * BLOCK // ((inner + outer) * after) + 1
                seconds += GRADIENT_PENALTY * forward
                if inner * outer * machine.vector <= 2 * BLOCK:  # what does not fill a vector is summed one by one
                    seconds += batch * inner * outer * (after % machine.vector) / machine.values_reordered
            partial_sums = batch / min(piece, block)
        elif after > 1:  # each product of the batch has a gradient of its own
            partial_sums = batch
        rate = machine.cache_bytes if inner * outer <= machine.cached_matrix else machine.memory_bytes
        return seconds + 2 * FLOAT * partial_sums * inner * outer / rate

    def _copies(self, step: Step, layout: Edges, inner: int) -> tuple[float, float]:
        """Seconds of the reordering before a step, forward and backward.

        Compiled code reads the left factor of a plain product where it is, and writes its gradient there if groups of
        four values stay together.
        """
        if step.permutation is None:
            return 0.0, 0.0
        copy = self.reorder(layout, step.permutation)
        if not self.machine.is_compiled or step.after > 1:
            return copy, copy
        scatters = inner % self.machine.vector == 0 and self._run_length(layout, step.permutation) % 4 == 0
        return 0.0, 0.0 if scatters else copy

    def _run_length(self, layout: Edges, permutation: Sequence[int]) -> int:
        """How many neighbouring values stay together when axes ``layout`` are reordered."""
        last = 0
        while last < len(layout) and permutation[-1 - last] == len(layout) - 1 - last:
            last += 1
        return self.network.size(layout[len(layout) - last :])


def _is_narrow(inner: int, outer: int, vector: int) -> bool:
    """Whether compiled code sums over vectors: so few columns that many of a vector would be empty (link.h)."""
    padded = math.ceil(outer / vector) * vector
    return inner % vector == 0 and inner >= NARROW_VECTORS * vector and 4 * padded > 5 * outer


def plan_macs(network: Network, plan: Plan) -> int:
    """MACs per input vector of a plan."""
    slices = 1 if plan.sliced is None else network.sizes[plan.sliced]
    one = network if plan.sliced is None else network.slice(plan.sliced)
    return slices * sum(
        step.before * step.after * one.size(step.contracted) * one.size(step.new) for step in plan.steps
    )
