"""Where a model's parameters, MACs and time are, before anything is compressed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import torch
from torch import nn

from htzoo.compression.budget import weight_groups
from htzoo.compression.calibration import call, checked_batches
from htzoo.compression.compress_layer import counterpart_of
from htzoo.compression.find_layers import FoundLayer, find_layers


@dataclass(frozen=True)
class LayerShare:
    """One layer in its model.

    Attributes:
        name: of the layer.
        kind: its class.
        parameters: of the layer.
        share: the same as a share of the model's.
        macs: multiply-accumulates for one time step (one input vector).
        milliseconds: time of the layer for the given inputs, all batches together; None without inputs.
        time_share: the same as a share of the model's.
        least: parameters that the layer needs at least, rank 1 for every weight and its biases.
        skipped: why it cannot be compressed; None where it can.
    """

    name: str
    kind: str
    parameters: int
    share: float
    macs: int
    milliseconds: float | None
    time_share: float | None
    least: int
    skipped: str | None


@dataclass(frozen=True)
class Plan:
    """What can be compressed.

    Attributes:
        layers: every layer of a kind that can be.
        parameters: of the whole model.
        best_layers: how many times fewer parameters these layers can have at best, with rank 1 everywhere.
        best_model: the same for the whole model.
    """

    layers: tuple[LayerShare, ...]
    parameters: int
    best_layers: float
    best_model: float


@torch.no_grad()
def plan(
    model: nn.Module,
    batches: Iterable[Any] | None = None,
    *,
    layers: str | Sequence[str] | None = None,
    types: Collection[str] | None = None,
    other_parameters: int = 0,
) -> Plan:
    """Each layer's share of the parameters, MACs and measured time; nothing is changed.

    Args:
        model: any module.
        batches: batches of the model's inputs, with which the time is measured.
        layers: patterns of layers' names.
        types: kinds of layers.
        other_parameters: parameters that belong to the model and are not in it.

    Raises:
        ValueError: nothing can be compressed, or the batches do not fit.
    """
    found, skipped = find_layers(model, layers, types)
    times, whole = _times(model, found, None if batches is None else checked_batches(batches, "batches"))
    total = sum(parameter.numel() for parameter in model.parameters()) + other_parameters
    rows = []
    for layer in found:
        groups = weight_groups(layer, {})
        dense = sum(group.dense for group in groups)
        now = sum(parameter.numel() for parameter in layer.module.parameters())
        biases = sum(parameter.numel() for parameter in counterpart_of(layer.dense).parameters()) - dense
        macs = 0 if layer.kind == "Embedding" else dense
        taken = times.get(layer.name)
        share = None if taken is None or whole is None else taken / whole
        least = sum(group.least for group in groups) + biases
        rows.append(LayerShare(layer.name, layer.kind, now, now / total, macs, taken, share, least, None))
    before, least = sum(row.parameters for row in rows), sum(row.least for row in rows)
    for name, reason in skipped.items():
        module = model.get_submodule(name)
        now = sum(parameter.numel() for parameter in module.parameters())
        rows.append(LayerShare(name, type(module).__name__, now, now / total, now, None, None, now, reason))
    return Plan(tuple(rows), total, before / least, total / (total - before + least))


def _times(
    model: nn.Module, found: Sequence[FoundLayer], batches: list[Any] | None
) -> tuple[dict[str, float], float | None]:
    """Milliseconds of every layer, and of the model."""
    if batches is None:
        return {}, None
    times = dict.fromkeys((layer.name for layer in found), 0.0)
    begun: dict[str, float] = {}
    hooks = []
    for layer in found:
        name = layer.name

        def begin(*_: Any, name: str = name) -> None:
            begun[name] = perf_counter()

        def end(*_: Any, name: str = name) -> None:
            times[name] += 1000 * (perf_counter() - begun[name])

        hooks += [layer.module.register_forward_pre_hook(begin), layer.module.register_forward_hook(end)]
    was_training = model.training
    model.eval()
    try:
        call(model, batches[0])  # what is made at the first call does not count
        times.update(dict.fromkeys(times, 0.0))
        start = perf_counter()
        for batch in batches:
            call(model, batch)
        whole = 1000 * (perf_counter() - start)
    finally:
        model.train(was_training)
        for hook in hooks:
            hook.remove()
    return times, whole
