"""Worker processes and little shared memory: batches are the same, by another way."""

import os
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from htzoo.data import collate_clips
from htzoo.data.clips import shared_memory
from htzoo.data.clips.shared_memory import ThroughPipes, as_tensors, fits
from tests.data.helpers import batches, digits


def with_free(monkeypatch: pytest.MonkeyPatch, free: int) -> None:
    real = os.statvfs

    def status(path: str) -> object:
        return SimpleNamespace(f_bavail=free, f_frsize=1) if path == shared_memory.SHARED_MEMORY else real(path)

    monkeypatch.setattr(os, "statvfs", status)


@pytest.mark.parametrize("free", [0, 64_000, 1_000_000_000])
def test_the_same_batches(free: int, few_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {"size": (24, 32), "frames": 4, "batch_size": 16}
    expected = batches(digits(few_root, **settings), "val")
    with_free(monkeypatch, free)
    module = digits(few_root, num_workers=2, **settings)
    if free < 1_000_000:  # a batch has 147 kB
        with pytest.warns(UserWarning, match=r"/dev/shm has 0 MB free .* --shm-size.* --data.num_workers 0"):
            loader = module.val_dataloader()
        assert isinstance(loader.collate_fn, ThroughPipes)
    else:
        loader = module.val_dataloader()
        assert loader.collate_fn is collate_clips
    found = list(loader)
    assert len(found) == len(expected) > 1
    for batch, right in zip(found, expected, strict=True):
        assert batch.keys() == right.keys()
        assert all(torch.equal(batch[name], value) for name, value in right.items())


def test_nothing_is_said_without_workers(few_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_free(monkeypatch, 0)
    assert digits(few_root).val_dataloader().collate_fn is collate_clips


@pytest.mark.parametrize(("workers", "world", "fit"), [(1, 1, True), (2, 1, True), (3, 1, False), (1, 2, False)])
def test_what_fits(workers: int, world: int, fit: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    with_free(monkeypatch, 1000)  # two loaders, each with two batches a worker and the one in use
    if fit:
        assert fits(100, workers, 2, world)
    else:
        with pytest.warns(UserWarning, match="go through pipes"):
            assert not fits(100, workers, 2, world)


def test_there_and_back() -> None:
    batch = {"video": torch.arange(6, dtype=torch.uint8).reshape(2, 3), "label": torch.tensor([1, 2])}
    back = as_tensors(ThroughPipes(lambda _: batch)([]))
    assert all(torch.equal(back[name], value) and back[name].dtype == value.dtype for name, value in batch.items())
