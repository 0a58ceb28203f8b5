"""Python's garbage collector, while very many objects are created."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def collector_paused() -> Iterator[None]:
    """Pause the collector in a block that creates many objects and drops none in cycles.

    It would visit all of them again and again, which takes half of the time of listing 300,000 clips.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
