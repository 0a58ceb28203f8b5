"""One recurrent layer in formats that are given, and what became of every weight."""

from __future__ import annotations

from collections.abc import Mapping

from torch import nn

from htzoo.compression.compress_layer import compress_layer
from htzoo.compression.compress_model import WeightReport
from htzoo.nn.layer_arguments import layer_formats, plain_formats
from htzoo.nn.layer_formats import LayerFormats
from htzoo.nn.recurrent_layer import Recurrent
from htzoo.nn.weight import Weight


def compress_with_report(layer: nn.Module, formats: Mapping[str, LayerFormats]) -> tuple[Recurrent, list[WeightReport]]:
    """The closest layer in other formats; a layer that has them already stays as it is.

    Args:
        layer: a recurrent layer of :mod:`torch.nn` or :mod:`htzoo.nn`.
        formats: ``input_format`` and ``hidden_format``, or ``joint_format``.

    Raises:
        ValueError: a format does not fit the layer.
    """
    wanted = {key: plain_formats(form) for key, form in formats.items() if form is not None}
    has = {}
    if isinstance(layer, Recurrent):
        has = {key: form for key, form in layer_formats(layer).items() if form is not None}
    same = wanted == has and isinstance(layer, Recurrent)
    small = layer if same else compress_layer(layer, **formats)  # type: ignore[arg-type]
    assert isinstance(small, Recurrent)
    old = layer.matrices() if isinstance(layer, Recurrent) else {}
    rows = []
    for name, matrix in small.matrices().items():
        network = matrix.network
        before = old[name].num_parameters if name in old else network.in_features * network.out_features
        weight = getattr(small, name)
        error = weight.error if isinstance(weight, Weight) else None
        rows.append(WeightReport(name, str(matrix.format), before, matrix.num_parameters, error, error))
    return small, rows
