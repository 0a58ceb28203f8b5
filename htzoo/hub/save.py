"""Save a model as the files of a repository on the Hub."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from safetensors.torch import save_file
from torch import nn

from htzoo.data.clips.frame_sampler import FrameSampler
from htzoo.files import file_digest
from htzoo.hub.card import CARD_NAME, Training, is_ours, model_card
from htzoo.hub.config import CONFIG_NAME, ModelConfig, read_config
from htzoo.hub.errors import ModelError
from htzoo.hub.kinds import build, describe
from htzoo.hub.weights import WEIGHTS_NAME, check_header


def save_pretrained(
    module: nn.Module,
    folder: str | os.PathLike[str],
    config: ModelConfig | None = None,
    *,
    sampling: FrameSampler | None = None,
    training: Training | None = None,
    load_as: str | None = None,
) -> Path:
    """Write config.json, model.safetensors and a model card, all of them or none.

    A card that was edited by hand is kept. Files of an older model are replaced at the end, one after the other.
    config.json holds the SHA-256 of its weights, so a mixture of two models, left by a power failure in between, is
    never loaded.

    Args:
        module: a :class:`~htzoo.models.VideoClassifier`, or a recurrent layer of :mod:`htzoo.nn`.
        folder: made if it is missing.
        config: name, sampling and result of the model; its arguments are taken from the module. The result is left out
            if the weights are no longer those that it belongs to.
        sampling: which frames of a clip the model reads, if there is no config.
        training: facts about its training for the card, and the plots beside it.
        load_as: the name that the card loads the model by; the name of the folder when None.

    Returns:
        The folder.

    Raises:
        ValueError: the module is of another class, was changed so that its arguments do not build it again, or has
            values that are not finite; or the sampling is missing.
        OSError: the folder cannot be written.
    """
    kind, arguments = describe(module)
    config = replace(config or ModelConfig(kind, sampling=sampling), kind=kind, arguments=arguments)
    if kind == "VideoClassifier" and config.sampling is None:
        raise ValueError("sampling is None: give a FrameSampler that says which frames of a clip the model reads")
    state = {key: value.detach().cpu().contiguous() for key, value in module.state_dict().items()}
    for key, value in state.items():
        if value.is_floating_point() and not bool(torch.isfinite(value).all()):
            raise ValueError(f"{key} has values that are not finite: a model that diverged is not saved")
    output = Path(folder)
    output.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".saving-", dir=output) as made:
        staged = Path(made)
        save_file(state, staged / WEIGHTS_NAME, metadata={"format": "pt"})
        _check_rebuilds(kind, arguments, staged / WEIGHTS_NAME)
        digest = file_digest(staged / WEIGHTS_NAME)
        if config.weights_sha256 not in (None, digest):
            config = replace(config, result=None)
        config = replace(config, weights_sha256=digest)
        (staged / CONFIG_NAME).write_text(config.to_json(), encoding="utf-8", newline="\n")
        read_config(staged / CONFIG_NAME)  # raises if it could not be loaded
        shutil.copymode(staged / CONFIG_NAME, staged / WEIGHTS_NAME)  # safetensors lets only the owner read it
        for name, source in ({} if training is None else training.plots).items():
            shutil.copyfile(source, staged / name)
        if is_ours(output / CARD_NAME):
            load_as = load_as or f"./{output.resolve().name}"
            card = model_card(config, module, training, load_as)
            (staged / CARD_NAME).write_text(card, encoding="utf-8", newline="\n")
        for path in sorted(staged.iterdir()):
            os.replace(path, output / path.name)
    return output


def _check_rebuilds(kind: str, arguments: Mapping[str, Any], weights: Path) -> None:
    try:
        check_header(weights, build(kind, arguments, "meta").state_dict())
    except ModelError as error:
        raise ValueError(
            f"module is a {kind} that was changed after it was made, and its arguments do not build it again: "
            f"{str(error).partition(': ')[2]}"
        ) from None
