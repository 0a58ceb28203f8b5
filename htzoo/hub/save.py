"""Write what a repository on the Hub holds into a folder."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from safetensors.torch import save_file
from torch import nn

from htzoo.data.clips.frame_sampler import FrameSampler
from htzoo.files import file_digest
from htzoo.hub.card import CARD_NAME, Training, is_ours, model_card
from htzoo.hub.config import CONFIG_NAME, ModelConfig, read_config
from htzoo.hub.module_config import describe
from htzoo.hub.weights import WEIGHTS_NAME


def save_pretrained(
    module: nn.Module,
    folder: str | os.PathLike[str],
    config: ModelConfig | None = None,
    *,
    sampling: FrameSampler | None = None,
    training: Training | None = None,
    load_as: str | None = None,
    pictures: Mapping[str, Path] | None = None,
) -> Path:
    """Write config.json, model.safetensors and a model card, all of them or none.

    A card that was edited by hand is left alone. Files of an older model are replaced at the end, one after the other;
    config.json holds the SHA-256 of its weights, so that a mixture of two models, should the power fail in between, is
    never loaded.

    Args:
        module: a :class:`~htzoo.models.VideoClassifier`, or a recurrent layer of :mod:`htzoo.nn`.
        folder: where to; made if it is missing.
        config: name, sampling and result of the model; its arguments are read off the module.
        sampling: which frames of a clip the model reads, where there is no config.
        training: what is known of its training.
        load_as: what the card tells to load; the folder's name when None.
        pictures: name in the folder -> file to copy there.

    Returns:
        The folder.

    Raises:
        ValueError: the module is of another class, has weights that are not finite, or the sampling is missing.
        OSError: the folder cannot be written.
    """
    kind, arguments = describe(module)
    config = replace(config or ModelConfig(kind, sampling=sampling), kind=kind, arguments=arguments)
    if kind == "VideoClassifier" and config.sampling is None:
        raise ValueError("sampling is None: give a FrameSampler, which frames of a clip the model was trained on")
    state = {key: value.detach().cpu().contiguous() for key, value in module.state_dict().items()}
    for key, value in state.items():
        if value.is_floating_point() and not bool(torch.isfinite(value).all()):
            raise ValueError(f"{key} holds numbers that are not finite: a model that diverged is not saved")
    output = Path(folder)
    output.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".saving-", dir=output) as made:
        staged = Path(made)
        save_file(state, staged / WEIGHTS_NAME, metadata={"format": "pt"})
        config = replace(config, weights_sha256=file_digest(staged / WEIGHTS_NAME))
        (staged / CONFIG_NAME).write_text(config.to_json(), encoding="utf-8", newline="\n")
        read_config(staged / CONFIG_NAME)  # what cannot be read again is not published
        shutil.copymode(staged / CONFIG_NAME, staged / WEIGHTS_NAME)  # safetensors makes it for the owner alone
        for name, source in (pictures or {}).items():
            shutil.copyfile(source, staged / name)
        if is_ours(output / CARD_NAME):
            load_as = load_as or f"./{output.resolve().name}"
            card = model_card(config, module, training, load_as, tuple(pictures or ()))
            (staged / CARD_NAME).write_text(card, encoding="utf-8", newline="\n")
        for path in sorted(staged.iterdir()):
            os.replace(path, output / path.name)
    return output
