"""A video classifier of the zoo with a smaller recurrent layer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from htzoo.compression.compress_model import WeightReport
from htzoo.compression.one_layer import compress_with_report
from htzoo.hub.classifier import ZooClassifier
from htzoo.nn.layer_arguments import plain_formats
from htzoo.nn.layer_formats import LayerFormats


def compress_classifier(
    model: ZooClassifier, formats: Mapping[str, LayerFormats]
) -> tuple[ZooClassifier, list[WeightReport]]:
    """The same for a video classifier; its CNN and its head stay as they are.

    Raises:
        ValueError: a format does not fit the layer.
    """
    layer, rows = compress_with_report(model.recurrent, formats)
    words = {key: plain_formats(form) for key, form in formats.items()}
    none: dict[str, Any] = {"input_format": None, "hidden_format": None, "joint_format": None}
    arguments = {**model.config.arguments, **none, **words}
    config = replace(model.config, arguments=arguments, name=None, result=None)  # the accuracy is another one
    small = ZooClassifier(config)
    state = {key: value for key, value in model.state_dict().items() if not key.startswith("recurrent.")}
    small.load_state_dict({**state, **{f"recurrent.{key}": value for key, value in layer.state_dict().items()}})
    return small.eval(), rows
