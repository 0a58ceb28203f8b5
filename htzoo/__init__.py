"""htzoo: recurrent video models whose weights are tensor networks."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from htzoo.compression import compress, load_compressed, record, save_compressed
    from htzoo.hub.open_model import from_pretrained
    from htzoo.hub.registry import create_model, list_models

__version__ = "0.1.0"
__all__ = [
    "compress",
    "create_model",
    "from_pretrained",
    "list_models",
    "load_compressed",
    "record",
    "save_compressed",
]

_MODULES = {  # imported when first asked for: they need torch
    "compress": "htzoo.compression",
    "create_model": "htzoo.hub.registry",
    "from_pretrained": "htzoo.hub.open_model",
    "list_models": "htzoo.hub.registry",
    "load_compressed": "htzoo.compression",
    "record": "htzoo.compression",
    "save_compressed": "htzoo.compression",
}


def __getattr__(name: str) -> Any:
    """Import what the package exports lazily (PEP 562)."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return [*globals(), *_MODULES]
