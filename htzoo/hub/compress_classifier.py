"""A video classifier of the zoo with a smaller recurrent layer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from htzoo.compression.compress_model import WeightReport
from htzoo.compression.one_layer import compress_with_report
from htzoo.hub.classifier import ZooClassifier
from htzoo.nn.layer_arguments import layer_formats
from htzoo.nn.layer_formats import LayerFormats


def compress_classifier(
    model: ZooClassifier, formats: Mapping[str, LayerFormats]
) -> tuple[ZooClassifier, list[WeightReport]]:
    """A copy of a video classifier with its recurrent layer in other formats.

    The CNN and the head stay as they are. The copy has no name and no test result: its accuracy is another one.

    Args:
        model: the classifier.
        formats: ``input_format`` and ``hidden_format``, or ``joint_format``.

    Returns:
        The copy in evaluation mode, and what was done to every weight.

    Raises:
        ValueError: a format does not fit the layer.
    """
    layer, rows = compress_with_report(model.recurrent, formats)
    arguments = model.config.arguments
    new = {name: value for name, value in layer_formats(layer).items() if name in arguments}
    small = ZooClassifier(
        replace(model.config, arguments={**arguments, **new}, name=None, result=None, weights_sha256=None)
    )
    state = {key: value for key, value in model.state_dict().items() if not key.startswith("recurrent.")}
    small.load_state_dict({**state, **{f"recurrent.{key}": value for key, value in layer.state_dict().items()}})
    return small.eval(), rows
