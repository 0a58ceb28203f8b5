"""Choose modes and ranks for a budget, so that nobody factors 57,600 by hand."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import product
from typing import NamedTuple, TypeAlias

from htzoo.formats.block_term import BlockTerm
from htzoo.formats.cost import multiply_adds
from htzoo.formats.cp import CP
from htzoo.formats.format import Format
from htzoo.formats.hierarchical_tucker import HierarchicalTucker
from htzoo.formats.kronecker_cp import KroneckerCP
from htzoo.formats.network import Network
from htzoo.formats.tensor_ring import TensorRing
from htzoo.formats.tensor_train import TensorTrain
from htzoo.formats.tucker import Tucker

Modes: TypeAlias = tuple[int, ...]

ROWS = 128  # multiply-adds are those of the chain for so many inputs at once
MOST_MODES = 5  # more raise the ranks little, and the time that planning takes much
NEAR = 0.75  # a mean rank of at least this share of the highest is as good: the multiply-adds decide
FINALISTS = 10  # shapes whose chains are planned, which is what takes time


class _Kind(NamedTuple):
    """How the ranks of a format are chosen.

    Args:
        ranks: how many may be chosen, given the numbers of input and of output modes.
        make: the format of these modes and ranks.
        paired: whether there are as many output modes as input modes.
    """

    ranks: Callable[[int, int], int]
    make: Callable[[Modes, Modes, Modes], Format]
    paired: bool


_KINDS: dict[str, _Kind] = {
    "BlockTerm": _Kind(lambda p, q: 2, lambda n, m, ranks: BlockTerm(n, m, *ranks), True),
    "CP": _Kind(lambda p, q: 1, lambda n, m, ranks: CP(n, m, *ranks), False),
    # Two modes hang from the root itself, and no transfer tensor has an inner rank.
    "HierarchicalTucker": _Kind(
        lambda p, q: min(p - 1, 2), lambda n, m, ranks: HierarchicalTucker(n, m, ranks[0], ranks[-1]), True
    ),
    "KroneckerCP": _Kind(lambda p, q: 2, lambda n, m, ranks: KroneckerCP(n, m, *ranks), True),
    "TensorRing": _Kind(lambda p, q: p + q, lambda n, m, ranks: TensorRing(n, m, ranks), False),
    "TensorTrain": _Kind(lambda p, q: p - 1, lambda n, m, ranks: TensorTrain(n, m, ranks), True),
    "Tucker": _Kind(lambda p, q: p + q, lambda n, m, ranks: Tucker(n, m, ranks), False),
}


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

    The sizes are factored into 2 to 5 modes as equal as they can be, in a few orders (rising input modes with falling
    output modes are often the fastest). Every such shape gets ranks as high as the budget allows. Of the shapes whose
    mean rank (geometric, over all inner edges of the network) comes within a quarter of the highest, the one with the
    fewest multiply-adds is chosen. The same arguments give the same format.

        suggest("TensorTrain", 57600, 256, gates=4, budget=3400)   # for LSTM(57600, 256, input_format=...)
        suggest(HierarchicalTucker, 4096, 2048, gates=4, macs=1_000_000)   # joint_format of LSTM(2048, 2048)

    Args:
        kind: the class of the format, or its name.
        in_features: columns of the weight: the input size of the layer, or input and hidden size for a joint format.
        out_features: rows of the weight, gates not counted: the hidden size of a cell.
        gates: weights on top of each other (4 LSTM, 3 GRU, 1 otherwise); they multiply the first output mode.
        budget: most parameters of the weight; any number when None.
        macs: most multiply-adds an input vector, forward, as :func:`multiply_adds` counts them for 128 at once; any
            number when None.

    Returns:
        The format, ready for ``format.network(in_features, out_features, gates)``.

    Raises:
        ValueError: the format has no modes, a number is not above zero, no budget is given, a size is prime, or no
            shape stays within the budget.
    """
    name = kind if isinstance(kind, str) else kind.__name__
    if name not in _KINDS:
        raise ValueError(f"format is {name!r}: give one whose modes can be chosen, {', '.join(sorted(_KINDS))}")
    sizes = {"in_features": in_features, "out_features": out_features, "gates": gates}
    limits = {key: value for key, value in {"budget": budget, "macs": macs}.items() if value is not None}
    for key, value in {**sizes, **limits}.items():
        if type(value) is not int or value < 1:
            raise ValueError(f"{key} is {value!r}: give a whole number above zero")
    if not limits:
        raise ValueError("neither budget nor macs is given: give the most parameters, multiply-adds, or both")
    for key in ("in_features", "out_features"):
        if _is_prime_or_one(sizes[key]):
            raise ValueError(
                f"{key} is {sizes[key]:,}, which is no product of smaller modes: pad it, or give a size of small "
                f"factors such as {_nearest_smooth(sizes[key]):,}"
            )
    search = _Search(_KINDS[name], in_features, out_features, gates, budget, macs)
    found = search.run()
    if found is None:
        asked = " and ".join(f"{value:,} {_WORDS[key]}" for key, value in limits.items())
        prime = max(_prime_factors(in_features)[-1], _prime_factors(out_features)[-1])
        hint = f", or sizes without the prime factor {prime:,}" if prime > 16 else ""
        raise ValueError(
            f"no {name} found for {in_features:,} -> {gates} x {out_features:,} stays within {asked}: the smallest has "
            f"{search.least_parameters:,} parameters; raise the limit{hint}"
        )
    return found


