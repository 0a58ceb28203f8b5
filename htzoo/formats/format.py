"""What every format has in common."""

from __future__ import annotations

import dataclasses
import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

from htzoo.formats.network import Core, Network


class Format(ABC):
    """A way of writing a weight matrix as a tensor network: plain, frozen, hashable data."""

    @abstractmethod
    def network(self, in_features: int, out_features: int, gates: int = 1) -> Network:
        """The network of a weight of shape (gates * out_features, in_features).

        Args:
            in_features: size of the input.
            out_features: size of the output, gates not counted.
            gates: how many weights of ``out_features`` rows stand on top of each other (4 LSTM, 3 GRU, 1 otherwise).

        Raises:
            ValueError: the modes do not multiply to the features, or a rank is larger than the modes allow.
        """

    def to_dict(self) -> dict[str, Any]:
        """The format as plain data, with its class name under ``name``."""
        values = dataclasses.asdict(self)  # type: ignore[call-overload]  # every format is a dataclass
        return {"name": type(self).__name__, **{key: _as_lists(value) for key, value in values.items()}}


@dataclass(frozen=True)
class ModeFormat(Format):
    """A format over input and output modes.

    Args:
        in_modes: factors of the input size, slowest-varying first.
        out_modes: factors of the output size, gates not counted. The gates multiply the first.
    """

    in_modes: tuple[int, ...]
    out_modes: tuple[int, ...]

    def __post_init__(self) -> None:
        """Check the modes."""
        for name in ("in_modes", "out_modes"):
            object.__setattr__(self, name, positive_integers(name, getattr(self, name)))

    @abstractmethod
    def cores(self, in_modes: tuple[int, ...], out_modes: tuple[int, ...]) -> tuple[Core, ...]:
        """The cores over the given modes (the gates are inside ``out_modes[0]``).

        Input mode k is edge ``i<k>`` and output mode k is edge ``o<k>``, counted from 1.
        """

    def network(self, in_features: int, out_features: int, gates: int = 1) -> Network:
        """See :meth:`Format.network`."""
        self._check_product("in_modes", self.in_modes, "input", in_features)
        self._check_product("out_modes", self.out_modes, "output", out_features)
        out_modes = (gates * self.out_modes[0], *self.out_modes[1:])
        inputs = tuple(f"i{k}" for k in range(1, len(self.in_modes) + 1))
        outputs = tuple(f"o{k}" for k in range(1, len(out_modes) + 1))
        try:
            return Network(self.cores(self.in_modes, out_modes), inputs, outputs)
        except ValueError as error:
            raise ValueError(f"{type(self).__name__}: {error}") from None

    def _check_product(self, name: str, modes: tuple[int, ...], side: str, features: int) -> None:
        if math.prod(modes) != features:
            raise ValueError(
                f"{type(self).__name__}: {name} {modes} multiply to {math.prod(modes):,}, but the {side} has "
                f"{features:,} features: give {name} whose product is {features:,}"
            )

    def _check_paired(self) -> None:
        if len(self.in_modes) != len(self.out_modes) or len(self.in_modes) < 2:
            raise ValueError(
                f"{type(self).__name__}: in_modes {self.in_modes} and out_modes {self.out_modes} are paired: "
                "give both the same number of modes, at least 2"
            )


def _as_lists(value: Any) -> Any:
    return [_as_lists(item) for item in value] if isinstance(value, tuple) else value


def positive_integers(name: str, values: Any, count: int | None = None) -> tuple[int, ...]:
    """``values`` as a tuple of integers above zero (``count`` of them; one integer is repeated ``count`` times).

    Raises:
        ValueError: something else was given.
    """
    if count is not None and isinstance(values, int):
        values = (values,) * count
    if not isinstance(values, list | tuple) or not values or not all(type(v) is int and v > 0 for v in values):
        raise ValueError(f"{name} is {values!r}: give whole numbers above zero")
    if count is not None and len(values) != count:
        raise ValueError(f"{name} is {tuple(values)}: give one number, or {count} of them")
    return tuple(values)
