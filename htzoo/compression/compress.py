"""``htzoo.compress``: layers by a format, models by a budget."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from torch import nn

from htzoo.compression.compress_layer import compress_layer
from htzoo.compression.compress_model import compress_model
from htzoo.formats import Format
from htzoo.nn.layer_formats import LayerFormats


def compress(
    module: nn.Module,
    format: Format | None = None,
    *,
    input_format: LayerFormats = None,
    hidden_format: LayerFormats = None,
    joint_format: Format | None = None,
    projection_format: LayerFormats = None,
    budget: str | int | None = None,
    to: str = "auto",
    layers: str | Sequence[str] | None = None,
    types: Collection[str] | None = None,
    dense_hidden: bool = False,
    calibration: Iterable[Any] | None = None,
    distill: Iterable[Any] | None = None,
    steps: int = 1000,
) -> nn.Module:
    """Make trained weights small: those of one layer by a format, or those of a whole model by a budget.

    One layer, in the format that is given (:func:`~htzoo.compression.compress_layer.compress_layer`); a copy::

        small = htzoo.compress(lstm, TensorTrain((8, 5), (16, 16), 4))

    Any model, whose recurrent, linear and embedding layers are replaced in place
    (:func:`~htzoo.compression.compress_model.compress_model`)::

        htzoo.compress(model, budget="8x", calibration=batches, distill=batches, steps=2000)

    Args:
        module: a layer of :mod:`torch.nn` or :mod:`htzoo.nn`, or with a budget any module.
        format: format of a linear or embedding layer's weight, or of a recurrent layer's ``input_format``.
        input_format: format of a recurrent layer's first input-to-hidden weight, or a list with one for each layer.
        hidden_format: format of its hidden-to-hidden weights, or a list with one for each layer.
        joint_format: format of the first layer's two weights as one.
        projection_format: format of an LSTM's projections, or a list with one for each layer.
        budget: parameters of all layers together, or ``"8x"`` for 8 times fewer than now.
        to: with a budget, the name of a format, or ``auto``.
        layers: with a budget, patterns of the layers' names.
        types: with a budget, kinds of layers, such as ``("LSTM", "Linear")``.
        dense_hidden: with a budget, whether hidden-to-hidden weights stay dense.
        calibration: with a budget, batches of the model's inputs.
        distill: with a budget, batches of the model's inputs, without labels, on which the small model then learns to
            do what the original does (:func:`~htzoo.compression.distill.distill`); they calibrate too.
        steps: steps of that training.

    Returns:
        The compressed layer, or the model.

    Raises:
        ValueError: see the two functions; or formats and a budget are both given.
    """
    formats: dict[str, Any] = {
        "format": format,
        "input_format": input_format,
        "hidden_format": hidden_format,
        "joint_format": joint_format,
        "projection_format": projection_format,
    }
    if budget is None:
        only_models = {"calibration": calibration, "distill": distill, "layers": layers, "types": types}
        for name, given in only_models.items():
            if given is not None:
                raise ValueError(f"{name} is given without a budget: give budget, such as '8x'")
        return compress_layer(module, **formats)
    for name, value in formats.items():
        if value is not None:
            raise ValueError(f"{name} and budget are both given: a budget chooses the formats, name one with to")
    batches = None if distill is None else list(distill)
    inputs = batches if calibration is None else list(calibration)
    teacher = None
    if batches is not None:
        from copy import deepcopy

        teacher = deepcopy(module)
    small, _ = compress_model(
        module, budget, to=to, layers=layers, types=types, dense_hidden=dense_hidden, calibration=inputs
    )
    if teacher is not None and batches is not None:
        from htzoo.compression.distill import distill as train_to_imitate  # Lightning takes seconds to import

        train_to_imitate(small, teacher, batches, steps=steps)
    return small
