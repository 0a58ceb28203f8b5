"""Record what a model's layers are given, to calibrate and to distil without the model."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pad_packed_sequence

from htzoo.compression.calibration import checked_batches, first_input, outputs_of
from htzoo.compression.find_layers import find_layers
from htzoo.files import replacing

SUFFIXES = (".safetensors", ".npy")


def record(
    module: nn.Module,
    loader: Iterable[Any],
    path: str | os.PathLike[str] | None = None,
    *,
    layers: str | Sequence[str] | None = None,
) -> dict[str, list[Tensor]]:
    """The inputs of every layer that can be compressed, batch by batch.

    ``htzoo compress weights.pt --distill inputs.safetensors`` reads the file: a state dict has no forward, and cannot
    run the data itself.

    Args:
        module: the model, or a single layer.
        loader: batches of the model's inputs: tensors, tuples of arguments, or mappings of keyword arguments.
        path: a .safetensors file to write; None writes none.
        layers: patterns of layers' names; all when None.

    Returns:
        Layer's name -> its inputs, in the layout that the layer takes. The sequences of a packed input are apart, each
        a batch of one.

    Raises:
        ValueError: there are no batches, they do not fit the model, or nothing in it can be compressed; or the path
            does not end in .safetensors.
    """
    if path is not None and Path(path).suffix != ".safetensors":
        raise ValueError(f"path is {os.fspath(path)!r}: give a file that ends in .safetensors")
    found, _ = find_layers(module, layers)
    batches = checked_batches(loader, "loader")
    kept: dict[str, list[Tensor]] = {layer.name: [] for layer in found}
    hooks = [
        layer.module.register_forward_pre_hook(_recorder(layer.module, kept[layer.name]), with_kwargs=True)
        for layer in found
    ]
    try:
        outputs_of(module, batches, "loader")
    finally:
        for hook in hooks:
            hook.remove()
    if path is not None:
        state = {f"{name}/{k}": value for name, values in kept.items() for k, value in enumerate(values)}
        with replacing(Path(path)) as temporary:
            save_file(state, temporary)
    return kept


def _recorder(module: nn.Module, kept: list[Tensor]) -> Any:
    def keep(_: nn.Module, arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
        value = first_input(arguments, named)
        if isinstance(value, PackedSequence):
            padded, lengths = pad_packed_sequence(value, batch_first=True)
            sequences = [one[None, :length] for one, length in zip(padded, lengths.tolist())]
            parts = sequences if getattr(module, "batch_first", False) else [one.transpose(0, 1) for one in sequences]
        else:
            parts = [value]
        kept.extend(part.detach().cpu().clone(memory_format=torch.contiguous_format) for part in parts)

    return keep


def read_recorded(path: Path, names: Sequence[str]) -> list[dict[str, Tensor]]:
    """Batches of layers' inputs from a file of :func:`record`, or an array for a single layer.

    Args:
        path: .safetensors of :func:`record`; or .npy, an array (sequences, time, features) that is given to the one
            layer in batches of 16 sequences.
        names: the layers that are wanted.

    Returns:
        For each batch, layer's name -> its input.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is of another kind, or has nothing for a layer.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not a file: give what htzoo.record(module, loader, path) writes")
    if path.suffix not in SUFFIXES:
        raise ValueError(f"{path} is not a {' or '.join(SUFFIXES)} file: htzoo.record(module, loader, path) writes one")
    try:
        if path.suffix == ".npy":
            array = torch.from_numpy(np.load(path, allow_pickle=False)).float()
            if len(names) != 1:
                raise ValueError(f"{path} is one array for {len(names)} layers: record them with htzoo.record")
            return [{names[0]: part} for part in torch.split(array, 16)]
        state = load_file(path)
    except (OSError, SafetensorError) as error:
        raise ValueError(f"{path} cannot be read ({' '.join(str(error).split())[:200]}): record it again") from error
    found: dict[str, dict[int, Tensor]] = {}
    for key, value in state.items():
        name, _, number = key.rpartition("/")
        if number.isdigit():
            found.setdefault(name, {})[int(number)] = value
    missing = [name for name in names if name not in found]
    if missing:
        raise ValueError(
            f"{path} has no inputs of layer {missing[0]!r}, it has {', '.join(map(repr, found)) or 'none'}: record the "
            "model that the weights belong to, or leave out layers with --layers"
        )
    count = min(len(found[name]) for name in names)
    return [{name: found[name][sorted(found[name])[k]] for name in names} for k in range(count)]
