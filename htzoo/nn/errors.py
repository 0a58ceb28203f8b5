"""Errors of the layers."""


class InputError(ValueError, RuntimeError):
    """An input, a state or a type that a layer cannot take.

    PyTorch's layers raise ``RuntimeError`` for most of these and ``ValueError`` for some: code that catches either
    catches this.
    """
