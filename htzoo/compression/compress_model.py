"""A trained model, or a bare recurrent layer, with smaller weights: what is lost and what is won."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from htzoo.compression.compress_layer import compress
from htzoo.formats import Format
from htzoo.nn import Weight
from htzoo.nn.layer_arguments import layer_formats
from htzoo.nn.recurrent_layer import Recurrent

STATE_DICTS = (".pt", ".pth", ".bin", ".safetensors")
_FIRST = "weight_ih_l0"
_PARAMETER = re.compile(r"(weight|bias)_(ih|hh|hr)_l\d+(_reverse)?")
_CELLS = {1: nn.RNN, 3: nn.GRU, 4: nn.LSTM}  # by gates


@dataclass(frozen=True)
class WeightReport:
    """One weight before and after.

    Attributes:
        name: in the layer.
        format: the new format, in words.
        error: relative error, the norm of the difference over the norm; None where nothing was changed.
        before: its parameters.
        after: its parameters now.
    """

    name: str
    format: str
    error: float | None
    before: int
    after: int


def read_layer(
    path: Path, prefix: str | None = None, *, batch_first: bool = False, nonlinearity: str = "tanh"
) -> nn.RNNBase:
    """A layer of :mod:`torch.nn`, in float32, from its state dict, alone or inside that of a larger model.

    Args:
        path: a file of :func:`torch.save` (no pickled code is run) or of safetensors; or a checkpoint in which the
            state dict is one entry.
        prefix: what stands before the layer's names, as in ``encoder.lstm``; found where there is but one layer.
        batch_first: whether the layer takes (batch, time, features), which a state dict does not say.
        nonlinearity: tanh or relu, of an RNN, which a state dict does not say either.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is of another kind, holds no such layer, or several.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} is no file: give a state dict, a checkpoint, or the name of a model")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of old pickles
            state = load_file(path) if path.suffix == ".safetensors" else torch.load(path, "cpu", weights_only=True)
    except Exception as error:  # whatever the readers say to a file of another kind
        raise ValueError(f"{path} is no state dict: save one with torch.save(model.state_dict(), ...)") from error
    if not isinstance(state, Mapping):
        raise ValueError(f"{path} holds a {type(state).__name__}: save one with torch.save(model.state_dict(), ...)")
    found = _layers_in(state)
    inside = [value for value in state.values() if isinstance(value, Mapping) and _layers_in(value)]
    if not found and len(inside) == 1:  # a checkpoint: its state dict is called state_dict, model, model_state_dict ...
        (state,) = inside
        found = _layers_in(state)
    if prefix is None:
        if not found:
            raise ValueError(
                f"{path} holds no layer of torch.nn.RNN, GRU or LSTM (there is no {_FIRST} in it): give the state "
                "dict of one, or a checkpoint of htzoo where its run has put it, RUN/checkpoints/best.ckpt"
            )
        if len(found) > 1:
            names = ", ".join(map(repr, found))
            raise ValueError(f"{path} holds {len(found)} layers: say which with --layer, one of {names}")
        prefix = found[0]
    if prefix not in found:
        rest = (
            f"it has {', '.join(map(repr, found)) or 'none'}"
            if found != [""]
            else "the file is one layer, leave out --layer"
        )
        raise ValueError(f"{path} has no layer {prefix!r}: {rest}")
    start = f"{prefix}." if prefix else ""
    own = {key.removeprefix(start): value for key, value in state.items() if key.startswith(start)}
    own = {key: value for key, value in own.items() if _PARAMETER.fullmatch(key)}
    for key, value in own.items():
        if not isinstance(value, Tensor) or not bool(torch.isfinite(value).all()):
            raise ValueError(f"{path}: {key} is no tensor of finite numbers: give a layer whose training went well")
    try:
        return _layer(path, own, batch_first, nonlinearity)
    except (KeyError, RuntimeError) as error:  # a weight that is missing, or of another shape
        reason = " ".join(str(error).split())[:200]
        raise ValueError(f"{path}: layer {prefix!r} is no whole RNN, GRU or LSTM ({reason})") from error


def _layers_in(state: Mapping[Any, Any]) -> list[str]:
    """What stands before the names of every layer in a state dict."""
    return [str(key).removesuffix(_FIRST).rstrip(".") for key in state if str(key).endswith(_FIRST)]


def _layer(path: Path, state: dict[str, Tensor], batch_first: bool, nonlinearity: str) -> nn.RNNBase:
    rows, hidden = state["weight_hh_l0"].shape
    cell = _CELLS.get(rows // hidden if rows % hidden == 0 else 0)
    if cell is None or any(key.startswith("weight_hr") for key in state):
        raise ValueError(f"{path}: a weight_hh_l0 of {rows} x {hidden} is no RNN, GRU or LSTM without projection")
    layers = 1 + max(int(key.removesuffix("_reverse").rpartition("_l")[2]) for key in state)
    chosen = {"nonlinearity": nonlinearity} if cell is nn.RNN else {}
    layer: nn.RNNBase = cell(
        state["weight_ih_l0"].shape[1],
        hidden,
        layers,
        bias="bias_ih_l0" in state,
        bidirectional="weight_ih_l0_reverse" in state,
        batch_first=batch_first,
        dtype=torch.float32,
        **chosen,
    )
    layer.load_state_dict(state)
    layer.eval()
    return layer


def compress_layer(layer: nn.Module, formats: Mapping[str, Format | None]) -> tuple[Recurrent, list[WeightReport]]:
    """The closest layer in other formats, and what became of every weight; a layer that has them stays as it is.

    Args:
        layer: a recurrent layer of :mod:`torch.nn` or :mod:`htzoo.nn`.
        formats: ``input_format`` and ``hidden_format``, or ``joint_format``.

    Raises:
        ValueError: a format does not fit the layer.
    """
    wanted = {key: form.to_dict() for key, form in formats.items() if form is not None}
    has = {}
    if isinstance(layer, Recurrent):
        has = {key: form for key, form in layer_formats(layer).items() if form is not None}
    small = layer if wanted == has and isinstance(layer, Recurrent) else compress(layer, **formats)
    assert isinstance(small, Recurrent)
    old = layer.matrices() if isinstance(layer, Recurrent) else {}
    rows = []
    for name, part in small.matrices().items():
        before = old[name].num_parameters if name in old else part.network.in_features * part.network.out_features
        weight = getattr(small, name)
        error = weight.error if isinstance(weight, Weight) else None
        rows.append(WeightReport(name, str(part.format), error, before, part.num_parameters))
    return small, rows


def milliseconds(
    layers: Sequence[nn.Module], *, training: bool, batch: int = 16, frames: int = 8, repeats: int = 7
) -> list[float]:
    """Median time of each of some layers that run in turns, so that a busy machine slows all alike.

    Args:
        layers: of one input size.
        training: whether to time forward and backward, and not forward alone.
        batch: sequences at once.
        frames: steps of a sequence.
        repeats: rounds; the first two, in which the order of the products is found, do not count.
    """
    first = next(layers[0].parameters())
    shape = (batch, frames) if layers[0].batch_first else (frames, batch)
    x = torch.randn(*shape, int(layers[0].input_size), dtype=first.dtype)  # type: ignore[arg-type]
    times: list[list[float]] = [[] for _ in layers]
    for _ in range(repeats):
        for layer, own in zip(layers, times, strict=True):
            start = perf_counter()
            with torch.set_grad_enabled(training):
                output = layer(x)[0]
                if training:
                    output.sum().backward()
            own.append(1000 * (perf_counter() - start))
            layer.zero_grad(set_to_none=True)
    return [round(median(own[2:]), 3) for own in times]
