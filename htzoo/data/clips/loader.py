"""A loader that chooses how many processes read clips, and goes on within an epoch."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from torch.utils.data import DataLoader

from htzoo.cores import available_cores
from htzoo.data.clips.dataset import ClipDataset, Item
from htzoo.data.clips.frame_sampler import TrainSampler
from htzoo.data.clips.shared_memory import ThroughPipes, as_tensors, fits


def usual_workers(data: ClipDataset, world: int = 1) -> int:
    """How many processes should read these clips, on a machine that `world` processes share for training."""
    if data.reader.cache is not None and data.reader.cache.is_full(data.indices):
        # Nothing is left to decode. A batch of 16 takes 2 ms here and three times that through a worker, on a core that
        # a small machine needs for training. A large machine has cores to spare and saves the 2 ms.
        return 2 if available_cores() >= 8 else 0
    return min(8, max(1, available_cores() // world))


class _Epoch:
    """The batches of one epoch. Unlike a generator, it goes on after the error of a broken clip."""

    def __init__(self, loader: "ClipLoader") -> None:
        self.loader = loader
        self._batches: Iterator[Any] | None = None
        sampler = loader.sampler
        processes = sampler.num_replicas if isinstance(sampler, TrainSampler) else 1
        self._clips = (loader.batch_size or 1) * processes

    def __iter__(self) -> "_Epoch":
        return self

    def __next__(self) -> Any:
        if self._batches is None:
            self._batches = self.loader.begin()
        batch = as_tensors(next(self._batches))
        self.loader.consumed += self._clips
        return batch


class ClipLoader(DataLoader[Item]):
    """A loader that can stop within an epoch and go on there, with another batch size or number of processes too.

    Args:
        dataset: The clips of one split.
        collate: Makes a batch of clips.
        workers: Processes that read clips.
        fit_workers: Whether the workers end, from one epoch to the next, once all clips are in the cache.
        world: Training processes on this machine.
        settings: Those of `torch.utils.data.DataLoader`.

    Attributes:
        consumed: Clips of this epoch that all processes together have been given.
    """

    dataset: ClipDataset

    def __init__(
        self,
        dataset: ClipDataset,
        collate: Callable[[Sequence[Any]], Any],
        workers: int,
        fit_workers: bool = True,
        world: int = 1,
        **settings: Any,
    ) -> None:
        prefetch = 2 if workers else None  # batches a worker; PyTorch's own default
        if not fits(dataset.clip_bytes * settings.get("batch_size", 1), workers, prefetch or 0, world):
            collate = ThroughPipes(collate)
        super().__init__(
            dataset,
            collate_fn=collate,
            num_workers=workers,
            prefetch_factor=prefetch,
            persistent_workers=workers > 0,
            **settings,
        )
        self.fit_workers = fit_workers
        self.consumed = 0
        self._skip = 0

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        """Begin an epoch, or go on with the one whose state was loaded.

        Nothing happens before the first batch is asked for: Lightning sets the epoch of the sampler only then.
        """
        return _Epoch(self)

    def begin(self) -> Iterator[Any]:
        """Start the workers of an epoch."""
        wanted = usual_workers(self.dataset)
        if self.fit_workers and wanted < self.num_workers:
            self.num_workers, self._iterator = wanted, None
        self.consumed, self._skip = self._skip, 0
        if isinstance(self.sampler, TrainSampler):
            self.sampler.skip = self.consumed
        return super().__iter__()

    @property
    def skipped_batches(self) -> int:
        """Batches of an epoch of this loader that are over when it goes on where the loaded state says."""
        sampler = self.sampler
        assert isinstance(sampler, TrainSampler)
        clips = (sampler.total_size - self._skip) // sampler.num_replicas
        return len(self) - clips // (self.batch_size or 1)

    def state_dict(self) -> dict[str, Any]:
        """Where in the epoch this loader is."""
        return {"consumed": self.consumed}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on, at the next iteration, where another loader of the same clips was."""
        self._skip = int(state["consumed"])
