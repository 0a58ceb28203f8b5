"""A trained model with smaller weights, in place: any module, one budget."""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Iterable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from htzoo.compression.budget import WeightGroup, share, weight_groups
from htzoo.compression.calibration import checked_batches, outputs_of, relative_difference, second_moments
from htzoo.compression.compress_layer import Layer, counterpart_of
from htzoo.compression.find_layers import FoundLayer, find_layers
from htzoo.compression.fit import Fit, fit
from htzoo.formats import Dense, Format, LowRank, ModeFormat, find_format, suggest
from htzoo.nn.weight import Weight

AUTO = ("lowrank", "tt", "ht", "tucker")  # those that singular values give, which takes seconds and not minutes


@dataclass(frozen=True)
class WeightReport:
    """One weight before and after.

    Attributes:
        name: with its layer's name in front.
        format: the new format, in words; ``Dense()`` where it stays.
        before: its parameters.
        after: its parameters now.
        error: relative error of its entries; None where it stays.
        output_error: relative error of its products with the calibration inputs; the same as ``error`` without.
    """

    name: str
    format: str
    before: int
    after: int
    error: float | None
    output_error: float | None


@dataclass(frozen=True)
class CompressionReport:
    """What became of a model.

    Attributes:
        weights: every weight of the layers that could be compressed.
        layers_before: parameters of these layers, biases included.
        layers_after: the same now.
        model_before: parameters of the whole model.
        model_after: the same now.
        output_error: relative error of the model's outputs on the calibration inputs; None without.
        skipped: name -> why a layer was left alone.
    """

    weights: tuple[WeightReport, ...]
    layers_before: int
    layers_after: int
    model_before: int
    model_after: int
    output_error: float | None
    skipped: dict[str, str]


def compress_model(
    model: nn.Module,
    budget: str | int,
    *,
    to: str = "auto",
    layers: str | Sequence[str] | None = None,
    types: Collection[str] | None = None,
    dense_hidden: bool = False,
    calibration: Iterable[Any] | None = None,
) -> tuple[nn.Module, CompressionReport]:
    """Replace the layers of a model by smaller ones, in place. The rest of the model and its forward stay.

    Every weight gets a share of the budget: input-to-hidden and hidden-to-hidden weights of every layer and direction,
    projections, linear weights, embedding tables. With calibration inputs the shares follow what each weight costs the
    model's output, which is measured, and the weights are decomposed such that their products with these inputs change
    least; without, the weights' own relative errors decide.

    Args:
        model: any module. It is changed only when all went well.
        budget: parameters of all layers that can be compressed together, their biases included: a number, or ``"8x"``
            for 8 times fewer than they have now.
        to: name of a format, or ``auto``, which tries low rank, TT, HT and Tucker for every weight. Where a weight has
            no room or no modes for the format, low rank takes its place.
        layers: patterns of layers' names, such as ``encoder.*``; all when None.
        types: kinds of layers, such as ``("LSTM", "Linear")``; all when None.
        dense_hidden: whether hidden-to-hidden weights stay dense: the recurrence is then as fast as before.
        calibration: batches of the model's inputs: tensors, tuples of arguments, or mappings of keyword arguments.

    Returns:
        The model (another module only where ``model`` itself is such a layer), and the report.

    Raises:
        UnknownNameError: no format has this name.
        ValueError: nothing can be compressed, the budget is no budget or cannot be met, or the calibration inputs do
            not fit, are none, or are not finite.
    """
    if to != "auto" and find_format(to).num_ranks(2, 2) == 0:
        raise ValueError(f"to is {to!r}, which has no ranks to choose: give a format with ranks, or auto")
    found, skipped = find_layers(model, layers, types)
    batches = None if calibration is None else checked_batches(calibration, "calibration")
    reference = None if batches is None else outputs_of(model, batches)
    moments = {} if batches is None else second_moments(model, found, batches)
    groups = [group for layer in found for group in weight_groups(layer, moments.get(layer.name, {}))]
    if batches is not None and reference is not None:
        _measure_sensitivity(model, found, groups, batches, reference)
    before = _parameters(layer.module for layer in found)
    ranks = _shares(groups, _allowed(budget, before), found, dense_hidden)
    fits = [_fit_group(group, rank, to) for group, rank in zip(groups, ranks, strict=True)]
    made = {layer.name: _layer(layer, groups, fits) for layer in found}
    model_before = _parameters([model])
    swapped = swap_layers(model, {name: made[layer.name] for layer in found for name in layer.names})
    error = None
    if batches is not None and reference is not None:
        error = relative_difference(outputs_of(swapped, batches), reference)
    report = CompressionReport(
        tuple(row for group, chosen in zip(groups, fits, strict=True) for row in _rows(group, *chosen)),
        before,
        _parameters(made.values()),
        model_before,
        _parameters([swapped]),
        error,
        skipped,
    )
    return swapped, report


