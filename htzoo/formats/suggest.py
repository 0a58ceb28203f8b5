"""Choose modes and ranks within a budget."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import TypeAlias

from htzoo.formats.format import Format, ModeFormat
from htzoo.formats.network import Network
from htzoo.formats.registry import find_format, format_classes
from htzoo.formats.search import count_macs

Modes: TypeAlias = tuple[int, ...]

ROWS = 128  # MACs are those of a plan for this many inputs at once
MAX_MODES = 5  # more modes hardly raise the ranks, and take much longer to plan
NEAR = 0.75  # among shapes whose mean rank is at least this share of the highest, MACs decide
FINALISTS = 10  # shapes that are planned; planning is the slow part


def suggest(
    kind: type[Format] | str,
    in_features: int,
    out_features: int,
    *,
    gates: int = 1,
    budget: int | None = None,
    macs: int | None = None,
) -> Format:
    """Modes and ranks of a format that stay within a budget.

    The sizes are factored into 2 to 5 modes that are as equal as possible, in a few orders (rising input modes with
    falling output modes are often the fastest). Each such shape gets the highest ranks that the budget allows. Among
    the shapes whose mean rank (geometric, over all inner edges of the network) is at least three quarters of the
    highest, the one with the fewest MACs is chosen. The same arguments always give the same format.

        suggest("tt", 57600, 256, gates=4, budget=3400)   # for LSTM(57600, 256, input_format=...)
        suggest(HierarchicalTucker, 4096, 2048, gates=4, macs=1_000_000)   # joint_format of LSTM(2048, 2048)

    Args:
        kind: the class of the format, or a name that :func:`htzoo.formats.find_format` knows.
        in_features: columns of the weight: the input size of the layer, or input plus hidden size for a joint format.
        out_features: rows of the weight, gates not counted: the hidden size of a cell.
        gates: stacked weights (4 LSTM, 3 GRU, 1 otherwise); they multiply the first output mode.
        budget: maximum number of parameters; no limit when None.
        macs: maximum number of MACs per input vector, forward, as :func:`count_macs` counts them for 128 vectors at
            once; no limit when None.

    Returns:
        The format, ready for ``format.network(in_features, out_features, gates)``.

    Raises:
        ValueError: the name is unknown, the format has no ranks to choose, an argument is not a whole number above
            zero, no limit is given, a size cannot be factored, or no shape stays within the limits.
    """
    cls = find_format(kind) if isinstance(kind, str) else kind
    if cls.num_ranks(2, 2) == 0:
        names = ", ".join(other.short_name for other in format_classes().values() if other.num_ranks(2, 2))
        raise ValueError(f"format is {cls.short_name!r}, which has no ranks to choose: give one of {names}")
    sizes = {"in_features": in_features, "out_features": out_features, "gates": gates}
    limits = {key: value for key, value in {"budget": budget, "macs": macs}.items() if value is not None}
    for key, value in {**sizes, **limits}.items():
        if type(value) is not int or value < 1:
            raise ValueError(f"{key} is {value!r}: give a whole number above zero")
    if not limits:
        raise ValueError("neither budget nor macs is given: give the maximum number of parameters, MACs, or both")
    for key in ("in_features", "out_features"):
        if issubclass(cls, ModeFormat) and _is_prime_or_one(sizes[key]):
            raise ValueError(
                f"{key} is {sizes[key]:,}, which has no factors to be modes: pad it, or choose a size with small "
                f"factors such as {_nearest_smooth(sizes[key]):,}"
            )
    search = _Search(cls, in_features, out_features, gates, budget, macs)
    found = search.run()
    if found is None:
        asked = " and ".join(f"{value:,} {_UNITS[key]}" for key, value in limits.items())
        prime = max(_prime_factors(in_features)[-1], _prime_factors(out_features)[-1])
        hint = f", or choose sizes without the prime factor {prime:,}" if prime > 16 else ""
        raise ValueError(
            f"no {cls.__name__} for {in_features:,} -> {gates} x {out_features:,} stays within {asked}: the smallest "
            f"tried has {search.min_parameters:,} parameters; raise the limit{hint}"
        )
    return found


_UNITS = {"budget": "parameters", "macs": "MACs"}


class _Search:
    """The shapes of one request, and which of them fit."""

    def __init__(
        self,
        cls: type[Format],
        in_features: int,
        out_features: int,
        gates: int,
        budget: int | None,
        macs: int | None,
    ) -> None:
        self.cls = cls
        self.sizes = in_features, out_features, gates
        self.budget = math.inf if budget is None else budget
        self.macs = math.inf if macs is None else macs
        self.plans = macs is not None  # then every trial needs a plan, so there must be few trials
        self.min_parameters = in_features * out_features * gates  # of the trials so far

    def run(self) -> Format | None:
        """The chosen format; None if nothing fits."""
        filled = [(shape, ranks) for shape in self._shapes() if (ranks := self._fill(*shape)) is not None]
        means = {entry: _mean_rank(self._network(*entry[0], entry[1])) for entry in filled}
        best = sorted(filled, key=lambda entry: -means[entry])[:FINALISTS]
        good = [entry for entry in best if means[entry] >= NEAR * means[best[0]]]
        if not good:
            return None
        costs = {entry: count_macs(self._network(*entry[0], entry[1]), ROWS) for entry in good}
        shape, ranks = min(good, key=lambda entry: (costs[entry], -means[entry]))
        return self.cls.from_ranks(*shape, ranks)

    def _shapes(self) -> Iterator[tuple[Modes, Modes]]:
        """Candidates for input and output modes."""
        if not issubclass(self.cls, ModeFormat):
            yield (self.sizes[0],), (self.sizes[1],)
            return
        counts = range(2, MAX_MODES + 1)
        in_sides, out_sides = ([balanced_modes(size, count) for count in counts] for size in self.sizes[:2])
        max_difference = 0 if self.cls.paired or self.plans else 1
        for n, m in itertools.product(in_sides, out_sides):
            if n and m and abs(len(n) - len(m)) <= max_difference:
                falling = m[::-1]
                # The gates multiply the first output mode, which is then the largest.
                orders = [(n, falling), (n, m), (n, (m[0], *falling[:-1])), (n[::-1], m)]
                yield from dict.fromkeys(orders[:1] if self.plans else orders)

    def _fill(self, n: Modes, m: Modes) -> Modes | None:
        """The highest ranks that fit, as equal as possible; None if not even ranks of 1 fit."""
        ranks = [1] * self.cls.num_ranks(len(n), len(m))
        if not self._fits(n, m, tuple(ranks)):
            return None

        def raised(which: list[int], value: int) -> Modes:
            return tuple(value if k in which else rank for k, rank in enumerate(ranks))

        active = list(range(len(ranks)))
        while active:
            low = ranks[active[0]]
            step = 1
            while self._fits(n, m, raised(active, low + step)):
                step *= 2
            low, step = low + step // 2, step // 4 if step > 1 else 0
            while step:  # low fits, low + 2 * step does not
                if self._fits(n, m, raised(active, low + step)):
                    low += step
                step //= 2
            ranks = list(raised(active, low))
            if self.plans:  # raising ranks one by one would take too long
                break
            free = [k for k in active if self._fits(n, m, raised([k], low + 1))]
            if len(free) == len(active):  # each of them alone fits, all together do not
                first = min(free, key=lambda k: self._network(n, m, raised([k], low + 1)).num_parameters)
                ranks = list(raised([first], low + 1))
                free.remove(first)
            active = free
        return tuple(ranks)

    def _fits(self, n: Modes, m: Modes, ranks: Modes) -> bool:
        try:
            network = self._network(n, m, ranks)
        except ValueError:  # a rank is larger than the modes allow
            return False
        self.min_parameters = min(self.min_parameters, network.num_parameters)
        if network.num_parameters > self.budget:
            return False
        return not self.plans or count_macs(network, ROWS) <= self.macs

    def _network(self, n: Modes, m: Modes, ranks: Modes) -> Network:
        return self.cls.from_ranks(n, m, ranks).network(*self.sizes)


def balanced_modes(size: int, count: int) -> Modes:
    """``count`` factors above 1 whose product is ``size``, as equal as possible (smallest sum), in rising order.

    Empty if there are none.
    """
    best: Modes = ()

    def extend(chosen: Modes, rest: int, left: int) -> None:
        nonlocal best
        if left == 1:
            found = (*chosen, rest)
            if not best or sum(found) < sum(best):
                best = found
            return
        factor = chosen[-1] if chosen else 2
        while factor**left <= rest:
            if rest % factor == 0:
                extend((*chosen, factor), rest // factor, left - 1)
            factor += 1

    if size > 1:
        extend((), size, count)
    return best


def _mean_rank(network: Network) -> float:
    """The geometric mean of the ranks: the sizes of all edges that are not modes."""
    inner = len(network.sizes) - len(network.inputs) - len(network.outputs)
    return float(network.num_terms ** (1 / inner)) if inner else 1.0


def _prime_factors(size: int) -> list[int]:
    """The prime factors in rising order; [1] for 1."""
    factors = []
    factor = 2
    while factor * factor <= size:
        while size % factor == 0:
            factors.append(factor)
            size //= factor
        factor += 1
    return [*factors, size] if size > 1 or not factors else factors


def _is_prime_or_one(size: int) -> bool:
    return len(_prime_factors(size)) == 1


def _nearest_smooth(size: int) -> int:
    """The nearest composite number whose prime factors are at most 7."""
    offsets = (sign * distance for distance in range(size + 4) for sign in (1, -1))
    near = (size + offset for offset in offsets if size + offset > 3)
    return next(number for number in near if _prime_factors(number)[-1] <= 7 and not _is_prime_or_one(number))