_WORDS = {"budget": "parameters", "macs": "multiply-adds"}


class _Search:
    """The shapes of one request, and what fits it."""

    def __init__(
        self, kind: _Kind, in_features: int, out_features: int, gates: int, budget: int | None, macs: int | None
    ) -> None:
        self.kind = kind
        self.sizes = in_features, out_features, gates
        self.budget = math.inf if budget is None else budget
        self.macs = math.inf if macs is None else macs
        self.plans = macs is not None  # whether every trial needs a plan: then there must be few of them
        self.least_parameters = in_features * out_features * gates

    def run(self) -> Format | None:
        """The format chosen; None where nothing fits."""
        filled = [(shape, ranks) for shape in self._shapes() if (ranks := self._fill(*shape)) is not None]
        means = {entry: _mean_rank(self._network(*entry[0], entry[1])) for entry in filled}
        best = sorted(filled, key=lambda entry: -means[entry])[:FINALISTS]
        good = [entry for entry in best if means[entry] >= NEAR * means[best[0]]]
        if not good:
            return None
        costs = {entry: multiply_adds(self._network(*entry[0], entry[1]), ROWS) for entry in good}
        shape, ranks = min(good, key=lambda entry: (costs[entry], -means[entry]))
        return self.kind.make(*shape, ranks)

    def _shapes(self) -> Iterator[tuple[Modes, Modes]]:
        """Input and output modes worth a look."""
        counts = range(2, MOST_MODES + 1)
        n_sides, m_sides = ([balanced_modes(size, count) for count in counts] for size in self.sizes[:2])
        unequal = 0 if self.kind.paired or self.plans else 1
        for n, m in product(n_sides, m_sides):
            if n and m and abs(len(n) - len(m)) <= unequal:
                falling = m[::-1]
                # The gates stand in the first output mode, so that it is the largest when they are counted.
                orders = [(n, falling), (n, m), (n, (m[0], *falling[:-1])), (n[::-1], m)]
                yield from dict.fromkeys(orders[:1] if self.plans else orders)

    def _fill(self, n: Modes, m: Modes) -> Modes | None:
        """The highest ranks that fit, as equal as they can be; None where not even ranks of 1 do."""
        ranks = [1] * self.kind.ranks(len(n), len(m))
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
            if self.plans:  # one by one would take too long
                break
            free = [k for k in active if self._fits(n, m, raised([k], low + 1))]
            if len(free) == len(active):  # one of them alone, but not all together
                first = min(free, key=lambda k: self._network(n, m, raised([k], low + 1)).num_parameters)
                ranks = list(raised([first], low + 1))
                free.remove(first)
            active = free
        return tuple(ranks)

    def _fits(self, n: Modes, m: Modes, ranks: Modes) -> bool:
        try:
            network = self._network(n, m, ranks)
        except ValueError:  # more than the modes can use
            return False
        self.least_parameters = min(self.least_parameters, network.num_parameters)
        if network.num_parameters > self.budget:
            return False
        return not self.plans or multiply_adds(network, ROWS) <= self.macs

    def _network(self, n: Modes, m: Modes, ranks: Modes) -> Network:
        return self.kind.make(n, m, ranks).network(*self.sizes)


def balanced_modes(size: int, count: int) -> Modes:
    """``count`` factors above 1 whose product is ``size``, as equal as can be (the smallest sum), in rising order.

    Empty where there are none.
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
    """The geometric mean of the sizes of all edges that are no modes."""
    inner = len(network.sizes) - len(network.inputs) - len(network.outputs)
    return float(network.num_terms ** (1 / inner)) if inner else 1.0


def _prime_factors(size: int) -> list[int]:
    """In rising order; [1] for 1."""
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
    """The nearest number without a prime factor above 7 that is no prime."""
    offsets = (sign * distance for distance in range(size + 4) for sign in (1, -1))
    near = (size + offset for offset in offsets if size + offset > 3)
    return next(number for number in near if _prime_factors(number)[-1] <= 7 and not _is_prime_or_one(number))
