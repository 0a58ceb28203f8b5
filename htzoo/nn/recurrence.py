"""The recurrence of one layer and direction as an operator, with a backward that gathers gradients over all steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from htzoo.formats.apply import Prepared, prepare
from htzoo.formats.chain import Chain
from htzoo.formats.modes import full_precision, is_exporting, is_transformed
from htzoo.native.operators import composite, operator
from htzoo.nn import compiled_recurrence
from htzoo.nn.cell import CELLS, Cell, Hidden, State, walk
from htzoo.nn.sequence import Order

Product = Callable[[Tensor], Tensor]


def recur(
    cell: Cell, x_parts: Tensor, order: Order, state: State, hidden: Hidden, reverse: bool
) -> tuple[Tensor, State]:
    """Run ``cell`` over all steps.

    Args:
        cell: what one step does.
        x_parts: input part of the pre-activations (rows, gates * hidden).
        order: how the rows lie.
        state: initial state, each (batch, hidden).
        hidden: what makes the hidden part.
        reverse: whether to start at every sequence's end.

    Returns:
        Hidden states (rows, hidden) in the order of ``x_parts``, and the last state, each (batch, hidden).
    """
    network, cores, columns, bias = hidden
    arguments = (x_parts, order.packed_sizes, order.time, order.batch_first, reverse, list(state), list(cores), bias)
    run = _recur if is_exporting() else torch.ops.htzoo.recur.default
    output, *last = run(cell.name, *arguments, network, columns)
    return output, tuple(last)


@composite(
    "recur(str cell, Tensor x_parts, Tensor? sizes, SymInt time, bool batch_first, bool reverse, Tensor[] state, "
    "Tensor[] cores, Tensor? bias, str? network, int[]? columns=None) -> Tensor[]"
)
def _recur(
    cell: str,
    x_parts: Tensor,
    sizes: Tensor | None,
    time: int,
    batch_first: bool,
    reverse: bool,
    state: list[Tensor],
    cores: list[Tensor],
    bias: Tensor | None,
    network: str | None,
    columns: tuple[int, int] | None = None,
) -> list[Tensor]:
    order = Order(state[0].shape[0], time, batch_first, sizes)
    weight = prepare(network, cores, order.batch, columns=columns)
    recurrence = Recurrence(CELLS[cell], order, reverse, weight.chain, weight.padding)
    x_parts = x_parts.to(state[0].dtype)
    inputs = (x_parts, bias, *state, *weight.matrices)
    tensors = [value for value in inputs if value is not None]
    with full_precision(x_parts):  # the state keeps the parameters' precision, and the merged weight is cast already
        # An export has no backward, and torch.func and forward-mode differentiation derive their own.
        if is_exporting() or is_transformed(*tensors):
            outputs, last, _ = recurrence.run(x_parts, bias, tuple(state), weight.matrices[0].dtype, weight.plain)
            return [order.join(outputs), *last]
        if torch.is_grad_enabled() and any(value.requires_grad for value in tensors):
            return list(_Recurrence.apply(recurrence, *inputs))
        return recurrence.forward(x_parts, bias, state, weight.matrices, keep=False)


@dataclass(frozen=True)
class Recurrence:
    """A recurrence but for its tensors.

    Args:
        cell: what one step does.
        order: how the rows lie.
        reverse: whether to start at every sequence's end.
        chain: the products with the hidden-to-hidden weight.
        padding: number of zeros in front of and behind each hidden state.
    """

    cell: Cell
    order: Order
    reverse: bool
    chain: Chain
    padding: tuple[int, int]

    def forward(
        self, x_parts: Tensor, bias: Tensor | None, state: Sequence[Tensor], matrices: Sequence[Tensor], *, keep: bool
    ) -> list[Tensor]:
        """Outputs, the last state, and with ``keep`` what :meth:`backward` needs."""
        found: list[Tensor] = torch.ops.htzoo.recurrence_forward.default(
            x_parts, list(state), *self._plain, list(matrices), bias, keep
        )
        return found

    def backward(
        self,
        d_y: Tensor,
        d_last: Sequence[Tensor],
        kept: Sequence[Tensor],
        matrices: Sequence[Tensor],
        *,
        weight_gradient: bool,
    ) -> tuple[Tensor, Tensor, list[Tensor]]:
        """Gradients of the input parts, of the hidden parts, and of the initial state and, where wanted, matrices."""
        d_x, *rest = torch.ops.htzoo.recurrence_backward.default(
            d_y, list(d_last), *self._plain, list(matrices), list(kept), weight_gradient
        )
        return (d_x, d_x, rest) if self.cell.one_gradient else (d_x, rest[0], rest[1:])

    @property
    def _plain(self) -> tuple[Any, ...]:
        """All of it as operators take it: :func:`_recurrence_of`."""
        order = self.order
        return (
            self.cell.name,
            order.packed_sizes,
            order.time,
            order.batch_first,
            self.reverse,
            self.chain.text,
            list(self.padding),
        )

    def run(
        self, x_parts: Tensor, bias: Tensor | None, state: State, dtype: torch.dtype, product: Product
    ) -> tuple[list[Tensor], State, list[_Step]]:
        """The hidden state after every step in the order of time, the last state, and what the backward needs.

        Args:
            x_parts: input part of the pre-activations.
            bias: added to the hidden part, or None.
            state: initial state.
            dtype: type of the hidden-to-hidden weight.
            product: multiplies with it.
        """
        x_steps = self.order.split(x_parts)
        outputs = list(x_steps)
        steps = [_Step((), ())] * len(x_steps)

        def step(t: int, state: State) -> State:
            h_part = product(state[0].to(dtype)).to(x_parts.dtype)
            after, saved = self.cell.step(x_steps[t], h_part if bias is None else h_part + bias, state)
            outputs[t], steps[t] = after[0], _Step(state, saved)
            return after

        last = walk(step, self.order.batch_sizes, state, self.reverse)
        return outputs, last, steps

    def run_back(
        self, d_y: Tensor, d_last: State, kept: Sequence[Tensor], dtype: torch.dtype, transposed: Product
    ) -> list[Tensor]:
        """Gradients of the input parts, the hidden parts where these are others, and the initial state.

        Args:
            d_y: gradient of the outputs.
            d_last: gradient of the last state.
            kept: the states before every step, then what the steps kept.
            dtype: type of the hidden-to-hidden weight.
            transposed: multiplies with its transpose.
        """
        cell, order, hidden = self.cell, self.order, d_y.shape[1]
        before = list(zip(*(order.split(tensor) for tensor in kept[: cell.states])))
        widths = [hidden * width for width in cell.kept]
        saved = [torch.split(values, widths, 1) for values in order.split(kept[cell.states])]
        d_y_steps = order.split(d_y)
        d_x, d_h = list(d_y_steps), list(d_y_steps)

        def step_back(t: int, d_state: State) -> State:
            gradient = (d_state[0] + d_y_steps[t], *d_state[1:])
            d_x_part, d_h_part, d_before = cell.step_back(saved[t], before[t], gradient)
            d_x[t], d_h[t] = d_x_part, d_h_part
            d_hidden = transposed(d_h_part.to(dtype)).to(d_h_part.dtype)
            direct = d_before[0]
            return (d_hidden if direct is None else d_hidden + direct, *(d for d in d_before[1:] if d is not None))

        d_state = walk(step_back, order.batch_sizes, d_last, not self.reverse)
        parts = (d_x,) if cell.one_gradient else (d_x, d_h)
        return [*map(order.join, parts), *d_state]


class _Step(NamedTuple):
    """What the backward of one step needs: the state before, and what the cell saved."""

    before: State
    saved: State


def _recurrence_of(
    batch: int, cell: str, sizes: Tensor | None, time: int, batch_first: bool, reverse: bool, chain: str, padding: Any
) -> Recurrence:
    order = Order(batch, time, batch_first, sizes)
    return Recurrence(CELLS[cell], order, reverse, Chain.from_text(chain), tuple(padding))


def _forward_fake(
    x_parts: Tensor,
    state: list[Tensor],
    cell: str,
    sizes: Tensor | None,
    time: int,
    batch_first: bool,
    reverse: bool,
    chain: str,
    padding: list[int],
    matrices: list[Tensor],
    bias: Tensor | None,
    keep: bool,
) -> list[Tensor]:
    rows, hidden = x_parts.shape[0], state[0].shape[1]
    found = [x_parts.new_empty(rows, hidden), *(value.new_empty(value.shape) for value in state)]
    widths = [*(1 for _ in state), sum(CELLS[cell].kept)] if keep else []
    return [*found, *(x_parts.new_empty(rows, width * hidden) for width in widths)]


_COMMON = (
    "str cell, Tensor? sizes, SymInt time, bool batch_first, bool reverse, str chain, int[] padding, Tensor[] matrices"
)


@operator(
    f"recurrence_forward(Tensor x_parts, Tensor[] state, {_COMMON}, Tensor? bias, bool keep) -> Tensor[]",
    key="CompositeExplicitAutograd",
    fake=_forward_fake,
)
def _forward(
    x_parts: Tensor,
    state: list[Tensor],
    cell: str,
    sizes: Tensor | None,
    time: int,
    batch_first: bool,
    reverse: bool,
    chain: str,
    padding: list[int],
    matrices: list[Tensor],
    bias: Tensor | None,
    keep: bool,
) -> list[Tensor]:
    """Outputs, the last state, and with ``keep`` the states before every step, then what the steps kept."""
    found = _recurrence_of(len(state[0]), cell, sizes, time, batch_first, reverse, chain, padding)
    order = found.order
    if compiled_recurrence.takes(cell, found.chain, x_parts, bias, *state, *matrices):
        return compiled_recurrence.forward(cell, x_parts, order, state, matrices[0], bias, reverse, keep)
    weight = Prepared(found.chain, tuple(matrices), found.padding)
    outputs, last, steps = found.run(x_parts, bias, tuple(state), matrices[0].dtype, weight.apply)
    results = [order.join(outputs), *last]
    if keep:
        before, saved = (zip(*values) for values in zip(*steps))
        results += map(order.join, before)
        results.append(torch.cat([order.join(values) for values in saved], 1))
    return results


def _backward_fake(
    d_y: Tensor,
    d_last: list[Tensor],
    cell: str,
    sizes: Tensor | None,
    time: int,
    batch_first: bool,
    reverse: bool,
    chain: str,
    padding: list[int],
    matrices: list[Tensor],
    kept: list[Tensor],
    weight_gradient: bool,
) -> list[Tensor]:
    rows, hidden = d_y.shape
    count = 1 if CELLS[cell].one_gradient else 2
    parts = [d_y.new_empty(rows, CELLS[cell].gates * hidden) for _ in range(count)]
    d_matrices = [torch.empty_like(matrix) for matrix in matrices] if weight_gradient else []
    return [*parts, *(value.new_empty(value.shape) for value in d_last), *d_matrices]


def _backward_plain(
    d_y: Tensor,
    d_last: list[Tensor],
    cell: str,
    sizes: Tensor | None,
    time: int,
    batch_first: bool,
    reverse: bool,
    chain: str,
    padding: list[int],
    matrices: list[Tensor],
    kept: list[Tensor],
    weight_gradient: bool,
) -> list[Tensor]:
    """Gradients of the input parts, of the hidden parts where these are others, and of the initial state."""
    recurrence = _recurrence_of(len(d_last[0]), cell, sizes, time, batch_first, reverse, chain, padding)
    weight = Prepared(recurrence.chain, tuple(matrices), recurrence.padding)
    found = recurrence.run_back(d_y, tuple(d_last), kept, matrices[0].dtype, weight.plain_transposed)
    return [*found, *_weight_gradient(recurrence, weight, kept, found)] if weight_gradient else found


def _weight_gradient(
    recurrence: Recurrence, weight: Prepared, kept: Sequence[Tensor], found: Sequence[Tensor]
) -> list[Tensor]:
    """Gradients of the weight's matrices, from the hidden states before all steps and the other gradients."""
    dtype = weight.matrices[0].dtype
    d_h_parts = found[0 if recurrence.cell.one_gradient else 1]
    return weight.gradients(kept[0].to(dtype), d_h_parts.to(dtype))


