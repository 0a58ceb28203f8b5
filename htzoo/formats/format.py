"""What every format has in common, and how a class becomes a format that can be found by name."""

from __future__ import annotations

import dataclasses
import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from htzoo.formats.network import Core, Network

if TYPE_CHECKING:
    from typing_extensions import Self

REGISTERED: dict[str, type[Format]] = {}  # by class name; filled as the classes are defined
EXAMPLE_IN_MODES, EXAMPLE_OUT_MODES = (3, 4, 5), (2, 3, 4)  # every example fits a weight of 60 columns and 24 rows


class Format(ABC):
    """A way of writing a weight matrix as a tensor network: plain, frozen, hashable data.

    A subclass is a frozen dataclass whose fields are plain data. One that sets ``short_name`` can be named in
    configurations and on the command line as soon as its module is imported.

    Attributes:
        short_name: lower-case name for the command line and for configurations, such as ``"tt"``.
        paper: who proposed the format for recurrent networks, as a citation without a full stop; empty if nobody.
        paired: whether there must be as many output modes as input modes.
    """

    short_name: ClassVar[str]
    paper: ClassVar[str] = ""
    paired: ClassVar[bool] = False

    def __init_subclass__(cls, **options: Any) -> None:
        """Register the class, if it has a short name of its own."""
        super().__init_subclass__(**options)
        if "short_name" not in vars(cls):
            return
        for other in REGISTERED.values():
            names = {other.__name__.lower(), other.short_name}
            if other.__module__ != cls.__module__ and names & {cls.__name__.lower(), cls.short_name}:
                raise ValueError(
                    f"format {cls.__name__} ({cls.short_name!r}) in {cls.__module__} is named like {other.__name__} "
                    f"({other.short_name!r}) in {other.__module__}: choose another name"
                )
        REGISTERED[cls.__name__] = cls

    @abstractmethod
    def network(self, in_features: int, out_features: int, gates: int = 1) -> Network:
        """The network of a weight of shape (gates * out_features, in_features).

        Args:
            in_features: size of the input.
            out_features: size of the output, gates not counted.
            gates: how many weights of ``out_features`` rows are stacked (4 LSTM, 3 GRU, 1 otherwise).

        Raises:
            ValueError: the modes do not multiply to the features, or a rank is larger than the modes allow.
        """

    @classmethod
    @abstractmethod
    def num_ranks(cls, in_count: int, out_count: int) -> int:
        """How many ranks can be chosen.

        Args:
            in_count: number of input modes.
            out_count: number of output modes.
        """

    @classmethod
    @abstractmethod
    def from_ranks(cls, in_modes: tuple[int, ...], out_modes: tuple[int, ...], ranks: tuple[int, ...]) -> Self:
        """The format with these modes and ranks, other options at their defaults.

        Args:
            in_modes: factors of the input size.
            out_modes: factors of the output size; as many as input modes if the format is paired.
            ranks: as many as :meth:`num_ranks` says.
        """

    @classmethod
    def example(cls) -> Self:
        """A small instance for a weight of 60 columns and 24 rows (gates not counted). Every test covers it."""
        count = cls.num_ranks(len(EXAMPLE_IN_MODES), len(EXAMPLE_OUT_MODES))
        return cls.from_ranks(EXAMPLE_IN_MODES, EXAMPLE_OUT_MODES, (2,) * count)

    @classmethod
    def label(cls) -> str:
        """The short name as it is printed: abbreviations in capitals (``TT``), words like the class (``Tucker``)."""
        return cls.__name__ if cls.__name__.lower() == cls.short_name else cls.short_name.upper()

    def to_dict(self) -> dict[str, Any]:
        """The format as plain data, with its class name under ``name``."""
        values = dataclasses.asdict(self)  # type: ignore[call-overload]  # every format is a dataclass
        return {"name": type(self).__name__, **{key: _as_lists(value) for key, value in values.items()}}


@dataclass(frozen=True)
class ModeFormat(Format):
    """A format over input and output modes.

    By default every further field without a default value is a rank, one integer.

    Args:
        in_modes: factors of the input size, slowest-varying first.
        out_modes: factors of the output size, gates not counted. The gates multiply the first.

    Raises:
        ValueError: a mode is not above zero, or the format is paired and the modes are not.
    """

    in_modes: tuple[int, ...]
    out_modes: tuple[int, ...]

    def __post_init__(self) -> None:
        """Check the modes."""
        for name in ("in_modes", "out_modes"):
            object.__setattr__(self, name, positive_integers(name, getattr(self, name)))
        if self.paired and (len(self.in_modes) != len(self.out_modes) or len(self.in_modes) < 2):
            raise ValueError(
                f"{type(self).__name__}: in_modes {self.in_modes} and out_modes {self.out_modes} are paired: "
                "give both the same number of modes, at least 2"
            )

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

    @classmethod
    def num_ranks(cls, in_count: int, out_count: int) -> int:
        """See :meth:`Format.num_ranks`."""
        required = [field for field in dataclasses.fields(cls) if field.default is dataclasses.MISSING]
        return len(required) - 2  # the two that are modes

    @classmethod
    def from_ranks(cls, in_modes: tuple[int, ...], out_modes: tuple[int, ...], ranks: tuple[int, ...]) -> Self:
        """See :meth:`Format.from_ranks`."""
        return cls(in_modes, out_modes, *ranks)


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
        raise ValueError(f"{name} is {tuple(values)}: give one integer, or {count} of them")
    return tuple(values)
