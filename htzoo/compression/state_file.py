"""Weights of any model from a file: checkpoints, state dicts inside others, prefixes, weight norm."""

from __future__ import annotations

import argparse
import pathlib
import re
import warnings
import zipfile
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from htzoo.messages import first_line

SUFFIXES = (".pt", ".pth", ".bin", ".ckpt", ".tar", ".safetensors")
_PREFIXES = ("module.", "_orig_mod.")  # of DataParallel and torch.compile
# What programs call the state dict in their checkpoints, the likeliest first; averages of weights last.
_USUAL = ("state_dict", "model_state_dict", "model_state", "model", "net", "network", "weights", "params", "model_ema")
# Plain data that programs keep beside the weights, such as the options of a training.
_HARMLESS: list[Any] = [
    argparse.Namespace,
    pathlib.PosixPath,
    pathlib.PurePosixPath,
    pathlib.WindowsPath,
    pathlib.PureWindowsPath,
]
_OTHER_KINDS = {
    ".h5": "HDF5, as Keras writes it",
    ".hdf5": "HDF5, as Keras writes it",
    ".keras": "a Keras model",
    ".onnx": "an ONNX graph",
    ".tflite": "a TensorFlow Lite model",
    ".pb": "a TensorFlow graph",
}
_RECURRENT = re.compile(r"(weight|bias)_(ih|hh|hr)_l\d+(_reverse)?")
_CELLS: dict[int, Any] = {1: nn.RNN, 3: nn.GRU, 4: nn.LSTM}  # by gates


class StateFile:
    """The tensors of a file, and the layers in it.

    Args:
        path: a file of :func:`torch.save`, from which no code is run, or of safetensors.

    Attributes:
        state: name -> tensor, without the prefixes of DataParallel and torch.compile; weight norm is folded.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is of another kind, or has no tensors.
    """

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise FileNotFoundError(f"{path} is not a file: give a state dict, a checkpoint, or the name of a model")
        self.path = path
        self.state = _folded(_unprefixed(_find_state(path, _read(path))))

    def layers(
        self,
        patterns: Sequence[str] | None,
        types: Sequence[str] | None,
        *,
        batch_first: bool = False,
        nonlinearity: str = "tanh",
    ) -> dict[str, nn.Module]:
        """Layers of :mod:`torch.nn` in float32, by name; the empty name is a file that is one layer.

        Args:
            patterns: patterns of names; all when None.
            types: kinds of layers; LSTM, GRU and RNN when None.
            batch_first: whether recurrent layers take (batch, time, features), which a state dict does not say.
            nonlinearity: tanh or relu, of an RNN, which it does not say either.

        Raises:
            ValueError: there are no such layers, or one is incomplete or not finite.
        """
        wanted = types or ("LSTM", "GRU", "RNN")
        found: dict[str, nn.Module] = {}
        for key, value in self.state.items():
            name, _, own = key.rpartition(".")
            if patterns is not None and not any(fnmatchcase(name, pattern) for pattern in patterns):
                continue
            if own == "weight_ih_l0":
                layer: nn.Module = self._recurrent(name, batch_first, nonlinearity)
            elif own == "weight" and value.dim() == 2 and value.is_floating_point():
                layer = self._matrix(name, value)
            else:
                continue
            if type(layer).__name__ in wanted:
                found[name] = layer.eval()
        if not found:
            others = sorted({key.rpartition(".")[0] for key in self.state if key.endswith((".weight", "weight_ih_l0"))})
            hint = f"; it has weights of {', '.join(others[:8])}{' ...' if len(others) > 8 else ''}" if others else ""
            asked = "" if patterns is None else f" whose name matches {', '.join(patterns)}"
            raise ValueError(
                f"{self.path} holds no {', '.join(wanted)}{asked}{hint}: give the state dict of a model that has one, "
                "or other kinds with --types"
            )
        return found

    def _recurrent(self, name: str, batch_first: bool, nonlinearity: str) -> nn.RNNBase:
        start = f"{name}." if name else ""
        own = {key.removeprefix(start): value for key, value in self.state.items() if key.startswith(start)}
        own = {key: value for key, value in own.items() if _RECURRENT.fullmatch(key)}
        for key, value in own.items():
            self._check_finite(start + key, value)
        try:
            return _layer(own, batch_first, nonlinearity)
        except (KeyError, ValueError, RuntimeError) as error:  # a weight that is missing, or of another shape
            raise ValueError(
                f"{self.path}: layer {name!r} is not a complete RNN, GRU or LSTM ({first_line(error)[:200]})"
            ) from error

    def _matrix(self, name: str, weight: Tensor) -> nn.Module:
        """A linear layer, or an embedding: a matrix without a bias whose name says so."""
        rows, columns = weight.shape
        bias = self.state.get(f"{name}.bias" if name else "bias")
        with torch.device("meta"):
            if bias is None and re.search(r"emb|vocab|token|word", name.lower()):
                layer: nn.Module = nn.Embedding(rows, columns)
            else:
                layer = nn.Linear(columns, rows, bias=bias is not None)
        layer.to_empty(device="cpu")
        self._check_finite(f"{name}.weight", weight)
        values = {"weight": weight.float()}
        if bias is not None:
            if bias.shape != (rows,):
                return nn.Identity()  # the weight of something else
            values["bias"] = bias.float()
        layer.load_state_dict(values, assign=True)
        return layer

    def _check_finite(self, key: str, value: Tensor) -> None:
        if not bool(torch.isfinite(value).all()):
            raise ValueError(f"{self.path}: {key} has values that are not finite: give sound weights")


