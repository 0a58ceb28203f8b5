"""Search for the plan with the lowest predicted time.

A beam search: a state is the set of cores that have been used and the axes of the running tensor in memory order; from
each state, every group of cores that can be merged gives one more step.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

from htzoo.formats.contract import Edges
from htzoo.formats.cost_model import CostModel, plan_macs
from htzoo.formats.machine import CPU, Machine
from htzoo.formats.network import Network
from htzoo.formats.plan import Plan, Step

MAX_STEPS = 6  # with the constants of a CPU, no layer of `htzoo bench` gets a faster plan from a seventh
# States kept after each step, for each number of input modes that are still open. A state that has used few of them has
# cost little so far and would otherwise crowd out the others. With 12, the predicted time of these layers on a CPU is
# at most 5 % lower.
BEAM_WIDTH = 6


@lru_cache(maxsize=1024)
def plan(network: Network, rows: int, *, input_gradient: bool = False, machine: Machine = CPU) -> Plan:
    """The fastest plan found for ``rows`` inputs, forward and backward.

    Args:
        network: the weight.
        rows: how many input vectors are multiplied at once.
        input_gradient: whether the gradient with respect to the input is wanted too.
        machine: constants of the cost model.
    """
    costs = CostModel(network, rows, input_gradient, machine)
    best = _search(costs, math.inf)
    for edge, size in network.sizes.items():
        if size > 1 and len(network.holders(edge)) > 2:
            adding = costs.add_slices()
            slice_costs = CostModel(network.slice(edge), rows, input_gradient, machine)
            one = _search(slice_costs, best.seconds / size - adding)
            if one.steps:
                best = replace(one, seconds=size * (one.seconds + adding), sliced=edge)
    return best


def count_macs(network: Network, rows: int, machine: Machine = CPU) -> int:
    """MACs per input vector when ``rows`` of them are multiplied at once, by the plan found.

    Merging the cores happens once a batch, whatever its size, and is not counted. A dense matrix takes ``in_features *
    out_features``.

    Args:
        network: the weight.
        rows: how many input vectors are multiplied at once (frames of all clips of a batch).
        machine: what the plan is for.
    """
    return plan_macs(network, plan(network, rows, machine=machine))


class _State(NamedTuple):
    """Cores that have been used, and the axes of the running tensor."""

    used: frozenset[int]
    layout: Edges


class _Path(NamedTuple):
    """The fastest way found to a state: its steps, predicted seconds, and those of the last forward product."""

    steps: tuple[Step, ...]
    seconds: float
    forward: float | None


class _Group(NamedTuple):
    """Cores that may be merged: their edges, those that the merged tensor keeps, and seconds that merging takes."""

    members: frozenset[int]
    edges: frozenset[str]
    open_edges: Edges
    seconds: float


def _search(costs: CostModel, limit: float) -> Plan:
    """The fastest plan without slices; one without steps if none takes less than ``limit`` seconds."""
    network = costs.network
    everything = frozenset(range(len(network.cores)))
    groups = sorted((_group(costs, members) for members in _mergeable(network)), key=lambda g: -len(g.members))
    best = Plan((), None, limit)
    states = {_State(frozenset(), network.inputs): _Path((), 0.0, None)}
    for _ in range(MAX_STEPS):
        reached: dict[_State, _Path] = {}
        for state, path in states.items():
            for group in groups:
                for step, layout in _steps(network, state, group):
                    cost = costs.step(step, state.layout, path.forward)
                    seconds = path.seconds + group.seconds + cost.seconds
                    if seconds >= best.seconds:
                        continue
                    steps = (*path.steps, replace(step, saved=cost.saved))
                    after = _State(state.used | group.members, layout)
                    if after.used == everything:
                        best = _finished(costs, Plan(steps, None, seconds), layout, best)
                    elif after not in reached or seconds < reached[after].seconds:
                        reached[after] = _Path(steps, seconds, cost.forward)
        states = _beam(costs, reached, best.seconds)
    return best


def _finished(costs: CostModel, found: Plan, layout: Edges, best: Plan) -> Plan:
    """The better of two plans, after ``found`` has brought its result's axes ``layout`` into order."""
    outputs = costs.network.outputs
    if layout != outputs:
        permutation = tuple(layout.index(edge) for edge in outputs)
        found = replace(found, permutation=permutation, seconds=found.seconds + 2 * costs.reorder(layout, permutation))
    return found if found.seconds < best.seconds else best


