"""Trained dense layers into tensorized ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from htzoo.formats import Format
from htzoo.nn.gru import GRU
from htzoo.nn.linear import Linear
from htzoo.nn.lstm import LSTM
from htzoo.nn.recurrent_layer import Recurrent
from htzoo.nn.rnn import RNN
from htzoo.nn.weight import Weight


class _Twin(NamedTuple):
    """How to make the layer that corresponds to one of PyTorch's.

    Args:
        layer: class in :mod:`htzoo.nn`.
        options: arguments that both classes have, ``bias`` apart; PyTorch's layer has them as attributes.
    """

    layer: Callable[..., Linear | Recurrent]
    options: tuple[str, ...]


_OPTIONS = ("input_size", "hidden_size", "num_layers", "batch_first", "dropout", "bidirectional")
_TWINS: dict[type[nn.Module], _Twin] = {
    nn.Linear: _Twin(Linear, ("in_features", "out_features")),
    nn.RNN: _Twin(RNN, (*_OPTIONS, "nonlinearity")),
    nn.GRU: _Twin(GRU, _OPTIONS),
    nn.LSTM: _Twin(LSTM, _OPTIONS),
}


@torch.no_grad()
def compress(
    module: nn.Module,
    format: Format | None = None,
    *,
    input_format: Format | None = None,
    hidden_format: Format | None = None,
    joint_format: Format | None = None,
) -> Linear | Recurrent:
    """The tensorized twin that is closest to a trained layer.

    Every weight is decomposed by :meth:`htzoo.nn.Weight.set_dense`, and keeps its relative error:
    ``compress(lstm, format).weight_ih_l0.error``. Where the ranks allow it the outputs are equal. A weight without a
    format stays dense, bit by bit, so ``compress(lstm)`` alone is the same layer as one of :mod:`htzoo.nn`.

    To start from the state dict of a PyTorch layer, load it into one first::

        dense = torch.nn.LSTM(57600, 256)
        dense.load_state_dict(state)
        small = htzoo.compress(dense, HierarchicalTucker((8, 10, 10, 9, 8), (4, 4, 2, 4, 2), 4, 5))

    Args:
        module: a linear or recurrent layer of :mod:`torch.nn` or :mod:`htzoo.nn`, whose weights are rebuilt first; it
            stays as it is.
        format: format of a linear layer's weight; for a recurrent layer another word for ``input_format``.
        input_format: format of a recurrent layer's first input-to-hidden weight; those above stay dense.
        hidden_format: format of a recurrent layer's hidden-to-hidden weights.
        joint_format: format of ``[W U]``, the two weights of a recurrent layer's first layer side by side, instead of
            all others. The layers above stay dense.

    Returns:
        The layer of :mod:`htzoo.nn`, with the module's dtype, device and mode (training or evaluation), frozen where
        all of the module is.

    Raises:
        ValueError: the layer has no twin, a format does not fit its sizes, or formats exclude each other.
    """
    dense = module.to_dense() if isinstance(module, Linear | Recurrent) else module
    twin = _TWINS.get(type(dense))
    if twin is None:
        known = ", ".join(cls.__name__ for cls in _TWINS)
        raise ValueError(f"module is a {type(module).__name__}: give one of {known} of torch.nn or htzoo.nn")
    if getattr(dense, "proj_size", 0):
        raise ValueError(f"module has proj_size {dense.proj_size}: give a layer without projection")
    if format is not None and input_format is not None:
        raise ValueError("format and input_format are both given, and mean the same weight: leave one out")
    formats = {"input_format": input_format, "hidden_format": hidden_format, "joint_format": joint_format}
    if isinstance(dense, nn.Linear):
        for name, value in formats.items():
            if value is not None:
                raise ValueError(f"{name} is given, but a Linear has one weight: give its format as format")
        formats = {"format": format}
    elif format is not None:
        formats["input_format"] = format
    parameters = dict(dense.named_parameters())
    some = next(iter(parameters.values()))
    layer = twin.layer(
        **{name: getattr(dense, name) for name in twin.options},
        bias=any(name.startswith("bias") for name in parameters),
        **formats,
        device=some.device,
        dtype=some.dtype,
    )
    for name, weight in layer.named_children():
        assert isinstance(weight, Weight)
        parts = [name] if name in parameters else [name.replace("weight", f"weight_{part}") for part in ("ih", "hh")]
        weight.set_dense(torch.cat([parameters[part] for part in parts], 1))
    for name, parameter in parameters.items():
        if name.startswith("bias_hh"):
            _add_hidden_bias(layer, name.removeprefix("bias_hh_"), parameter)
        elif name.startswith("bias"):
            layer.get_parameter(name.replace("bias_ih", "bias")).copy_(parameter)
    layer.requires_grad_(any(parameter.requires_grad for parameter in parameters.values()))
    return layer.train(module.training)


def _add_hidden_bias(layer: nn.Module, suffix: str, bias: Tensor) -> None:
    """Add to the one bias, which holds the input's already; the last gate's goes to ``bias_hn`` where a GRU has it."""
    apart = getattr(layer, f"bias_hn_{suffix}", None)
    together = bias if apart is None else bias[: -len(apart)]
    layer.get_parameter(f"bias_{suffix}")[: len(together)].add_(together)
    if apart is not None:
        apart.copy_(bias[-len(apart) :])