class Layers(nn.Module):
    """Layers under the names that they have in their model, each of which reads inputs of its own.

    Args:
        layers: name -> layer.
    """

    def __init__(self, layers: Mapping[str, nn.Module]) -> None:
        super().__init__()
        self.names = list(layers)
        for name, layer in layers.items():
            *path, own = name.split(".")
            parent: nn.Module = self
            for part in path:
                if part not in parent._modules:
                    parent.add_module(part, nn.Module())
                parent = parent.get_submodule(part)
            parent.add_module(own, layer)

    def forward(self, **inputs: Tensor) -> list[Tensor]:
        """The first output of every layer that has an input, in the order of the inputs."""
        outputs = []
        for name, value in inputs.items():
            output = self.get_submodule(name)(value)
            outputs.append(output[0] if isinstance(output, tuple) else output)
        return outputs


def is_state_file(path: Path) -> bool:
    """Whether a path looks like a file of weights, of this kind or another."""
    return path.suffix.lower() in (*SUFFIXES, *_OTHER_KINDS)


def _read(path: Path) -> Any:
    with path.open("rb") as file:
        head = file.read(8)
    kind = _OTHER_KINDS.get(path.suffix.lower())
    if head.startswith(b"\x89HDF"):
        kind = _OTHER_KINDS[".h5"]
    if kind is not None:
        raise ValueError(
            f"{path} is {kind}, which is not read: load the model in PyTorch and give what "
            "torch.save(model.state_dict(), 'weights.pt') writes"
        )
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            if any("/code/" in name or name.endswith("constants.pkl") for name in archive.namelist()):
                raise ValueError(
                    f"{path} is TorchScript, which is a program: give what "
                    f"torch.save(torch.jit.load({path.name!r}).state_dict(), 'weights.pt') writes"
                )
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        with warnings.catch_warnings(), torch.serialization.safe_globals(_HARMLESS):
            warnings.simplefilter("ignore")  # of old pickles
            return torch.load(path, "cpu", weights_only=True)
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{path} cannot be read ({first_line(error)}): save or download it again") from error
    except Exception as error:  # whatever the reader says to a file of another kind
        named = re.search(r"GLOBAL ([\w.]+)", str(error))
        if named is not None:
            raise ValueError(
                f"{path} has a {named[1]} in it, which could run code, so it is not read: if you trust the file, "
                f"write its weights alone with torch.save(torch.load({path.name!r}, weights_only=False)['state_dict'], "
                "'weights.pt'), or the entry that they are under"
            ) from error
        raise ValueError(
            f"{path} is not a state dict: give what torch.save(model.state_dict(), 'weights.pt') writes"
        ) from error


