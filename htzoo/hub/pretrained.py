"""Load a trained model by name, from a folder, or from the Hub."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from htzoo.files import file_digest
from htzoo.hub.classifier import PublishedClassifier
from htzoo.hub.config import CONFIG_NAME, ModelConfig, read_config
from htzoo.hub.errors import ModelError
from htzoo.hub.packaged_weights import PINNED, checkpoint_folder, pretrained_names
from htzoo.hub.weights import WEIGHTS_NAME, check_header, read_weights
from htzoo.messages import first_line
from htzoo.names import UnknownNameError, did_you_mean
from htzoo.nn import GRU, LSTM, RNN
from htzoo.nn.recurrent_layer import Recurrent, formats_from_plain

_ZOO, _HUB = "zoo:", "hf-hub:"
_LAYERS: dict[str, type[Recurrent]] = {"LSTM": LSTM, "GRU": GRU, "RNN": RNN}
_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")


def from_pretrained(
    name: str | os.PathLike[str],
    revision: str | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    local_files_only: bool = False,
    token: str | bool | None = None,
) -> nn.Module:
    """A trained model, in evaluation mode, with everything that it takes to use it.

    Nothing in the files can run code, and nothing larger than the weights file is allocated: config.json is plain data
    checked against htzoo's own tables, and the weights are safetensors whose header must agree with it.

    Args:
        name: a model of the zoo with trained weights (``moving_digits_ht``), a folder (``./mine``), or a repository on
            the Hub (``ORG/REPO``). An existing folder wins over a repository of the same spelling; ``zoo:NAME`` and
            ``hf-hub:ORG/REPO`` are never folders.
        revision: branch, tag or commit on the Hub; its main branch when None.
        cache_dir: where downloads are kept; the Hub client's own cache when None.
        local_files_only: whether to use only what is in the cache.
        token: access token of the Hub; the one of ``hf auth login`` when None.

    Returns:
        A :class:`~htzoo.hub.classifier.PublishedClassifier`, or a layer of :mod:`htzoo.nn` where a layer was saved.

    Raises:
        UnknownNameError: nothing is called so.
        ValueError: the name could mean two things.
        ModelError: the files are damaged, do not belong together, or are no model of htzoo.
        HubError: the repository cannot be read; the message says why.
    """
    text = os.fspath(name)
    folder, repository, pinned = _find(text)
    if folder is not None:
        if revision is not None:
            raise ValueError(f"revision is {revision!r}, but {text} is a folder here: leave it out")
        weights = folder / WEIGHTS_NAME
        return _load(folder / CONFIG_NAME, lambda most: _local(weights, most))
    from htzoo.hub.download import Download  # the Hub client takes a third of a second to import

    download = Download(repository, revision or pinned, cache_dir, local_files_only, token)
    return _load(download.config(), download.weights)


def _find(name: str) -> tuple[Path | None, str, str | None]:
    """The folder of a model, or None, the repository, and the revision that it is pinned to."""
    if name.startswith(_HUB):
        return None, name.removeprefix(_HUB), None
    known = pretrained_names()
    plain = name.removeprefix(_ZOO)
    folder = Path(name)
    if plain in known:
        if plain == name and (folder / CONFIG_NAME).is_file():
            raise ValueError(
                f"{name!r} is both a model of the zoo and a folder here: write {_ZOO}{name} for the model of the zoo, "
                f"or {os.path.join('.', name)} for the folder"
            )
        shipped = checkpoint_folder() / plain
        if (shipped / CONFIG_NAME).is_file():
            return shipped, "", None
        repository, commit = PINNED[plain]
        return None, repository, commit
    if plain == name and folder.is_dir():
        return folder, "", None
    if plain == name and name.count("/") == 1 and not name.startswith((".", "/", "~")) and not name.endswith("/"):
        return None, name, None
    raise UnknownNameError(_unknown(plain, known))


def _unknown(name: str, known: list[str]) -> str:
    from htzoo.configs import config_names

    if name in config_names():
        have = f"those with weights are {', '.join(known)}" if known else "none has any yet"
        return f"{name!r} has no trained weights: {have}; htzoo.create_model({name!r}) starts from fresh ones"
    hint = did_you_mean(name, {*known, *config_names()}, f"known names are {', '.join(known) or 'none yet'}")
    return f"no model {name!r}: it is neither a name of the zoo, nor a folder here, nor written ORG/REPO; {hint}"


def _local(weights: Path, most: int) -> Path:
    if not weights.is_file():
        pickled = [path.name for path in sorted(weights.parent.iterdir()) if path.suffix in _PICKLES]
        hint = f"; {pickled[0]} is pickled, which can run code and is never read" if pickled else ""
        raise ModelError(f"{weights} is missing{hint}: save the model with htzoo")
    if weights.stat().st_size > most:
        raise ModelError(f"{weights} has {weights.stat().st_size:,} bytes, and config.json asks for at most {most:,}")
    return weights


def _load(config_path: Path, fetch_weights: Callable[[int], Path]) -> nn.Module:
    """Check config and header against each other first, and only then build the model and read the weights.

    Args:
        config_path: the config.json.
        fetch_weights: gives the weights file, which must not be larger than its argument in bytes.
    """
    config = read_config(config_path)
    try:
        model = build(config, "meta")
        expected = model.state_dict()
        size = sum(tensor.numel() * tensor.element_size() for tensor in expected.values())
    except Exception as error:  # whatever torch, timm and the formats say to numbers that do not fit together
        raise ModelError(f"{config_path}: no model can be built from this: {first_line(error)}") from None
    weights = fetch_weights(size + 1024 * (len(expected) + 1024))  # a header is far smaller than this
    check_header(weights, expected)
    if config.weights_sha256 not in (None, file_digest(weights)):
        raise ModelError(f"{weights} was not saved together with {config_path.name}, or is damaged: save or fetch both")
    state = read_weights(weights)
    if any(buffer.is_meta and name not in state for name, buffer in model.named_buffers()):
        # Tables that a CNN computes and does not save. The weights that it draws leave the caller's stream alone.
        with torch.random.fork_rng(devices=[]):
            model = build(config)
    model.load_state_dict(state, assign=True)
    return model.eval()


def build(config: ModelConfig, device: torch.device | str | None = None) -> nn.Module:
    """The module that a config describes, its weights drawn anew (on the meta device: without weights).

    Raises:
        ValueError: the parts do not fit together.
    """
    arguments = dict(config.arguments)
    with torch.device(device or "cpu"):
        if config.kind == "VideoClassifier":
            return PublishedClassifier(config)
        for key in [key for key in arguments if key.endswith("_format")]:
            arguments[key] = formats_from_plain(arguments[key])
        return _LAYERS[config.kind](**arguments)