def swap_layers(model: nn.Module, layers: dict[str, Layer]) -> nn.Module:
    """Put layers in the places of those with their names; the empty name is the model itself, which is returned."""
    for name, layer in layers.items():
        if not name:
            return layer
        parent, _, own = name.rpartition(".")
        setattr(model.get_submodule(parent), own, layer)
    return model


def _parameters(modules: Iterable[nn.Module]) -> int:
    """Every parameter counted once; PyTorch's second bias, which a layer of htzoo keeps as a buffer, is not one."""
    kept = {id(parameter): parameter for module in modules for parameter in module.parameters()}
    return sum(parameter.numel() for parameter in kept.values())


def _allowed(budget: str | int, now: int) -> int:
    """Parameters that a budget leaves."""
    text = str(budget).strip().replace(",", "")
    try:
        number = float(text.removesuffix("x"))
    except ValueError:
        number = 0.0
    if not 0 < number < 1e18:
        raise ValueError(f"budget is {budget!r}: give a number of parameters, such as 50000, or 8x for 8 times fewer")
    allowed = int(now / number if text.endswith("x") else number)
    if allowed >= now:
        raise ValueError(
            f"budget allows {allowed:,} parameters, and the layers have {now:,} now: give fewer, or 2x for half"
        )
    return allowed


def _shares(
    groups: Sequence[WeightGroup], allowed: int, found: Sequence[FoundLayer], dense_hidden: bool
) -> list[int | None]:
    """A rank for every group, within a budget for whole layers."""
    free = [not (dense_hidden and group.argument == "hidden_format") for group in groups]
    kept = sum(group.dense for group, is_free in zip(groups, free) if not is_free)
    # What the layers hold beside their weights: one bias where PyTorch's had two.
    biases = _parameters(counterpart_of(layer.dense) for layer in found) - sum(group.dense for group in groups)
    least = biases + kept + sum(group.least for group, is_free in zip(groups, free) if is_free)
    if least > allowed:
        now = sum(group.dense for group in groups) + biases
        raise ValueError(
            f"budget allows {allowed:,} parameters, and the layers need {least:,} at least (rank 1 for every weight"
            f"{', dense hidden weights' if kept else ''} and the biases): give {least:,} or more, which is "
            f"{now / least:.1f}x fewer"
        )
    shared = iter(share([group for group, is_free in zip(groups, free) if is_free], allowed - biases - kept))
    return [next(shared) if is_free else None for is_free in free]


