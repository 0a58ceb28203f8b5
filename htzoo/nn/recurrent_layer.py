"""What all recurrent layers share: parameters, layers, directions, sequences of every kind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from htzoo.formats import Format
from htzoo.formats.modes import is_exporting
from htzoo.nn.cell import Cell, Hidden, State
from htzoo.nn.errors import InputError
from htzoo.nn.export import recur_for_export
from htzoo.nn.layer_formats import LayerFormats, each_layer
from htzoo.nn.projection import without_projection
from htzoo.nn.recurrence import recur
from htzoo.nn.sequence import Rows, pack, unpack
from htzoo.nn.weight import (
    AnyWeight,
    Matrix,
    Weight,
    check_dtype,
    explain_dense_matrix,
    make_weight,
    matrix_of,
    reset_weight,
)


class Recurrent(nn.RNNBase):
    """Base of the drop-ins for :mod:`torch.nn`'s recurrent layers, whose weights are tensor networks.

    The gates are in PyTorch's order and count as one weight, so a format's first output mode carries them. All frames
    pass the input-to-hidden weight in one product, before the recurrence.

    Parameters have PyTorch's names. A dense weight is a plain parameter, so a layer without formats loads the state
    dict of PyTorch's layer and the other way round; a weight in a format is a :class:`~htzoo.nn.Weight`, whose cores
    are the parameters. Only ``bias_ih`` is trained: ``bias_hh`` adds to the same sum, and is a buffer that starts at 0.
    (In a GRU the two play different parts, and both are trained.)

    With ``joint_format`` the two weights of the first layer are one, ``[W U]``, which acts on ``[x; h]``. All frames
    still pass their columns in one product, and the steps multiply with the columns of h.

    Inputs, outputs and states have the shapes of PyTorch's layers, :class:`PackedSequence` and a single unbatched
    sequence included. Under autocast the products run in the lower precision; states and outputs keep the parameters'.
    Products and recurrences are operators to :func:`torch.compile`, which :func:`torch.export.export` takes apart.
    :func:`torch.ao.quantization.quantize_dynamic` knows PyTorch's classes only: quantize ``to_dense()``.

    Args:
        input_size: features of one frame.
        hidden_size: features of the hidden state.
        num_layers: layers on top of each other.
        bias: whether there is a bias.
        batch_first: whether inputs and outputs are (batch, time, features) rather than (time, batch, features).
        dropout: dropout probability on the output of every layer but the last.
        bidirectional: whether a second recurrence runs backward in time.
        proj_size: features that the hidden state is projected to, of an LSTM; 0 is no projection.
        device: where the parameters live.
        dtype: floating-point type of the parameters.
        input_format: format of the first layer's input-to-hidden weight, or a list with one format for each layer; None
            is dense.
        hidden_format: format of every hidden-to-hidden weight, or a list with one for each layer; None is dense, and
            starts orthogonal.
        joint_format: format of the first layer's two weights as one, with input modes that multiply to ``input_size +
            hidden_size``. The layers above, whose inputs are of other sizes, are dense.
        projection_format: format of every projection, or a list with one for each layer; None is dense.

    Raises:
        ValueError: a size is not positive, a format does not fit the sizes, formats exclude each other, or dropout is
            not a probability.
    """

    dense_class: ClassVar[Callable[..., nn.RNNBase]]
    cell: Cell
    trains_hidden_bias: ClassVar[bool] = False
    projects: ClassVar[bool] = False

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        *,
        input_format: LayerFormats = None,
        hidden_format: LayerFormats = None,
        joint_format: Format | None = None,
        projection_format: LayerFormats = None,
    ) -> None:
        nn.Module.__init__(self)  # RNNBase's own makes dense weights
        self.register_load_state_dict_pre_hook(explain_dense_matrix)  # type: ignore[no-untyped-call]
        for name, value in (("input_size", input_size), ("hidden_size", hidden_size), ("num_layers", num_layers)):
            if value < 1:
                raise ValueError(f"{name} is {value}: give at least 1")
        if not 0 <= dropout <= 1:
            raise ValueError(f"dropout is {dropout}: give a probability between 0 and 1")
        if joint_format is not None and (input_format is not None or hidden_format is not None):
            raise ValueError(
                "joint_format is given together with input_format or hidden_format: "
                "give either joint_format alone, or the other two"
            )
        if proj_size and not self.projects:
            raise ValueError(f"proj_size is {proj_size}: only an LSTM has a projection, leave it out")
        if not 0 <= proj_size < hidden_size:
            raise ValueError(f"proj_size is {proj_size}: give 0 for none, or less than hidden_size, {hidden_size}")
        if joint_format is not None and proj_size:
            raise ValueError("joint_format and proj_size are both given: give input_format and hidden_format instead")
        if projection_format is not None and not proj_size:
            raise ValueError("projection_format is given, but proj_size is 0: give proj_size, or leave it out")
        self.mode = type(self).__name__
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bias = bias
        self.batch_first = batch_first
        self.dropout = float(dropout)
        self.bidirectional = bidirectional
        self.proj_size = proj_size
        # RNNBase's cache of tensors, which its own forward reads and moves: kept empty, as nothing here needs it.
        self._flat_weights: list[Tensor | None] = []
        self._flat_weights_names: list[str] = []
        self._flat_weight_refs: list[Any] = []
        formats = {
            "weight_ih": each_layer("input_format", input_format, num_layers, first_only=True),
            "weight_hh": each_layer("hidden_format", hidden_format, num_layers),
            "weight_hr": each_layer("projection_format", projection_format, num_layers),
        }
        width = input_size
        for layer, suffix in self._cells():
            if layer > 0:
                width = self._output_size * (2 if bidirectional else 1)
            shapes = {"weight_ih": width, "weight_hh": self._output_size}
            if layer == 0 and joint_format is not None:
                shapes = {"weight": width + hidden_size}
            for name, columns in shapes.items():
                chosen = joint_format if name == "weight" else formats[name][layer]
                self._add(f"{name}_{suffix}", chosen, columns, hidden_size, self.cell.gates, device=device, dtype=dtype)
            for name in ("bias_ih", "bias_hh"):
                trained = name == "bias_ih" or self.trains_hidden_bias
                vector = torch.empty(self.cell.gates * hidden_size, device=device, dtype=dtype) if bias else None
                if trained:
                    self.register_parameter(f"{name}_{suffix}", None if vector is None else nn.Parameter(vector))
                else:
                    self.register_buffer(f"{name}_{suffix}", vector)
            if proj_size:
                chosen = formats["weight_hr"][layer]
                self._add(f"weight_hr_{suffix}", chosen, hidden_size, proj_size, 1, device=device, dtype=dtype)
        self._all_weights = [
            [name for name in _names(suffix, bias, proj_size > 0) if hasattr(self, name)] for _, suffix in self._cells()
        ]
        self.reset_parameters()

    def _add(self, name: str, format: Format | None, columns: int, rows: int, gates: int, **options: Any) -> None:
        weight = make_weight(format, columns, rows, gates, **options)
        if isinstance(weight, Weight):
            self.add_module(name, weight)
        else:
            self.register_parameter(name, weight)

    @property
    def _output_size(self) -> int:
        """Features of a direction's output."""
        return self.proj_size or self.hidden_size

    @property
    def all_weights(self) -> list[list[nn.Parameter]]:
        """Tensors of each layer and direction, as PyTorch's layers list them; a weight in a format gives its cores."""
        return [[tensor for name in names for tensor in _tensors(getattr(self, name))] for names in self._all_weights]

    def matrices(self) -> dict[str, Matrix]:
        """Every weight by its name, the dense ones included."""
        names = [name for names in self._all_weights for name in names if name.startswith("weight")]
        return {name: matrix_of(getattr(self, name)) for name in names}

    def _cells(self) -> list[tuple[int, str]]:
        """(layer, suffix of its parameters' names) of every layer and direction, in the order of the states."""
        directions = ("", "_reverse") if self.bidirectional else ("",)
        return [(layer, f"l{layer}{direction}") for layer in range(self.num_layers) for direction in directions]

    def _weights(self, suffix: str) -> tuple[tuple[Matrix, tuple[int, int] | None], ...]:
        """Input and hidden weight, each with its columns (None: all)."""
        joint = getattr(self, f"weight_{suffix}", None)
        if joint is None:
            return tuple((matrix_of(getattr(self, f"weight_{part}_{suffix}")), None) for part in ("ih", "hh"))
        matrix = matrix_of(joint)
        columns = matrix.in_features
        return (matrix, (0, columns - self.hidden_size)), (matrix, (columns - self.hidden_size, columns))

    def _projection(self, suffix: str) -> Matrix | None:
        """What makes the hidden state smaller, where something does."""
        return matrix_of(getattr(self, f"weight_hr_{suffix}")) if self.proj_size else None

    @property
    def _state_sizes(self) -> tuple[int, ...]:
        """Features of h, and of c where the cell has one."""
        return (self._output_size, self.hidden_size)[: self.cell.states]

    def _biases(self, suffix: str) -> tuple[Tensor | None, Tensor | None]:
        """What is added to the input part of the pre-activations, and to the hidden part where that differs."""
        bias, hidden_bias = getattr(self, f"bias_ih_{suffix}"), getattr(self, f"bias_hh_{suffix}")
        if bias is None or self.trains_hidden_bias:
            return bias, hidden_bias
        return bias + hidden_bias, None

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Draw all weights again: networks of exact variance, dense hidden weights orthogonal, biases 0."""
        for names in self._all_weights:
            for name in names:
                value = getattr(self, name)
                if name.startswith("bias"):
                    value.zero_()
                    continue
                reset_weight(value)
                if name.startswith("weight_hh") and isinstance(value, Tensor) and not self.proj_size:
                    for gate in value.chunk(self.cell.gates):  # in float32: QR has no half precision
                        own = torch.empty(gate.shape, dtype=torch.float32, device=gate.device)
                        gate.copy_(nn.init.orthogonal_(own))

    def _run(self, x: Tensor | PackedSequence, state: State | None) -> tuple[Tensor | PackedSequence, State]:
        """Outputs and last state of all layers, of an input of any kind."""
        if is_exporting() and isinstance(x, Tensor) and x.dim() == 3:
            return self._run_for_export(x, state)
        rows = pack(x, self.input_size, self.batch_first)
        parameter = next(self.parameters())
        check_dtype("input", rows.data, parameter)
        initial = self._initial(rows, state, parameter)
        data = inputs = rows.data
        outputs: list[Tensor] = []
        last: list[State] = []
        for k, (layer, suffix) in enumerate(self._cells()):
            reverse = suffix.endswith("_reverse")
            if not reverse:
                inputs = data if layer == 0 else nn.functional.dropout(data, self.dropout, self.training)
                outputs = []
            (weight_ih, columns), (weight_hh, hidden_columns) = self._weights(suffix)
            gates = weight_ih(inputs) if columns is None else weight_ih(inputs, columns)
            bias, hidden_bias = self._biases(suffix)
            gates = gates if bias is None else gates + bias
            start = tuple(value[k] for value in initial)
            projection = self._projection(suffix)
            if projection is not None:
                gates, start, weight_hh = without_projection(gates, rows.order, start, weight_hh, projection, reverse)
            hidden = Hidden(weight_hh.text, weight_hh.cores, hidden_columns, hidden_bias)
            y, end = recur(self.cell, gates, rows.order, start, hidden, reverse)
            if projection is not None:
                y, end = projection(y).to(y.dtype), (projection(end[0]).to(y.dtype), *end[1:])
            outputs.append(y)
            last.append(end)
            if reverse or not self.bidirectional:
                data = torch.cat(outputs, -1) if self.bidirectional else y
        return unpack(rows, data), tuple(rows.restore(torch.stack(values)) for values in zip(*last))

    def _run_for_export(self, x: Tensor, state: State | None) -> tuple[Tensor, State]:
        """What :meth:`_run` computes for a batch of equally long sequences, with the loop over time in the graph.

        The hidden-to-hidden weights are rebuilt as matrices, so that the loop holds plain products only.
        """
        data = inputs = x.transpose(0, 1) if self.batch_first else x
        outputs: list[Tensor] = []
        last: list[State] = []
        for _, suffix in self._cells():
            reverse = suffix.endswith("_reverse")
            if not reverse:
                inputs, outputs = data, []
            (weight_ih, columns), (weight_hh, hidden_columns) = self._weights(suffix)
            bias, hidden_bias = self._biases(suffix)
            projection = self._projection(suffix)
            gates = weight_ih(inputs, columns) if bias is None else weight_ih(inputs, columns) + bias
            if state is None:  # tensors of their own: the loop must not take two that are one
                start = tuple(gates.new_zeros(gates.shape[1], size) for size in self._state_sizes)
            else:
                start = tuple(value[len(last)] for value in state)
            hidden = weight_hh.to_dense()[:, slice(*(hidden_columns or (None,)))]
            smaller = None if projection is None else projection.to_dense()
            y, end = recur_for_export(self.cell, gates, start, hidden, hidden_bias, smaller, reverse)
            outputs.append(y)
            last.append(end)
            data = torch.cat(outputs, -1)
        y = data.transpose(0, 1) if self.batch_first else data
        return y, tuple(torch.stack(values) for values in zip(*last))

    def _initial(self, rows: Rows, state: State | None, parameter: Tensor) -> State:
        """The initial state of every layer and direction, sorted as the rows are."""
        batch = rows.order.batch
        sizes = self._state_sizes
        if state is None:
            return tuple(parameter.new_zeros(len(self._cells()), batch, size) for size in sizes)
        shapes = [(len(self._cells()), *(() if rows.unbatched else (batch,)), size) for size in sizes]
        names = ("h_0", "c_0")[: self.cell.states]
        if len(state) != len(names) or not all(isinstance(value, Tensor) for value in state):
            expected = " and ".join(f"{name} of shape {shape}" for name, shape in zip(names, shapes))
            raise InputError(f"hx is not the layer's initial state: give {expected}")
        for name, value, shape in zip(names, state, shapes):
            if value.shape != shape:
                raise InputError(f"{name} has shape {tuple(value.shape)}: give one of shape {shape}")
            check_dtype(name, value, parameter)
        batched = [value.unsqueeze(1) if rows.unbatched else value for value in state]
        return tuple(rows.sort(value.to(parameter.dtype)) for value in batched)

    def flatten_parameters(self) -> None:
        """Do nothing; code written for PyTorch's layers calls it."""

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        """Load the state dicts of PyTorch's layers, and those of htzoo before its layers had PyTorch's names."""
        for key, former in self._former_names(prefix).items():
            if former in state_dict:
                value = state_dict.pop(former)
                if former.startswith(f"{prefix}bias_hn"):
                    value = nn.functional.pad(value, (2 * self.hidden_size, 0))
                state_dict[key] = value
                if "bias_ih" in key and not self.trains_hidden_bias:
                    state_dict[key.replace("bias_ih", "bias_hh")] = torch.zeros_like(value)
        super()._load_from_state_dict(state_dict, prefix, *rest)

    def _former_names(self, prefix: str) -> dict[str, str]:
        """Name in a state dict -> what htzoo saved it as when there was one bias, and a dense weight was a module."""
        names = {}
        for name in [name for names in self._all_weights for name in names]:
            if name.startswith("weight") and isinstance(getattr(self, name), Tensor):
                names[name] = f"{name}.weight"
            elif name.startswith("bias_ih"):
                names[name] = name.replace("bias_ih", "bias")
            elif name.startswith("bias_hh") and self.trains_hidden_bias:
                names[name] = name.replace("bias_hh", "bias_hn")
        return {prefix + name: prefix + former for name, former in names.items()}

    def to_dense(self) -> nn.RNNBase:
        """PyTorch's layer with the rebuilt weights, which gives equal outputs."""
        return self._to_dense()

    @torch.no_grad()
    def _to_dense(self, **options: object) -> nn.RNNBase:
        """PyTorch's layer with the rebuilt weights."""
        parameter = next(self.parameters())
        dense = self.dense_class(
            self.input_size,
            self.hidden_size,
            num_layers=self.num_layers,
            bias=self.bias,
            batch_first=self.batch_first,
            dropout=self.dropout if self.num_layers > 1 else 0.0,  # PyTorch warns of one that does nothing
            bidirectional=self.bidirectional,
            device=parameter.device,
            dtype=parameter.dtype,
            **options,
        )
        for _, suffix in self._cells():
            for name, (weight, columns) in zip(("weight_ih", "weight_hh"), self._weights(suffix), strict=True):
                dense.get_parameter(f"{name}_{suffix}").copy_(weight.to_dense()[:, slice(*(columns or (None,)))])
            projection = self._projection(suffix)
            if projection is not None:
                dense.get_parameter(f"weight_hr_{suffix}").copy_(projection.to_dense())
            if self.bias:
                for name in (f"bias_ih_{suffix}", f"bias_hh_{suffix}"):
                    dense.get_parameter(name).copy_(getattr(self, name))
        return dense.train(self.training)