def _find_state(path: Path, content: Any) -> dict[str, Tensor]:
    """The mapping with the weights: the file's own, or that of a checkpoint."""
    level: list[tuple[str, Any]] = [("", content)]
    for _ in range(3):
        found = [(name, _tensors(value)) for name, value in level if isinstance(value, Mapping)]
        found = [(name, state) for name, state in found if state]
        if found:
            usual = {name: k for k, name in enumerate(_USUAL)}
            return min(found, key=lambda entry: (usual.get(entry[0], len(usual)), -len(entry[1])))[1]
        level = [entry for _, value in level if isinstance(value, Mapping) for entry in value.items()]
    raise ValueError(f"{path} holds no weights by name: give what torch.save(model.state_dict(), 'weights.pt') writes")


def _tensors(values: Mapping[Any, Any]) -> dict[str, Tensor]:
    """The entries with a name that are tensors of more than one number; none where there are only others."""
    found = {key: value for key, value in values.items() if isinstance(key, str) and isinstance(value, Tensor)}
    return found if any(value.dim() > 0 for value in found.values()) else {}


def _unprefixed(state: dict[str, Tensor]) -> dict[str, Tensor]:
    for _ in _PREFIXES:
        for prefix in _PREFIXES:
            if all(key.startswith(prefix) for key in state):
                state = {key.removeprefix(prefix): value for key, value in state.items()}
    return state


def _folded(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weight norm as plain weights, of both ways that PyTorch has for it."""
    folded = dict(state)
    for key in state:
        new = re.fullmatch(r"((?:.*\.)?)parametrizations\.([^.]+)\.original0", key)
        if new is not None:
            scale, direction, name = key, key[:-1] + "1", new[1] + new[2]
        elif re.search(r"(^|\.)weight[^.]*_g$", key) and f"{key[:-2]}_v" in state and key[:-2] not in state:
            scale, direction, name = key, f"{key[:-2]}_v", key[:-2]
        else:
            continue
        if direction in state and _is_norm(state[scale], state[direction]):
            g, v = folded.pop(scale), folded.pop(direction)
            norm = v.flatten(1).norm(dim=1) if g.numel() > 1 else v.norm()
            folded[name] = v * (g.flatten() / norm).reshape(-1, *[1] * (v.dim() - 1))
    return folded


def _is_norm(scale: Tensor, direction: Tensor) -> bool:
    """Whether these have the shapes of weight norm: one scale, or one a row with all other axes of size 1."""
    rows = (len(direction), *[1] * (direction.dim() - 1)) if direction.dim() else ()
    return direction.dim() >= 2 and (scale.dim() == 0 or tuple(scale.shape) == rows)


def _layer(state: dict[str, Tensor], batch_first: bool, nonlinearity: str) -> nn.RNNBase:
    rows, columns = state["weight_hh_l0"].shape
    projects = "weight_hr_l0" in state
    hidden = state["weight_hr_l0"].shape[1] if projects else columns
    cell = nn.LSTM if projects else _CELLS.get(rows // hidden if rows % hidden == 0 else 0)
    if cell is None:
        raise ValueError(f"its weight_hh_l0 is {rows} x {columns}")
    options: dict[str, Any] = {"nonlinearity": nonlinearity} if cell is nn.RNN else {}
    layer: nn.RNNBase = cell(
        state["weight_ih_l0"].shape[1],
        hidden,
        1 + max(int(key.removesuffix("_reverse").rpartition("_l")[2]) for key in state),
        bias="bias_ih_l0" in state,
        bidirectional="weight_ih_l0_reverse" in state,
        batch_first=batch_first,
        **options,
        **({"proj_size": columns} if projects else {}),
    )
    layer.load_state_dict(state)
    layer.eval()
    return layer
