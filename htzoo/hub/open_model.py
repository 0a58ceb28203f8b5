"""A model from wherever a command was told to look."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from htzoo.hub.classifier import PublishedClassifier
from htzoo.hub.pretrained import from_pretrained


def open_classifier(name: str, **options: Any) -> PublishedClassifier:
    """A video classifier of the zoo, a folder, the Hub, or a checkpoint in the folder of its run.

    Args:
        name: what :func:`htzoo.from_pretrained` takes, or ``RUN/checkpoints/best.ckpt``.
        options: those of :func:`htzoo.from_pretrained`.

    Raises:
        ValueError: there is no such model, or it is no video classifier.
    """
    if name.endswith(".ckpt"):
        from htzoo.hub.training_run import read_run

        return read_run(Path(name)).model
    loaded = from_pretrained(name, **options)
    if not isinstance(loaded, PublishedClassifier):
        raise ValueError(f"{name} is a {type(loaded).__name__} layer, which reads no video: load it in Python instead")
    return loaded