class OneState(Recurrent):
    """Layers whose state is the hidden state alone."""

    def forward(
        self, input: Tensor | PackedSequence, hx: Tensor | None = None
    ) -> tuple[Tensor | PackedSequence, Tensor]:
        """Run the sequence.

        Args:
            input: (time, batch, input_size), (batch, time, input_size) with ``batch_first``, (time, input_size), or
                packed.
            hx: h_0 of shape (layers * directions, batch, hidden_size) or without batch; zeros when None.

        Returns:
            The outputs of the last layer, like ``input`` with directions * hidden_size features, and h_n.

        Raises:
            InputError: ``input`` or ``hx`` has the wrong shape or type (a ValueError and a RuntimeError).
        """
        output, (h_n,) = self._run(input, None if hx is None else (hx,))
        return output, h_n


def _names(suffix: str, bias: bool, projects: bool) -> list[str]:
    """Names of a layer's and direction's tensors, in PyTorch's order."""
    names = ["weight", "weight_ih", "weight_hh", *(["bias_ih", "bias_hh"] if bias else [])]
    return [f"{name}_{suffix}" for name in (*names, *(["weight_hr"] if projects else []))]


def _tensors(value: AnyWeight) -> list[Any]:
    return list(value.cores) if isinstance(value, Weight) else [value]
