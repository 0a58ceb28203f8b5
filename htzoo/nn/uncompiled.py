"""Keep a function out of compiled graphs without paying for the compiler."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

import torch

P, R = ParamSpec("P"), TypeVar("R")


def uncompiled(function: Callable[P, R]) -> Callable[P, R]:
    """:func:`torch.compiler.disable`, which imports the compiler (a second) at once, put off until something compiles."""

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        if torch.compiler.is_compiling():
            return torch.compiler.disable(function)(*args, **kwargs)
        return function(*args, **kwargs)

    return call
