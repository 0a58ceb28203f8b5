"""Trained dense layers into tensorized ones."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from htzoo.formats import Format
from htzoo.nn.gru import GRU
from htzoo.nn.linear import Linear
from htzoo.nn.lstm import LSTM
from htzoo.nn.rnn import RNN
from htzoo.nn.weight import Weight


class _Twin(NamedTuple):
    """How to make the layer that corresponds to one of PyTorch's.

    Args:
        layer: class in :mod:`htzoo.nn`.
        options: arguments that both classes have, ``bias`` apart; PyTorch's layer has them as attributes.
        formats: the arguments that take the format, and the hidden format where the layer has one.
    """

    layer: type[nn.Module]
    options: tuple[str, ...]
    formats: tuple[str, ...]


_OPTIONS = ("input_size", "hidden_size", "num_layers", "batch_first", "dropout", "bidirectional")
_FORMATS = ("input_format", "hidden_format")
_TWINS: dict[type[nn.Module], _Twin] = {
    nn.Linear: _Twin(Linear, ("in_features", "out_features"), ("format",)),
    nn.RNN: _Twin(RNN, (*_OPTIONS, "nonlinearity"), _FORMATS),
    nn.GRU: _Twin(GRU, _OPTIONS, _FORMATS),
    nn.LSTM: _Twin(LSTM, _OPTIONS, _FORMATS),
}


@torch.no_grad()
def compress(module: nn.Module, format: Format, *, hidden_format: Format | None = None) -> nn.Module:
    """The tensorized twin that is closest to a trained layer.

    Every weight is decomposed by :meth:`htzoo.nn.Weight.set_dense`, and keeps its relative error:
    ``compress(lstm, format).weight_ih_l0.error``. Where the ranks allow it the outputs are equal.

    Args:
        module: a layer of :mod:`torch.nn`; it stays as it is.
        format: format of the weight of a linear layer, or of a recurrent layer's first input-to-hidden weight.
        hidden_format: format of a recurrent layer's hidden-to-hidden weights; None leaves them dense.

    Returns:
        The layer of :mod:`htzoo.nn`, with the module's dtype, device and mode (training or evaluation).

    Raises:
        ValueError: the layer has no twin, or a format does not fit its sizes.
    """
    twin = _TWINS.get(type(module))
    if twin is None:
        known = ", ".join(f"torch.nn.{cls.__name__}" for cls in _TWINS)
        raise ValueError(f"module is a {type(module).__name__}: give one of {known}")
    if getattr(module, "proj_size", 0):
        raise ValueError(f"module has proj_size {module.proj_size}: give a layer without projection")
    if hidden_format is not None and len(twin.formats) == 1:
        raise ValueError(f"hidden_format is given, but a {type(module).__name__} has no hidden weight: leave it out")
    parameters = dict(module.named_parameters())
    some = next(iter(parameters.values()))
    layer = twin.layer(
        **{name: getattr(module, name) for name in twin.options},
        bias=any(name.startswith("bias") for name in parameters),
        **dict(zip(twin.formats, (format, hidden_format))),
        device=some.device,
        dtype=some.dtype,
    )
    for name, parameter in parameters.items():
        if name.startswith("weight"):
            weight = layer.get_submodule(name)
            assert isinstance(weight, Weight)
            weight.set_dense(parameter)
        elif name.startswith("bias_hh"):
            _add_hidden_bias(layer, name.removeprefix("bias_hh_"), parameter)
        else:
            layer.get_parameter(name.replace("bias_ih", "bias")).copy_(parameter)
    return layer.train(module.training)


def _add_hidden_bias(layer: nn.Module, suffix: str, bias: Tensor) -> None:
    """Add to the one bias, which holds the input's already; the last gate's goes to ``bias_hn`` where a GRU has it."""
    apart = getattr(layer, f"bias_hn_{suffix}", None)
    together = bias if apart is None else bias[: -len(apart)]
    layer.get_parameter(f"bias_{suffix}")[: len(together)].add_(together)
    if apart is not None:
        apart.copy_(bias[-len(apart) :])
