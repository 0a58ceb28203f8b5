"""Load the C library that was compiled when htzoo was installed."""

from __future__ import annotations

import ctypes
import platform
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

import torch

from htzoo.native.compile import LIBRARY, VARIANTS, digest

REBUILD = "python -m htzoo.native.compile"


@dataclass(frozen=True, eq=False)
class Library:
    """The functions of one variant; each takes a pointer to a structure of :mod:`htzoo.native.layout`.

    Args:
        name: the variant, a key of :data:`htzoo.native.compile.VARIANTS`.
        vector: float32 values of a vector.
        scratch: floats of scratch that a ``Work`` needs.
        product: runs a ``Work``.
        recur: runs a ``Layer`` forward.
        recur_back: runs a ``Layer`` backward.
        weight_gradient: runs a ``WeightGradient``.
    """

    name: str
    vector: int
    scratch: Callable[[Any], int]
    product: Callable[[Any], None]
    recur: Callable[[Any], None]
    recur_back: Callable[[Any], None]
    weight_gradient: Callable[[Any], None]


def library() -> Library | None:
    """The compiled code for this processor; None where there is none (:func:`status` says why)."""
    found, _ = _load()
    return found[0] if found else None


def library_for(size: int) -> Library | None:
    """The compiled code with the widest vectors of which ``size`` is a multiple; None where there is none."""
    found, _ = _load()
    return next((one for one in found if size % one.vector == 0), None)


def status() -> str:
    """Whether compiled code runs, or why not and what to do, as a short text."""
    return _load()[1]


@cache
def _load() -> tuple[tuple[Library, ...], str]:
    """The variants that this processor runs, best first, and :func:`status`."""
    wanted = {"AVX512": ("avx512", "avx2"), "AVX2": ("avx2",)}.get(_capability(), ())
    if not wanted:
        return (), f"no compiled code: it is not for this processor ({platform.machine()}, {_capability()})"
    if not LIBRARY.is_file():
        return (), f"no compiled code: it was not built when htzoo was installed; with a C compiler, {REBUILD}"
    try:
        loaded = ctypes.CDLL(str(LIBRARY))
        if _function(loaded, "digest", wanted[0], ctypes.c_char_p)() != digest().encode():
            return (), f"no compiled code: {LIBRARY.name} was built from other sources; {REBUILD}"
        return tuple(_library(loaded, name) for name in wanted), f"compiled code, {wanted[0]}"
    except (OSError, AttributeError) as error:
        return (), f"no compiled code: {LIBRARY.name} cannot be loaded ({error}); {REBUILD}"


def _library(loaded: ctypes.CDLL, name: str) -> Library:
    scratch = _function(loaded, "scratch", name, ctypes.c_int64)
    others = (_function(loaded, function, name) for function in ("product", "recur", "recur_back", "weight_gradient"))
    return Library(name, VARIANTS[name].vector, scratch, *others)


def _function(loaded: ctypes.CDLL, function: str, variant: str, result: Any = None) -> Callable[..., Any]:
    found = getattr(loaded, f"htzoo_{function}_{variant}")
    found.restype = result
    return found  # type: ignore[no-any-return]


def _capability() -> str:
    return torch.backends.cpu.get_cpu_capability()


@lru_cache(maxsize=1024)
def array_type(kind: Any, length: int) -> Any:
    """``kind * length``, which ctypes makes anew in every call, for longer than a small product takes."""
    return kind * length