@operator(
    f"recurrence_backward(Tensor d_y, Tensor[] d_last, {_COMMON}, Tensor[] kept, bool weight_gradient) -> Tensor[]",
    key="CompositeExplicitAutograd",
    fake=_backward_fake,
    batched=_backward_plain,
)
def _backward(
    d_y: Tensor,
    d_last: list[Tensor],
    cell: str,
    sizes: Tensor | None,
    time: int,
    batch_first: bool,
    reverse: bool,
    chain: str,
    padding: list[int],
    matrices: list[Tensor],
    kept: list[Tensor],
    weight_gradient: bool,
) -> list[Tensor]:
    recurrence = _recurrence_of(len(d_last[0]), cell, sizes, time, batch_first, reverse, chain, padding)
    if compiled_recurrence.takes(cell, recurrence.chain, d_y, *d_last, *matrices):
        found = compiled_recurrence.backward(cell, d_y, d_last, recurrence.order, matrices[0], kept, reverse)
        d_h_parts = found[0 if recurrence.cell.one_gradient else 1]
        return [*found, compiled_recurrence.weight_gradient(kept[0], d_h_parts)] if weight_gradient else found
    weight = Prepared(recurrence.chain, tuple(matrices), recurrence.padding)
    found = recurrence.run_back(d_y, tuple(d_last), kept, matrices[0].dtype, weight.apply_transposed)
    return [*found, *_weight_gradient(recurrence, weight, kept, found)] if weight_gradient else found


