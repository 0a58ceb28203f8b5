"""Trained dense layers into tensorized ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import torch
from torch import Tensor, nn

from htzoo.formats import Format
from htzoo.nn import GRU, LSTM, RNN, Embedding, Linear
from htzoo.nn.recurrent_layer import LayerFormats, Recurrent
from htzoo.nn.weight import set_weight

Layer: TypeAlias = Linear | Embedding | Recurrent


class _Counterpart(NamedTuple):
    """How to make the layer of :mod:`htzoo.nn` that corresponds to one of PyTorch's.

    Args:
        layer: class in :mod:`htzoo.nn`.
        options: arguments that both classes have, ``bias`` apart; PyTorch's layer has them as attributes.
    """

    layer: Callable[..., Layer]
    options: tuple[str, ...]


_OPTIONS = ("input_size", "hidden_size", "num_layers", "batch_first", "dropout", "bidirectional")
_EMBEDDING = ("num_embeddings", "embedding_dim", "padding_idx", "max_norm", "norm_type", "scale_grad_by_freq", "sparse")
_COUNTERPARTS: dict[type[nn.Module], _Counterpart] = {
    nn.Linear: _Counterpart(Linear, ("in_features", "out_features")),
    nn.Embedding: _Counterpart(Embedding, _EMBEDDING),
    nn.RNN: _Counterpart(RNN, (*_OPTIONS, "nonlinearity")),
    nn.GRU: _Counterpart(GRU, _OPTIONS),
    nn.LSTM: _Counterpart(LSTM, (*_OPTIONS, "proj_size")),
}


@torch.no_grad()
def compress(
    module: nn.Module,
    format: Format | None = None,
    *,
    input_format: LayerFormats = None,
    hidden_format: LayerFormats = None,
    joint_format: Format | None = None,
    projection_format: LayerFormats = None,
) -> Layer:
    """The layer of :mod:`htzoo.nn` that is closest to a trained layer.

    Every weight is decomposed by :meth:`htzoo.nn.Weight.set_dense`, and keeps its relative error:
    ``compress(lstm, format).weight_ih_l0.error``. Where the ranks allow it the outputs are equal. A weight without a
    format stays dense, bit by bit, so ``compress(lstm)`` alone is the same layer as one of :mod:`htzoo.nn`.

    To start from the state dict of a PyTorch layer, load it into one first::

        dense = torch.nn.LSTM(57600, 256)
        dense.load_state_dict(state)
        small = htzoo.compress(dense, HierarchicalTucker((8, 10, 10, 9, 8), (4, 4, 2, 4, 2), 4, 5))

    Args:
        module: a linear, embedding or recurrent layer of :mod:`torch.nn` or :mod:`htzoo.nn`, whose weights are rebuilt
            first; it stays as it is.
        format: format of a linear or embedding layer's weight; for a recurrent layer another word for ``input_format``.
        input_format: format of a recurrent layer's first input-to-hidden weight, or a list with one for each layer.
        hidden_format: format of a recurrent layer's hidden-to-hidden weights, or a list with one for each layer.
        joint_format: format of ``[W U]``, the two weights of a recurrent layer's first layer side by side, instead of
            ``input_format`` and ``hidden_format``. The layers above stay dense.
        projection_format: format of an LSTM's projections, or a list with one for each layer.

    Returns:
        The layer of :mod:`htzoo.nn`, with the module's dtype, device and mode (training or evaluation), frozen where
        all of the module is.

    Raises:
        ValueError: the layer has no counterpart, a format does not fit its sizes, or formats exclude each other.
    """
    dense = module.to_dense() if isinstance(module, Layer) else module
    counterpart = _COUNTERPARTS.get(type(dense))
    if counterpart is None:
        known = ", ".join(cls.__name__ for cls in _COUNTERPARTS)
        raise ValueError(f"module is a {type(module).__name__}: give one of {known} of torch.nn or htzoo.nn")
    if format is not None and input_format is not None:
        raise ValueError("format and input_format are both given, and mean the same weight: leave one out")
    given = {
        "input_format": input_format,
        "hidden_format": hidden_format,
        "joint_format": joint_format,
        "projection_format": projection_format,
    }
    formats: dict[str, Any] = {key: value for key, value in given.items() if value is not None}
    if isinstance(dense, nn.Linear | nn.Embedding):
        for name in formats:
            raise ValueError(
                f"{name} is given, but {type(dense).__name__} layers have one weight: give its format as format"
            )
        formats = {"format": format}
    elif format is not None:
        formats["input_format"] = format
    if "projection_format" in formats and not isinstance(dense, nn.LSTM):
        raise ValueError(
            f"projection_format is given, but {type(dense).__name__} layers have no projection: leave it out"
        )
    parameters = dict(dense.named_parameters())
    some = next(iter(parameters.values()))
    if not isinstance(dense, nn.Embedding):
        formats["bias"] = any(name.startswith("bias") for name in parameters)
    options = {name: getattr(dense, name) for name in counterpart.options}
    layer = counterpart.layer(**options, **formats, device=some.device, dtype=some.dtype)
    if isinstance(layer, Embedding):
        layer.set_dense(parameters.pop("weight"))
    for name, value in parameters.items():
        if hasattr(layer, name):
            set_weight(getattr(layer, name), value)
    for name in layer.matrices() if isinstance(layer, Recurrent) else ():
        if name.startswith("weight_l"):  # the joint weight
            parts: list[Tensor] = [parameters[name.replace("weight", f"weight_{part}")] for part in ("ih", "hh")]
            set_weight(getattr(layer, name), torch.cat(parts, 1))
    layer.requires_grad_(any(parameter.requires_grad for parameter in parameters.values()))
    return layer.train(module.training)
