"""A compressed model on disk: the weights of the whole model, and which layers have which formats."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from htzoo.compression.compress_layer import Layer, counterpart_of
from htzoo.compression.compress_model import swap_layers
from htzoo.compression.find_layers import KINDS, plain_layer
from htzoo.formats import Dense, Format, format_from_dict
from htzoo.messages import first_line
from htzoo.nn.layer_arguments import layer_formats
from htzoo.nn.layer_formats import formats_from_plain
from htzoo.nn.recurrent_layer import Recurrent
from htzoo.nn.weight import Weight

CONFIG, WEIGHTS = "compression.json", "model.safetensors"
_VERSION = 1


def save_compressed(
    model: nn.Module, folder: str | os.PathLike[str], *, others: Mapping[str, Tensor] | None = None
) -> None:
    """Write a compressed model: ``model.safetensors`` and ``compression.json``, the whole folder or nothing.

    Args:
        model: a model with layers of :mod:`htzoo.nn` in it.
        folder: where to; a new folder.
        others: weights that belong to the model and are not in it.

    Raises:
        FileExistsError: the folder is there, and not empty.
        ValueError: no layer of the model is compressed, or a weight is not finite.
    """
    output = Path(folder)
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise FileExistsError(f"folder is {output}, which is there already: give a new one")
    modules = model.named_modules(remove_duplicate=False)  # one that is used twice has two names
    layers = {name: module for name, module in modules if isinstance(module, Layer)}
    if not layers:
        raise ValueError(f"model is a {type(model).__name__} without compressed layers: call htzoo.compress first")
    config = {
        "version": _VERSION,
        "layers": {name: {"kind": type(layer).__name__, "formats": _formats(layer)} for name, layer in layers.items()},
    }
    state = {**(others or {}), **model.state_dict()}
    for key, value in state.items():
        if value.is_floating_point() and not bool(torch.isfinite(value).all()):
            raise ValueError(f"{key} has values that are not finite: a model that diverged is not saved")
    output.parent.mkdir(parents=True, exist_ok=True)
    made = Path(mkdtemp(prefix=".saving-", dir=output.parent))
    try:
        # Tensors that share their memory, such as tied weights, are written once each.
        own = {key: value.detach().cpu().clone(memory_format=torch.contiguous_format) for key, value in state.items()}
        save_file(own, made / WEIGHTS, metadata={"format": "pt"})
        (made / CONFIG).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
        made.chmod(0o755)
        (made / WEIGHTS).chmod(0o644)
        if output.exists():
            output.rmdir()
        os.replace(made, output)
    finally:
        shutil.rmtree(made, ignore_errors=True)


def load_compressed(model: nn.Module, folder: str | os.PathLike[str]) -> nn.Module:
    """Give a model the layers and the weights of a folder that :func:`save_compressed` wrote.

        model = Encoder()                                  # the class that the original weights are of
        model = htzoo.load_compressed(model, "small")

    Args:
        model: the model as it was before it was compressed; its weights do not matter. It is changed in place, only
            when all fits.
        folder: the folder.

    Returns:
        The model (another module only where ``model`` itself is such a layer).

    Raises:
        FileNotFoundError: the folder has no compression.json.
        ValueError: the files are damaged, or the model is not the one that was compressed.
    """
    path = Path(folder)
    if not (path / CONFIG).is_file():
        raise FileNotFoundError(f"{path / CONFIG} is missing: give a folder that htzoo compress wrote")
    layers = _read_config(path / CONFIG)
    try:
        state = load_file(path / WEIGHTS)
    except (OSError, SafetensorError) as error:
        raise ValueError(f"{path / WEIGHTS} cannot be read ({first_line(error)}): copy or make it again") from error
    made: dict[str, Layer] = {}
    by_original: dict[int, Layer] = {}
    original: dict[str, Any] = {}
    for name, (kind, formats) in layers.items():
        try:
            original[name] = model.get_submodule(name)
        except AttributeError:
            raise ValueError(
                f"{path} has a layer {name!r}, and the model, a {type(model).__name__}, has none: "
                "give the model that was compressed"
            ) from None
        if id(original[name]) in by_original:
            made[name] = by_original[id(original[name])]
            continue
        dense = plain_layer(original[name])
        if not isinstance(dense, KINDS[kind]):
            raise ValueError(
                f"{path}: layer {name!r} was of kind {kind}, and is a {type(original[name]).__name__} in the model: "
                "give the model that was compressed"
            )
        try:
            made[name] = counterpart_of(dense, **formats).train(original[name].training)
            by_original[id(original[name])] = made[name]
        except (ValueError, TypeError) as error:
            raise ValueError(f"{path}: layer {name!r} does not fit the model's: {error}") from error
    loaded = swap_layers(model, made)
    try:
        loaded.load_state_dict(state)
    except RuntimeError as error:
        swap_layers(model, original)
        reason = " ".join(str(error).split())[:300]
        raise ValueError(f"{path} does not fit the model ({reason}): give the model that was compressed") from error
    return loaded


def _formats(layer: Layer) -> dict[str, Any]:
    """The constructor's arguments that are formats, as plain data."""
    if isinstance(layer, Recurrent):
        return {name: value for name, value in layer_formats(layer).items() if value is not None}
    form: Format = layer.weight.format if isinstance(layer.weight, Weight) else Dense()
    return {"format": form.to_dict()}


def _read_config(path: Path) -> dict[str, tuple[str, dict[str, Any]]]:
    """Layer's name -> kind and formats."""
    try:
        values = json.loads(path.read_bytes())
        if values["version"] != _VERSION:
            raise ValueError(f"its version is {values['version']!r}, and this htzoo reads {_VERSION}")
        found = {}
        for name, entry in values["layers"].items():
            if entry["kind"] not in KINDS:
                raise ValueError(f"{name} is of kind {entry['kind']!r}: known kinds are {', '.join(KINDS)}")
            formats = {
                key: format_from_dict(value) if key == "format" else formats_from_plain(value)
                for key, value in entry["formats"].items()
            }
            found[name] = entry["kind"], formats
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"{path} is not what htzoo compress wrote ({first_line(error)})") from error
    return found