@torch.no_grad()
def _measure_sensitivity(
    model: nn.Module,
    found: Sequence[FoundLayer],
    groups: Sequence[WeightGroup],
    batches: Sequence[Any],
    reference: Sequence[Tensor],
) -> None:
    """Put each group alone at a middle rank, and see what becomes of the model's outputs."""
    layers = {layer.name: layer for layer in found}
    for group in groups:
        rank = max(1, group.max_rank // 4)
        lost = group.lost(rank)
        if not group.max_rank or lost <= 1e-12:
            continue
        layer = layers[group.layer]
        dense = deepcopy(layer.dense)
        for name, matrix, root in zip(group.names, group.matrices, group.roots, strict=True):
            rough = fit(matrix, LowRank(rank), group.gates, root)
            by_name = dict(zip(("in_factor", "out_factor"), rough.cores, strict=True))
            rebuilt = by_name["out_factor"] @ by_name["in_factor"].T
            dense.get_parameter(name).copy_(rebuilt.T if layer.kind == "Embedding" else rebuilt)
        trial: dict[str, Any] = dict.fromkeys(layer.names, dense)
        original: dict[str, Any] = dict.fromkeys(layer.names, layer.module)
        changed = swap_layers(model, trial)
        try:
            outputs = outputs_of(changed, batches)
        finally:
            swap_layers(model, original)
        group.sensitivity = relative_difference(outputs, reference) ** 2 / lost


def _fit_group(group: WeightGroup, rank: int | None, to: str) -> tuple[Format, list[Fit]]:
    """The format of a group within its share, and its fits."""
    if rank is None:
        return Dense(), []
    lowrank = LowRank(rank)
    budget = rank * group.per_rank // len(group.matrices)
    candidates: list[Format] = []
    for name in AUTO if to == "auto" else (to,):
        try:
            candidates.append(lowrank if name.lower() == "lowrank" else _suggested(name, group, budget))
        except ValueError:  # a size without modes, or no room for rank 1
            continue
    best: tuple[float, Format, list[Fit]] | None = None
    for form in candidates or [lowrank]:
        fits = [
            fit(_padded(m, form), form, group.gates, None if root is None else _padded(root, form))
            for m, root in zip(group.matrices, group.roots, strict=True)
        ]
        error = sum(one.output_error**2 for one in fits)
        if best is None or error < best[0]:
            best = error, form, fits
    assert best is not None
    return best[1], best[2]


def _suggested(name: str, group: WeightGroup, budget: int) -> Format:
    rows, columns = group.matrices[0].shape
    if group.is_table and issubclass(find_format(name), ModeFormat):
        columns = next(size for size in itertools.count(columns) if _is_smooth(size))
    return suggest(name, columns, rows // group.gates, gates=group.gates, budget=budget)


def _is_smooth(size: int) -> bool:
    """Whether no prime factor is larger than 7."""
    for prime in (2, 3, 5, 7):
        while size % prime == 0:
            size //= prime
    return size == 1


def _padded(value: Tensor, form: Format) -> Tensor:
    """Columns of zeros for the places of an embedding's format that no word has; other formats fit."""
    columns = math.prod(form.in_modes) if isinstance(form, ModeFormat) else value.shape[-1]
    return nn.functional.pad(value, (0, columns - value.shape[-1]))


def _layer(layer: FoundLayer, groups: Sequence[WeightGroup], fits: Sequence[tuple[Format, list[Fit]]]) -> Layer:
    """The layer with its weights in their formats."""
    own = [(group, *chosen) for group, chosen in zip(groups, fits, strict=True) if group.layer == layer.name]
    formats: dict[str, Any] = {}
    for group, form, _ in own:
        if group.argument == "format":
            formats["format"] = form
        else:
            formats.setdefault(group.argument, []).append(form)
    made = counterpart_of(layer.dense, **formats)
    for group, _, found in own:
        for name, one in zip(group.names, found):  # no fits where the weight stays dense
            weight = getattr(made, name)
            assert isinstance(weight, Weight)
            weight.error = one.weight_error
            for core, closest in zip(weight.cores, one.cores, strict=True):
                core.detach().copy_(closest)
    return made.train(layer.module.training)


def _rows(group: WeightGroup, form: Format, fits: Sequence[Fit]) -> list[WeightReport]:
    prefix = f"{group.layer}." if group.layer else ""
    rows = []
    for k, (name, matrix) in enumerate(zip(group.names, group.matrices, strict=True)):
        found = fits[k] if fits else None
        after = matrix.numel() if found is None else sum(core.numel() for core in found.cores)
        errors = (None, None) if found is None else (found.weight_error, found.output_error)
        rows.append(WeightReport(prefix + name, str(form), matrix.numel(), after, *errors))
    return rows
