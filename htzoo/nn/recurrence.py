"""The recurrence of one layer and direction, with a backward pass that gathers weight gradients over all steps."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import islice
from typing import Any, NamedTuple

import torch
from torch import Tensor

from htzoo.formats.matmul import is_transformed
from htzoo.nn import compiled
from htzoo.nn.autocast import autocasts
from htzoo.nn.sequence import Order
from htzoo.nn.weight import Prepared

State = tuple[Tensor, ...]
Partial = tuple[Tensor | None, ...]


class Cell(ABC):
    """What one kind of recurrent cell does in one step; it has no parameters.

    The state's first tensor is the hidden state, and the output. ``x_part`` and ``h_part`` are what the input and the
    hidden state give to the pre-activations, gates side by side.
    """

    name: str
    gates: int
    states: int

    @abstractmethod
    def step(self, x_part: Tensor, h_part: Tensor, state: State) -> tuple[State, State]:
        """The next state, and the tensors that :meth:`step_back` needs. Differentiable."""

    @abstractmethod
    def step_back(self, saved: State, before: State, gradient: State) -> tuple[Tensor, Tensor, Partial]:
        """Gradients of ``x_part``, ``h_part`` and the state ``before``, from that of the state after.

        The state's do not count what goes through ``h_part``; None stands for zero.
        """


def recur(
    cell: Cell,
    x_parts: Tensor,
    order: Order,
    state: State,
    product: Prepared,
    hidden_bias: Tensor | None,
    reverse: bool,
) -> tuple[Tensor, State]:
    """Run ``cell`` over all steps.

    Args:
        cell: what one step does.
        x_parts: input part of the pre-activations (rows, gates * hidden).
        order: how the rows lie.
        state: initial state, each (batch, hidden).
        product: the hidden-to-hidden weight.
        hidden_bias: added to the hidden part of the pre-activations.
        reverse: whether to start at every sequence's end.

    Returns:
        Hidden states (rows, hidden) in the order of ``x_parts``, and the last state, each (batch, hidden).
    """
    x_parts = x_parts.to(state[0].dtype)
    inputs = (x_parts, hidden_bias, *state, *product.matrices)
    tensors = [value for value in inputs if value is not None]
    wanted = torch.is_grad_enabled() and any(value.requires_grad for value in tensors)
    with _full_precision(x_parts):
        # An export has no backward, and torch.func and forward-mode differentiation derive their own.
        if torch.compiler.is_compiling() or is_transformed(*tensors):
            outputs, last, _ = _run(cell, x_parts, order, state, product, hidden_bias, reverse)
            return order.join(outputs), last
        if not wanted:
            return _forward(cell, x_parts, order, state, product, hidden_bias, reverse)[:2]
        constants = (cell, order, product.chain, product.padding, reverse)
        results = _Recurrence.apply(constants, *inputs)
    return results[0], results[1:]


def walk(step: Callable[[int, State], State], batch_sizes: list[int], state: State, reverse: bool) -> State:
    """Call ``step(time, state)`` at every time with the state of the sequences that run then; return the last states.

    Args:
        step: gives the next state; each (running sequences, features).
        batch_sizes: how many sequences run at every time; never grows.
        state: where every sequence starts, each (batch, features).
        reverse: whether time runs backward.
    """
    start = state
    times = range(len(batch_sizes))
    running = batch_sizes[-1] if reverse else batch_sizes[0]
    state = tuple(value[:running] for value in start)
    ended: list[State] = []
    for t in reversed(times) if reverse else times:
        now = batch_sizes[t]
        if now > running:  # going backward, more sequences begin
            state = tuple(torch.cat((value, first[running:now])) for value, first in zip(state, start))
        elif now < running:  # going forward, the shortest sequences end
            ended.append(tuple(value[now:] for value in state))
            state = tuple(value[:now] for value in state)
        running = now
        state = step(t, state)
    ended.append(state)
    return tuple(torch.cat(values) for values in zip(*reversed(ended)))


class _Step(NamedTuple):
    """What the backward of one step needs: the state before, and what cell and product saved."""

    before: State
    saved: State
    product_saved: Sequence[Tensor]


def _run(
    cell: Cell,
    x_parts: Tensor,
    order: Order,
    state: State,
    product: Prepared,
    hidden_bias: Tensor | None,
    reverse: bool,
) -> tuple[list[Tensor], State, list[_Step]]:
    """The hidden state after every step in the order of time, the last state, and what the backward needs."""
    x_steps = order.split(x_parts)
    outputs = list(x_steps)
    steps = [_Step((), (), [])] * len(x_steps)

    def step(t: int, state: State) -> State:
        h_part, product_saved = product.forward(state[0].to(product.matrices[0].dtype))
        h_part = h_part.to(x_parts.dtype)
        after, saved = cell.step(x_steps[t], h_part if hidden_bias is None else h_part + hidden_bias, state)
        outputs[t], steps[t] = after[0], _Step(state, saved, product_saved)
        return after

    last = walk(step, order.batch_sizes, state, reverse)
    return outputs, last, steps


def _run_back(
    cell: Cell,
    steps: list[_Step],
    order: Order,
    d_outputs: Tensor,
    d_last: State,
    product: Prepared,
    reverse: bool,
    *,
    at_every_step: bool,
) -> tuple[Tensor, Tensor, State, list[Tensor] | None]:
    """Gradients of input parts, hidden parts and initial state, and, if made ``at_every_step``, of the matrices."""
    d_steps = order.split(d_outputs)
    d_x_parts = d_outputs.new_empty(len(d_outputs), cell.gates * d_outputs.shape[1])
    d_x = order.split(d_x_parts)
    d_h = list(d_x)
    totals: list[Tensor] | None = None
    dtype = product.matrices[0].dtype

    def step_back(t: int, d_state: State) -> State:
        nonlocal totals
        before, saved, product_saved = steps[t]
        d_x_part, d_h_part, d_before = cell.step_back(saved, before, (d_state[0] + d_steps[t], *d_state[1:]))
        d_x[t].copy_(d_x_part)
        if d_h_part is not d_x_part:
            d_h[t] = d_h_part
        d_part = d_h_part.to(dtype)
        if at_every_step:
            d_hidden, totals = product.backward(before[0].to(dtype), d_part, product_saved, totals)
        else:
            d_hidden = product.backward_to_input(d_part)
        d_hidden = d_hidden.to(d_h_part.dtype)
        direct = d_before[0]
        return (d_hidden if direct is None else d_hidden + direct, *(d for d in d_before[1:] if d is not None))

    d_state = walk(step_back, order.batch_sizes, d_last, not reverse)
    same = all(part is own for part, own in zip(d_h, d_x))
    return d_x_parts, d_x_parts if same else order.join(d_h), d_state, totals


def _forward(
    cell: Cell,
    x_parts: Tensor,
    order: Order,
    state: State,
    product: Prepared,
    hidden_bias: Tensor | None,
    reverse: bool,
) -> tuple[Tensor, State, list[_Step] | compiled.Kept]:
    """Outputs, the last state, and what the backward needs; in compiled code where there is some for all this."""
    matrix = product.matrices[0]
    if not any(product.padding) and compiled.takes(cell.name, product.chain, x_parts, hidden_bias, *state, matrix):
        return compiled.forward(cell.name, x_parts, order, state, matrix, hidden_bias, reverse)
    outputs, last, steps = _run(cell, x_parts, order, state, product, hidden_bias, reverse)
    return order.join(outputs), last, steps


class _Recurrence(torch.autograd.Function):
    """The steps without autograd's bookkeeping, and their backward.

    Autograd would add a gradient of the whole hidden weight at every step. Here a step back only carries the gradient
    of the state on; the weight's comes from one product of all hidden states with all gate gradients.
    """

    @staticmethod
    def forward(ctx: Any, constants: tuple[Any, ...], x_parts: Tensor, bias: Tensor | None, *rest: Tensor) -> Any:
        """Outputs, and the last state. ``rest`` is the initial state, then the matrices of the hidden weight."""
        cell, order, chain, padding, reverse = constants
        state, product = rest[: cell.states], Prepared(chain, rest[cell.states :], padding)
        outputs, last, kept = _forward(cell, x_parts, order, state, product, bias, reverse)
        ctx.constants = constants
        ctx.compiled = isinstance(kept, compiled.Kept)
        groups = list(kept) if ctx.compiled else [part for step in kept for part in step]
        ctx.counts = [len(group) for group in groups]
        ctx.save_for_backward(x_parts, bias, *rest, *(tensor for group in groups for tensor in group))
        return outputs, *last

    @staticmethod
    def backward(ctx: Any, d_outputs: Tensor, *d_last: Tensor) -> Any:
        """Gradients of all tensors given to :meth:`forward`."""
        cell, order, chain, padding, reverse = ctx.constants
        tensors = iter(ctx.saved_tensors)  # once: activation checkpointing computes them at this call
        inputs = [next(tensors) for _ in ctx.needs_input_grad[1:]]
        x_parts, bias, *rest = inputs
        product = Prepared(chain, tuple(rest[cell.states :]), padding)
        with _full_precision(x_parts):
            if torch.is_grad_enabled():
                # The gradient itself will be differentiated. What the forward kept has no graph, so the plain steps
                # run again under autograd: slower, but right for every order.
                return _differentiable(ctx, inputs, (d_outputs, *d_last))
            groups = [tuple(islice(tensors, count)) for count in ctx.counts]
            # A single large matrix gets its gradient from one product over all steps, the small ones of a chain a part
            # at every step, while all that they need is in the cache.
            wanted = any(ctx.needs_input_grad[3 + cell.states :])
            gathered = wanted and len(chain.links) == 1
            totals: list[Tensor] | None = None
            if ctx.compiled:
                kept = compiled.Kept(*groups)
                d_x_parts, d_h_parts, d_state = compiled.backward(
                    cell.name, d_outputs, d_last, order, product.matrices[0], kept, reverse
                )
            else:
                steps = [_Step(*groups[k : k + 3]) for k in range(0, len(groups), 3)]
                d_x_parts, d_h_parts, d_state, totals = _run_back(
                    cell, steps, order, d_outputs, d_last, product, reverse, at_every_step=wanted and not gathered
                )
            d_bias = None if bias is None else d_h_parts.sum(0)
            d_matrices: Sequence[Tensor | None] = totals or [None] * len(product.matrices)
            if gathered and ctx.compiled:
                d_matrices = [compiled.matrix_gradient(kept.before[0], d_h_parts)]
            elif gathered:
                before = order.join([step.before[0] for step in steps])
                dtype = product.matrices[0].dtype
                d_matrices = product.backward_to_matrices(before.to(dtype), d_h_parts.to(dtype))
            return None, d_x_parts, d_bias, *d_state, *d_matrices


def _differentiable(ctx: Any, inputs: Sequence[Tensor | None], d_results: State) -> tuple[Tensor | None, ...]:
    """The gradients of :class:`_Recurrence` as functions of its inputs that can be differentiated again."""
    cell, order, chain, padding, reverse = ctx.constants
    aliases = [None if value is None else value.view_as(value) for value in inputs]
    x_parts, bias, *rest = aliases
    tensors: Any = rest
    product = Prepared(chain, tuple(tensors[cell.states :]), padding)
    assert x_parts is not None
    outputs, last, _ = _run(cell, x_parts, order, tuple(tensors[: cell.states]), product, bias, reverse)
    wanted = [value for value, needed in zip(aliases, ctx.needs_input_grad[1:]) if value is not None and needed]
    results = (order.join(outputs), *last)
    found = iter(torch.autograd.grad(results, wanted, d_results, create_graph=True, allow_unused=True))
    return None, *(next(found) if needed else None for needed in ctx.needs_input_grad[1:])


def _full_precision(like: Tensor) -> AbstractContextManager[Any]:
    """Autocast off: the state is kept in the parameters' precision, and the merged weight is cast already."""
    return torch.autocast(like.device.type, enabled=False) if autocasts(like.device) else nullcontext()
