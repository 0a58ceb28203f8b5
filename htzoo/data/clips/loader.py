"""A loader that chooses by itself how many processes read clips."""

from typing import Any

from torch.utils.data import DataLoader

from htzoo.cores import available_cores
from htzoo.data.clips.dataset import ClipDataset, Item


def usual_workers(data: ClipDataset, world: int = 1) -> int:
    """How many processes should read these clips, on a machine that `world` processes share for training."""
    if data.reader.cache is not None and data.reader.cache.is_full(data.indices):
        # Nothing is left to decode: a batch of 16 takes 2 ms here, but three times that through a worker, of a core
        # that a small machine needs for training; a large machine has it to spare, and then need not wait the 2 ms.
        return 2 if available_cores() >= 8 else 0
    return min(8, max(1, available_cores() // world))


class ClipLoader(DataLoader[Item]):
    """A loader whose workers leave, from one epoch to the next, once all its clips are in the cache."""

    dataset: ClipDataset

    def __iter__(self) -> Any:
        """Begin an epoch."""
        wanted = usual_workers(self.dataset)
        if wanted < self.num_workers:
            self.num_workers, self._iterator = wanted, None
        return super().__iter__()
