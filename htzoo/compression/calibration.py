"""What a model's weights see when it runs: second moments of their inputs, and the outputs to compare with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from htzoo.compression.find_layers import FoundLayer

MAX_MOMENT = 4096  # inputs of more features keep the diagonal of their second moments only


def call(model: nn.Module, batch: Any) -> Any:
    """Run a model on one batch: a tensor, a tuple of positional arguments, or a mapping of keyword arguments."""
    if isinstance(batch, Mapping):
        return model(**batch)
    if isinstance(batch, tuple | list) and not isinstance(batch, PackedSequence):
        return model(*batch)
    return model(batch)


def tensors_in(value: Any) -> list[Tensor]:
    """All floating-point tensors of nested outputs."""
    if isinstance(value, PackedSequence):
        return [value.data]
    if isinstance(value, Tensor):
        return [value] if value.is_floating_point() else []
    if isinstance(value, Mapping):
        return [tensor for item in value.values() for tensor in tensors_in(item)]
    return [tensor for item in value for tensor in tensors_in(item)] if isinstance(value, Sequence | tuple) else []


def first_input(arguments: tuple[Any, ...], named: Mapping[str, Any]) -> Any:
    """The input of a layer, which a model may pass by position or by name."""
    return arguments[0] if arguments else named["input"]


def checked_batches(batches: Iterable[Any], name: str) -> list[Any]:
    """The batches as a list.

    Raises:
        ValueError: there are none, or one has values that are not finite.
    """
    kept = list(batches)
    if not kept:
        raise ValueError(f"{name} is empty: give at least one batch of the model's inputs")
    for k, batch in enumerate(kept):
        if any(not bool(torch.isfinite(tensor).all()) for tensor in tensors_in(batch)):
            raise ValueError(f"{name} has values that are not finite, in batch {k}: give finite inputs")
    return kept


@torch.no_grad()
def outputs_of(model: nn.Module, batches: Sequence[Any], name: str = "calibration") -> list[Tensor]:
    """The outputs of all batches, flattened, in float32 on the CPU.

    Raises:
        ValueError: the model cannot take a batch, has no outputs, or gives values that are not finite.
    """
    was_training = model.training
    model.eval()
    found = []
    try:
        for k, batch in enumerate(batches):
            try:
                values = tensors_in(call(model, batch))
            except Exception as error:
                reason = " ".join(str(error).split())[:300]
                raise ValueError(
                    f"{name}: the model fails on batch {k} ({reason}): give what its forward takes, a tensor, a tuple "
                    "of arguments, or a mapping of keyword arguments"
                ) from error
            if not values:
                raise ValueError(f"{name}: the model returns no floating-point tensor for batch {k}")
            found.append(torch.cat([value.detach().float().cpu().flatten() for value in values]))
            if not bool(torch.isfinite(found[-1]).all()):
                raise ValueError(f"{name}: the model's outputs for batch {k} are not finite: compress a sound model")
    finally:
        model.train(was_training)
    return found


def relative_difference(outputs: Sequence[Tensor], reference: Sequence[Tensor]) -> float:
    """Norm of the difference over the norm of the reference, over all batches."""
    difference = sum(float((a.double() - b.double()).square().sum()) for a, b in zip(outputs, reference, strict=True))
    total = sum(float(b.double().square().sum()) for b in reference)
    return float((difference / (total or 1.0)) ** 0.5)


@torch.no_grad()
def second_moments(
    model: nn.Module, layers: Sequence[FoundLayer], batches: Sequence[Any]
) -> dict[str, dict[str, Tensor]]:
    """Second moments of what every weight is multiplied with: layer's name -> weight's name -> (n, n) or (n,).

    A recurrent layer's own layers and directions are run one by one on the layer's inputs, as the sequences between
    them and the hidden states are not visible from outside. Hidden states are those after every step, from a state of
    zeros. Projections have no entry.
    """
    sums: dict[str, dict[str, Tensor]] = {layer.name: {} for layer in layers}
    hooks = [
        layer.module.register_forward_pre_hook(_observer(layer, sums[layer.name]), with_kwargs=True) for layer in layers
    ]
    try:
        outputs_of(model, batches)
    finally:
        for hook in hooks:
            hook.remove()
    return sums


def _observer(layer: FoundLayer, sums: dict[str, Tensor]) -> Any:
    def observe(_: nn.Module, arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
        value = first_input(arguments, named)
        if isinstance(layer.dense, nn.Embedding):
            counts = torch.bincount(value.flatten().cpu(), minlength=layer.dense.num_embeddings).double()
            sums["weight"] = sums["weight"] + counts if "weight" in sums else counts
        elif isinstance(layer.dense, nn.RNNBase):
            _observe_recurrent(layer.dense, value, sums)
        else:
            _add(sums, "weight", value)

    return observe


def _observe_recurrent(layer: nn.RNNBase, value: Any, sums: dict[str, Tensor]) -> None:
    directions = ("", "_reverse") if layer.bidirectional else ("",)
    for k in range(layer.num_layers):
        data = value.data if isinstance(value, PackedSequence) else value
        single = _single(layer, k)
        output = single(value)[0]
        states = (output.data if isinstance(output, PackedSequence) else output).chunk(len(directions), -1)
        for direction, hidden in zip(directions, states, strict=True):
            _add(sums, f"weight_ih_l{k}{direction}", data)
            _add(sums, f"weight_hh_l{k}{direction}", hidden)
        value = output


def _single(layer: nn.RNNBase, k: int) -> nn.Module:
    """Layer ``k`` of a recurrent layer, by itself."""
    first = getattr(layer, f"weight_ih_l{k}")
    options = {"nonlinearity": layer.nonlinearity} if isinstance(layer, nn.RNN) else {}
    if layer.proj_size:
        options["proj_size"] = layer.proj_size
    single = type(layer)(
        first.shape[1],
        layer.hidden_size,
        bias=layer.bias,
        batch_first=layer.batch_first,
        bidirectional=layer.bidirectional,
        device=first.device,
        dtype=first.dtype,
        **options,
    )
    for name, parameter in single.named_parameters():
        parameter.copy_(layer.get_parameter(name.replace("_l0", f"_l{k}")))
    return single


def _add(sums: dict[str, Tensor], name: str, value: Tensor) -> None:
    rows = value.detach().reshape(-1, value.shape[-1]).double().cpu()
    moment = rows.T @ rows if rows.shape[1] <= MAX_MOMENT else rows.square().sum(0)
    sums[name] = sums[name] + moment if name in sums else moment