class _Recurrence(torch.autograd.Function):
    """The steps without autograd's bookkeeping, and their backward.

    Autograd would add a gradient of the whole hidden weight at every step. Here a step back only carries the gradient
    of the state on; the weight's comes from one product of all hidden states with all gate gradients.
    """

    @staticmethod
    def forward(ctx: Any, recurrence: Recurrence, x_parts: Tensor, bias: Tensor | None, *rest: Tensor) -> Any:
        """Outputs, and the last state. ``rest`` is the initial state, then the matrices of the hidden weight."""
        states = recurrence.cell.states
        found = recurrence.forward(x_parts, bias, rest[:states], rest[states:], keep=True)
        ctx.recurrence = recurrence
        ctx.save_for_backward(x_parts, bias, *rest, *found[1 + states :])
        return tuple(found[: 1 + states])

    @staticmethod
    def backward(ctx: Any, d_y: Tensor, *d_last: Tensor) -> Any:
        """Gradients of all tensors given to :meth:`forward`."""
        recurrence: Recurrence = ctx.recurrence
        count, states = len(ctx.needs_input_grad) - 1, recurrence.cell.states
        tensors = ctx.saved_tensors  # once: activation checkpointing computes them at this call
        inputs, kept = tensors[:count], tensors[count:]
        x_parts, bias, matrices = inputs[0], inputs[1], inputs[2 + states :]
        with full_precision(x_parts):
            if torch.is_grad_enabled():
                # The gradient itself will be differentiated. What the forward kept has no graph, so the plain steps
                # run again under autograd: slower, but right for every order.
                return _differentiable(ctx, inputs, (d_y, *d_last))
            wanted = any(ctx.needs_input_grad[3 + states :])
            d_x_parts, d_h_parts, rest = recurrence.backward(d_y, d_last, kept, matrices, weight_gradient=wanted)
            d_bias = None if bias is None else d_h_parts.sum(0)
            return None, d_x_parts, d_bias, *rest, *(() if wanted else [None] * len(matrices))


def _differentiable(ctx: Any, inputs: Sequence[Tensor | None], d_results: State) -> tuple[Tensor | None, ...]:
    """The gradients of :class:`_Recurrence` as functions of its inputs that can be differentiated again."""
    recurrence: Recurrence = ctx.recurrence
    aliases = [None if value is None else value.view_as(value) for value in inputs]
    x_parts, bias, *rest = aliases
    tensors: Any = rest
    states = recurrence.cell.states
    weight = Prepared(recurrence.chain, tuple(tensors[states:]), recurrence.padding)
    assert x_parts is not None
    outputs, last, _ = recurrence.run(x_parts, bias, tuple(tensors[:states]), tensors[-1].dtype, weight.plain)
    results = (recurrence.order.join(outputs), *last)
    wanted = [value for value, needed in zip(aliases, ctx.needs_input_grad[1:]) if value is not None and needed]
    found = iter(torch.autograd.grad(results, wanted, d_results, create_graph=True, allow_unused=True))
    return None, *(next(found) if needed else None for needed in ctx.needs_input_grad[1:])
