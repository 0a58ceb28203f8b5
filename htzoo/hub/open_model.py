"""Open a model: of the zoo, from a folder, from the Hub, or from a training run."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar, overload

import torch
from torch import nn

from htzoo.configs import config_names
from htzoo.files import file_digest
from htzoo.hub.classifier import ZooClassifier
from htzoo.hub.config import CONFIG_NAME, ModelConfig, read_config
from htzoo.hub.errors import ModelError
from htzoo.hub.kinds import MODELS, build
from htzoo.hub.packaged_weights import PINNED, checkpoint_folder, pretrained_names
from htzoo.hub.registry import is_config_path, read_zoo_config
from htzoo.hub.weights import WEIGHTS_NAME, check_header, read_weights
from htzoo.messages import first_line
from htzoo.names import UnknownNameError, did_you_mean

M = TypeVar("M", bound=nn.Module)
_ZOO, _HUB = "zoo:", "hf-hub:"
_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")


@dataclass(frozen=True)
class HubOptions:
    """How a repository on the Hub is read, see :func:`htzoo.from_pretrained`."""

    revision: str | None = None
    cache_dir: str | os.PathLike[str] | None = None
    local_files_only: bool = False
    token: str | bool | None = None


def from_pretrained(
    name: str | os.PathLike[str],
    revision: str | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    local_files_only: bool = False,
    token: str | bool | None = None,
) -> nn.Module:
    """A trained model in evaluation mode, ready for use.

    Nothing in the files can run code, and nothing larger than the weights file is allocated: config.json is plain data
    that is checked against htzoo's own classes, and the weights are safetensors whose header must agree with it.

    Args:
        name: a model of the zoo with trained weights (``moving_digits_ht``), a folder (``./mine``), a repository on the
            Hub (``ORG/REPO``), or a training run or its checkpoint (``RUN``, ``RUN/checkpoints/best.ckpt``). An
            existing folder wins over a repository of the same spelling; ``zoo:NAME`` and ``hf-hub:ORG/REPO`` are never
            folders.
        revision: branch, tag or commit on the Hub; its main branch when None.
        cache_dir: where downloads are kept; the Hub client's own cache when None.
        local_files_only: whether to use only what is in the cache.
        token: access token of the Hub; the one of ``hf auth login`` when None.

    Returns:
        A :class:`~htzoo.hub.classifier.ZooClassifier`, or a layer of :mod:`htzoo.nn` if a layer was saved.

    Raises:
        UnknownNameError: there is no such model.
        ValueError: the name could mean two things.
        ModelError: the files are damaged, do not belong together, or are not a model of htzoo.
        HubError: the repository cannot be read; the message says why.
    """
    return open_model(name, hub=HubOptions(revision, cache_dir, local_files_only, token))


@overload
def open_model(reference: str | os.PathLike[str], *, weights: bool = True, hub: HubOptions = ...) -> nn.Module: ...
@overload
def open_model(
    reference: str | os.PathLike[str], kind: type[M], *, weights: bool = True, hub: HubOptions = ...
) -> M: ...
def open_model(
    reference: str | os.PathLike[str],
    kind: type[nn.Module] = nn.Module,
    *,
    weights: bool = True,
    hub: HubOptions = HubOptions(),
) -> nn.Module:
    """The model that a reference stands for, in evaluation mode.

    Args:
        reference: what :func:`htzoo.from_pretrained` takes. Without weights also a model of the zoo that has none, and
            the path of a configuration file.
        kind: the class that the model must have.
        weights: whether to read the weights. Without, the model is on the meta device: its parameters have shapes and
            no values.
        hub: how a repository on the Hub is read.

    Raises:
        UnknownNameError: there is no such model.
        ValueError: the name could mean two things, or the model is of another class.
        FileNotFoundError: it is a path, and nothing is there.
        ModelError: the files are damaged, do not belong together, or are not a model of htzoo.
        HubError: the repository cannot be read; the message says why.
    """
    model = _open(os.fspath(reference), weights, hub)
    if not isinstance(model, kind):
        raise ValueError(
            f"{os.fspath(reference)} holds a layer ({type(model).__name__}), which reads no video: load it in Python "
            "with htzoo.from_pretrained"
        )
    return model.eval()


def _open(reference: str, weights: bool, hub: HubOptions) -> nn.Module:
    if is_config_path(reference):
        if weights:
            raise ValueError(f"{reference} is a configuration, which has no weights: train it with htzoo fit --config")
        return _without_weights(read_zoo_config(reference)[0], reference)
    checkpoint = _checkpoint(reference)
    if checkpoint is not None:
        return _from_run(checkpoint, weights)
    folder, repository, revision = _locate(reference, weights)
    if folder is not None:
        if hub.revision is not None:
            raise ValueError(f"revision is {hub.revision!r}, but {reference} is a folder: open it without revision")
        path = folder / WEIGHTS_NAME
        return _load(folder / CONFIG_NAME, (lambda limit: _local(path, limit)) if weights else None)
    if repository is None:
        return _without_weights(read_zoo_config(reference)[0], reference)
    from htzoo.hub.download import Download  # the Hub client takes a third of a second to import

    download = Download(repository, hub.revision or revision, hub.cache_dir, hub.local_files_only, hub.token)
    return _load(download.config(), download.weights if weights else None)


def _checkpoint(reference: str) -> Path | None:
    """The checkpoint that is meant, if it is one of a training run."""
    if reference.endswith(".ckpt"):
        return Path(reference)
    from htzoo.hub.training_run import BEST

    best = Path(reference) / BEST
    return best if best.is_file() and not (Path(reference) / CONFIG_NAME).is_file() else None


def _locate(name: str, weights: bool) -> tuple[Path | None, str | None, str | None]:
    """Folder, repository and pinned revision of a model; all None for one of the zoo without weights."""
    if name.startswith(_HUB):
        return None, name.removeprefix(_HUB), None
    known = pretrained_names()
    plain = name.removeprefix(_ZOO)
    folder = Path(name)
    if plain in known:
        if plain == name and (folder / CONFIG_NAME).is_file():
            raise ValueError(
                f"{name!r} is both a model of the zoo and a folder: write {_ZOO}{name} for the model of the zoo, "
                f"or {os.path.join('.', name)} for the folder"
            )
        packaged = checkpoint_folder() / plain
        if (packaged / CONFIG_NAME).is_file():
            return packaged, None, None
        repository, commit = PINNED[plain]
        return None, repository, commit
    if plain == name and folder.is_dir() and (weights or (folder / CONFIG_NAME).is_file()):
        return folder, None, None
    if plain in config_names() and not weights:
        return None, None, None
    if plain == name and name.count("/") == 1 and not name.startswith((".", "/", "~")) and not name.endswith("/"):
        return None, name, None
    raise UnknownNameError(_unknown(plain, known))


def _unknown(name: str, known: list[str]) -> str:
    if name in config_names():
        have = f"those with weights are {', '.join(known)}" if known else "no model has any yet"
        return f"{name!r} has no trained weights: {have}; htzoo.create_model({name!r}) starts from fresh ones"
    hint = did_you_mean(name, {*known, *config_names()}, f"known names are {', '.join(known) or 'none yet'}")
    return f"no model {name!r}: it is neither a name of the zoo, nor a folder, nor ORG/REPO; {hint}"


def _local(weights: Path, limit: int) -> Path:
    if not weights.is_file():
        pickled = [path.name for path in sorted(weights.parent.iterdir()) if path.suffix in _PICKLES]
        hint = f"; {pickled[0]} is pickled, which can run code and is never read" if pickled else ""
        raise ModelError(f"{weights} is missing{hint}: save the model with htzoo")
    if weights.stat().st_size > limit:
        raise ModelError(
            f"{weights} has {weights.stat().st_size:,} bytes, and the model of config.json needs at most {limit:,}"
        )
    return weights


def _load(config_path: Path, fetch_weights: Callable[[int], Path] | None) -> nn.Module:
    """Check config and header against each other first, and only then build the model and read the weights.

    Args:
        config_path: the config.json.
        fetch_weights: returns the weights file, which must not be larger than its argument in bytes; None for a model
            without weights.
    """
    config = read_config(config_path)
    model = _without_weights(config, config_path)
    if fetch_weights is None:
        return model
    expected = model.state_dict()
    size = sum(tensor.numel() * tensor.element_size() for tensor in expected.values())
    weights = fetch_weights(size + 1024 * (len(expected) + 1024))  # a header is far smaller than this
    check_header(weights, expected)
    if config.weights_sha256 not in (None, file_digest(weights)):
        raise ModelError(f"{weights} was not saved together with {config_path.name}, or is damaged: save or fetch both")
    state = read_weights(weights)
    if any(buffer.is_meta and name not in state for name, buffer in model.named_buffers()):
        # Tables that a CNN computes and does not save. The weights that it draws leave the caller's stream alone.
        with torch.random.fork_rng(devices=[]):
            model = _build(config)
    model.load_state_dict(state, assign=True)
    return model


def _from_run(checkpoint: Path, weights: bool) -> nn.Module:
    from htzoo.hub.training_run import read_run

    config, state = read_run(checkpoint, "cpu" if weights else "meta")
    if not weights:
        return _without_weights(config, checkpoint)
    try:
        model = _build(config)
        model.load_state_dict(state)
    except (RuntimeError, TypeError, ValueError) as error:
        raise ModelError(f"{checkpoint} is damaged, or of another version of htzoo: {first_line(error)}") from error
    return model


def _without_weights(config: ModelConfig, source: str | Path) -> nn.Module:
    try:
        return _build(config, "meta")
    except Exception as error:  # whatever torch, timm and the formats raise for values that do not fit together
        raise ModelError(f"{source}: no model can be built from this: {first_line(error)}") from None


def _build(config: ModelConfig, device: str = "cpu") -> nn.Module:
    if config.kind not in MODELS:
        return build(config.kind, config.arguments, device)
    with torch.device(device):
        return ZooClassifier(config)
