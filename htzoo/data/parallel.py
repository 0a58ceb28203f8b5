"""Map a function over many items on all cores.

Threads are enough, since decoder, encoder, numpy and hashing release Python's lock, and unlike processes they need no
import guard in the user's script and leave nothing behind when interrupted.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from htzoo.cores import available_cores

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def on_all_cores(
    function: Callable[[_Item], _Result], items: Sequence[_Item], doing: str, unit: str
) -> Iterator[_Result]:
    """Yield the results in the order of the items.

    On a terminal, a progress bar is shown where that takes more than two seconds. After an error, or Ctrl-C, no
    further item is begun.
    """
    from tqdm import tqdm

    with ThreadPoolExecutor(available_cores()) as pool:
        yield from tqdm(pool.map(function, items), doing, len(items), unit=unit, delay=2, disable=None)
