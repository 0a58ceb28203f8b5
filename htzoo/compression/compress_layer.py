"""Trained dense layers into tensorized ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import torch
from torch import Tensor, nn

from htzoo.formats import Format
from htzoo.nn import GRU, LSTM, RNN, Embedding, Linear
from htzoo.nn.layer_formats import LayerFormats
from htzoo.nn.recurrent_layer import Recurrent
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
def compress_layer(
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
    if not isinstance(dense, tuple(_COUNTERPARTS)):
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
    layer = counterpart_of(dense, **formats)
    if isinstance(layer, Embedding):
        layer.set_dense(dense.weight)  # type: ignore[arg-type]
    elif isinstance(layer, Linear):
        set_weight(layer.weight, dense.weight)  # type: ignore[arg-type]
    else:
        for name in layer.matrices():
            parts = (
                [name] if hasattr(dense, name) else [name.replace("weight", f"weight_{part}") for part in ("ih", "hh")]
            )
            set_weight(getattr(layer, name), torch.cat([getattr(dense, part) for part in parts], 1))
    return layer.train(module.training)


@torch.no_grad()
def dense_copy(module: nn.Module) -> nn.Module:
    """A layer of :mod:`torch.nn` with a plain parameter for every weight, whatever computes them in ``module``."""
    cls: Any
    cls, counterpart = next((cls, found) for cls, found in _COUNTERPARTS.items() if isinstance(module, cls))
    options = {name: getattr(module, name) for name in counterpart.options}
    if cls is not nn.Embedding:
        options["bias"] = module.bias if isinstance(module.bias, bool) else module.bias is not None
    some = next(module.parameters())
    plain: nn.Module = cls(**options, device=some.device, dtype=some.dtype)
    for name, parameter in plain.named_parameters():
        parameter.copy_(getattr(module, name))
    plain.requires_grad_(any(parameter.requires_grad for parameter in module.parameters()))
    return plain.train(module.training)


@torch.no_grad()
def counterpart_of(dense: nn.Module, **formats: Any) -> Layer:
    """The layer of :mod:`htzoo.nn` with these formats; what has no format is copied, cores are still to be set.

    Args:
        dense: a linear, embedding or recurrent layer of :mod:`torch.nn`.
        formats: arguments of the layer's constructor.

    Returns:
        The layer, with the dtype and the device of ``dense``, frozen where all of it is.

    Raises:
        ValueError: the layer has no counterpart, or a format does not fit its sizes.
    """
    counterpart = next((found for cls, found in _COUNTERPARTS.items() if isinstance(dense, cls)), None)
    if counterpart is None:
        known = ", ".join(cls.__name__ for cls in _COUNTERPARTS)
        raise ValueError(f"module is a {type(dense).__name__}: give one of {known} of torch.nn or htzoo.nn")
    parameters = dict(dense.named_parameters())
    some = next(iter(parameters.values()))
    options = {name: getattr(dense, name) for name in counterpart.options}
    if not isinstance(dense, nn.Embedding):
        options["bias"] = any(name.startswith("bias") for name in parameters)
    layer = counterpart.layer(**options, **formats, device=some.device, dtype=some.dtype)
    for name, value in parameters.items():
        own = getattr(layer, name, None)  # a joint weight stands for two
        if isinstance(own, Tensor):
            own.copy_(value)
    layer.requires_grad_(any(parameter.requires_grad for parameter in parameters.values()))
    return layer