def _beam(costs: CostModel, reached: dict[_State, _Path], limit: float) -> dict[_State, _Path]:
    """The most promising states, by the lower bound of what a complete plan from there takes."""
    bounds = {state: path.seconds + costs.lower_bound(state.layout) for state, path in reached.items()}
    levels: dict[int, list[_State]] = {}
    for state in reached:
        if bounds[state] < limit:
            open_inputs = len(set(state.layout) & set(costs.network.inputs))
            levels.setdefault(open_inputs, []).append(state)
    kept = (heapq.nsmallest(BEAM_WIDTH, level, key=lambda state: bounds[state]) for level in levels.values())
    return {state: reached[state] for level in kept for state in level}


def _group(costs: CostModel, members: frozenset[int]) -> _Group:
    edges = [costs.network.cores[k].edges for k in sorted(members)]
    kept = costs.network.open_edges(members)
    return _Group(members, frozenset().union(*edges), kept, costs.merge(edges, kept))


def _mergeable(network: Network) -> list[frozenset[int]]:
    """Sets of cores worth merging: joined, over neighbouring input modes, output modes or both, and inner cores."""
    owners = {edge: next(iter(network.holders(edge))) for edge in (*network.inputs, *network.outputs)}
    inner = frozenset(range(len(network.cores))) - set(owners.values())
    neighbours = [
        frozenset().union(*(network.holders(edge) for edge in core.edges)) - {k} for k, core in enumerate(network.cores)
    ]
    found = {frozenset({k}) for k in inner}
    count = max(len(network.inputs), len(network.outputs))
    runs = [slice(*ends) for ends in itertools.combinations(range(count + 1), 2)]
    sides = [(network.inputs, ()), ((), network.outputs), (network.inputs, network.outputs)]
    for run, (inputs, outputs) in itertools.product(runs, sides):
        in_run, out_run = inputs[run], outputs[run]
        outer = frozenset(owners[edge] for edge in (*in_run, *out_run))
        if all((edge in in_run or edge in out_run) == (owner in outer) for edge, owner in owners.items()):
            found.add(outer)
    border = set(found)
    while border:
        reached = {group: frozenset().union(*(neighbours[k] for k in group)) for group in border}
        border = {group | {k} for group in border for k in reached[group] & inner - group} - found
        found |= border
    return [group for group in found if group and _is_connected(group, neighbours)]


def _is_connected(group: frozenset[int], neighbours: Sequence[frozenset[int]]) -> bool:
    reached: set[int] = set()
    border = {min(group)}
    while border:
        reached |= border
        border = set().union(*(neighbours[k] for k in border)) & group - reached
    return reached == group


def _steps(network: Network, state: _State, group: _Group) -> Iterator[tuple[Step, Edges]]:
    """Steps that use ``group`` from ``state``, each with the layout that it leaves."""
    used, layout = state
    if group.members & used:
        return
    contracted = tuple(edge for edge in layout if edge in group.edges)
    if not contracted:
        return
    shared = [edge for edge in contracted if network.holders(edge) - used - group.members]
    new = [edge for edge in group.open_edges if edge not in contracted or edge in shared]
    modes = tuple(edge for edge in network.outputs if edge in new)
    ranks = tuple(edge for edge in new if edge not in modes)
    positions = [layout.index(edge) for edge in contracted]
    others = tuple(k for k in range(len(layout)) if k not in positions)
    orders: list[tuple[Edges, tuple[int, ...] | None]] = (
        [(layout, None)] if positions[-1] - positions[0] == len(positions) - 1 else []
    )
    moved = (*others, *positions)
    if moved != tuple(range(len(layout))):
        orders.append((tuple(layout[k] for k in moved), moved))
    for order, permutation in orders:
        first = order.index(contracted[0])
        before, after = order[:first], order[first + len(contracted) :]
        for axes in {(*modes, *ranks), (*ranks, *modes)}:
            sizes = network.size(before), network.size(after)
            yield Step(tuple(sorted(group.members)), contracted, axes, permutation, *sizes), (*before, *axes, *after)
