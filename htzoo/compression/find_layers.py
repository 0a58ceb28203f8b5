"""Find the layers of a module whose weights can be tensor networks."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from torch import nn
from torch.nn.utils import parametrize

from htzoo.compression.compress_layer import Layer, dense_copy

KINDS: dict[str, type[nn.Module]] = {
    "LSTM": nn.LSTM,
    "GRU": nn.GRU,
    "RNN": nn.RNN,
    "Linear": nn.Linear,
    "Embedding": nn.Embedding,
}
# They multiply with their children's weights themselves, past the children's forward.
_READ_CHILDREN = (nn.MultiheadAttention, nn.TransformerEncoderLayer)


@dataclass(frozen=True)
class FoundLayer:
    """A layer that can be compressed.

    Attributes:
        names: where it is; a layer that is used in several places has several names.
        kind: one of :data:`KINDS`.
        module: the layer as it is in the model.
        dense: the same layer of :mod:`torch.nn`, with a plain parameter for every weight.
    """

    names: tuple[str, ...]
    kind: str
    module: nn.Module
    dense: nn.Module

    @property
    def name(self) -> str:
        """The first name; empty for the module itself."""
        return self.names[0]


def find_layers(
    model: nn.Module, layers: str | Sequence[str] | None = None, types: Collection[str] | None = None
) -> tuple[list[FoundLayer], dict[str, str]]:
    """The layers that can be compressed, and why others of these kinds cannot.

    Args:
        model: any module.
        layers: patterns of names, such as ``encoder.*``; all layers when None.
        types: kinds of layers, of :data:`KINDS`; all kinds when None.

    Returns:
        The layers in the order of the modules, and name -> reason of those that are left alone.

    Raises:
        ValueError: a type is unknown, or nothing can be compressed.
    """
    unknown = sorted(set(types or ()) - KINDS.keys())
    if unknown:
        raise ValueError(f"types has {unknown[0]!r}: give some of {', '.join(KINDS)}")
    patterns = [layers] if isinstance(layers, str) else layers
    found: list[FoundLayer] = []
    skipped: dict[str, str] = {}
    for names, module, parent in _modules(model):
        kind = _kind(module)
        if kind is None or (types is not None and kind not in types):
            continue
        if patterns is not None and not any(fnmatchcase(name, pattern) for name in names for pattern in patterns):
            continue
        reason = _reason(model, module, parent)
        if reason is None:
            found.append(FoundLayer(names, kind, module, plain_layer(module)))
        else:
            skipped[names[0]] = reason
    if not found:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in skipped.items())
        which = ", ".join(types or KINDS)
        asked = "" if layers is None else f" whose names match {layers!r}"
        raise ValueError(
            f"model is a {type(model).__name__} that has no layers to compress: none of {which}{asked} "
            + (f"can be ({reasons})" if reasons else "is in it; give another model, other layers or other types")
        )
    return found, skipped


def plain_layer(module: nn.Module) -> nn.Module:
    """The layer of :mod:`torch.nn` with a plain parameter for every weight: cores rebuilt, weight norm folded."""
    if isinstance(module, Layer):
        return module.to_dense()
    old_norm = any(name.endswith("_g") for name, _ in module.named_parameters())
    if parametrize.is_parametrized(module) or old_norm:
        return dense_copy(module)
    return module


def _modules(model: nn.Module) -> Iterator[tuple[tuple[str, ...], nn.Module, nn.Module | None]]:
    """Every module once, with all its names and its first parent."""
    names: dict[int, list[str]] = {}
    by_id: dict[int, nn.Module] = {}
    for name, module in model.named_modules(remove_duplicate=False):
        names.setdefault(id(module), []).append(name)
        by_id[id(module)] = module
    for key, module in by_id.items():
        parent = model.get_submodule(names[key][0].rpartition(".")[0]) if names[key][0] else None
        yield tuple(names[key]), module, parent


def _kind(module: nn.Module) -> str | None:
    if isinstance(module, Layer):
        return type(module).__name__
    for kind, cls in KINDS.items():
        if type(module) is cls or (isinstance(module, cls) and parametrize.is_parametrized(module)):
            return kind
    return None


def _reason(model: nn.Module, module: nn.Module, parent: nn.Module | None) -> str | None:
    """Why a layer is left alone; None where it is not."""
    if isinstance(parent, _READ_CHILDREN):
        return f"{type(parent).__name__} reads its weight directly"
    own, inside = {id(parameter) for parameter in module.parameters()}, {id(part) for part in module.modules()}
    for name, other in model.named_modules():
        if id(other) not in inside and own & {id(parameter) for parameter in other.parameters(recurse=False)}:
            return f"its weight is shared with {name}"
    weight = next(module.parameters())
    if weight.is_meta or not weight.is_floating_point():
        return f"its weight is {'without values' if weight.is_meta else weight.dtype}"
    return None
