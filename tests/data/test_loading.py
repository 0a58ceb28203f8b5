"""Prepared sets through loaders and a trainer: lengths, views, draws, workers, damage, memory."""

import ctypes
import os
import platform
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning.pytorch import Trainer
from torch.utils.data import DataLoader, Dataset

from htzoo.data import HMDB51, UCF11, VideoDataModule, VideoError, YouTubeCelebrities, read_frames, uniform_indices
from htzoo.data.clips.dataset import ClipDataset, collate_clips
from htzoo.tasks import VideoClassification
from tests.data.helpers import as_process, encode, numbered
from tests.data.published import hmdb51_paths, prepared, ucf11_paths, ytc_paths

LENGTHS = (3, 5, 9, 26)
QUIET: dict[str, Any] = {
    "accelerator": "cpu",
    "logger": False,
    "enable_checkpointing": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """UCF11 of 275 clips, HMDB51 and YTC, of clips of 3 to 26 frames, 16 x 16."""
    folder = tmp_path_factory.mktemp("sets")
    prepared(folder, UCF11, list(ucf11_paths())[:550], LENGTHS)
    (folder / "tiny").rename(folder / "other")
    prepared(folder, YouTubeCelebrities, list(ytc_paths())[::5], LENGTHS)
    return folder


def ready(root: Path, **settings: Any) -> UCF11:
    options = {"num_workers": 0, "cache": False, "size": (16, 16), "batch_size": 4, "folds": 5, **settings}
    module = UCF11(root=str(root), **options)
    module.setup()
    return module


def test_lengths_are_those_of_the_clips(root: Path) -> None:
    module = ready(root, sampling="all", frames=20)
    seen = set()
    for batch in module.test_dataloader():
        for video, length, index in zip(batch["video"], batch["length"], batch["index"], strict=True):
            clip = module.clips[index]
            assert length == min(clip.frames, 20)
            expected = read_frames(clip.path, range(int(length)), (16, 16))
            np.testing.assert_array_equal(video[:length], expected)
            assert not video[length:].any()
            seen.add(int(length))
    assert seen == {3, 5, 9, 20}


def test_padding_does_not_change_a_prediction(root: Path) -> None:
    torch.manual_seed(0)
    model = VideoClassification(classes=UCF11.classes, frame_size=(16, 16, 3), hidden_size=8).eval()
    data = ready(root, sampling="all", frames=20)._dataset("test")
    together = collate_clips([data[0], data[1], data[2], data[3]])
    assert len(set(together["length"].tolist())) == 4
    logits = model(together["video"], together["length"])
    for number in range(4):
        alone = collate_clips([data[number]])
        torch.testing.assert_close(model(alone["video"], alone["length"])[0], logits[number])


def test_views_are_averaged(root: Path) -> None:
    torch.manual_seed(0)
    model = VideoClassification(classes=UCF11.classes, frame_size=(16, 16, 3), hidden_size=8).eval()
    module = ready(root, frames=4, views=3, cache=True)
    batch = next(iter(module.test_dataloader()))
    assert batch["video"].shape == (12, 4, 16, 16, 3) and len(batch["label"]) == len(batch["index"]) == 4
    probability = model.predict_step(batch, 0)["probability"]
    for number, index in enumerate(batch["index"]):
        clip = module.clips[index]
        candidates = uniform_indices(clip.frames, 12)
        logits = []
        for view in range(3):
            chosen = candidates[module.sampler.choose(len(candidates), view)]
            frames = torch.from_numpy(read_frames(clip.path, chosen, (16, 16)))
            logits.append(model(frames[None], torch.tensor([len(frames)]))[0])
        torch.testing.assert_close(probability[number], torch.stack(logits).mean(0).softmax(0))
    assert next(iter(module.train_dataloader()))["video"].shape[0] == 4


def drawn(module: VideoDataModule, epoch: int) -> dict[int, int]:
    """A checksum of the training frames of each clip of an epoch."""
    loader = module.train_dataloader()
    loader.sampler.set_epoch(epoch)  # type: ignore[attr-defined]
    sums = {}
    for batch in loader:
        weights = torch.arange(1, batch["video"].shape[1] + 1)[None, :, None, None, None]
        for index, total in zip(batch["index"].tolist(), (batch["video"] * weights).sum((1, 2, 3, 4)), strict=True):
            sums[index] = int(total)
    return sums


def test_segments_are_drawn_anew_each_epoch_and_alike_in_every_worker(root: Path) -> None:
    options = {"sampling": "segments", "frames": 4, "cache": True}
    alone = [drawn(ready(root, **options), epoch) for epoch in (0, 1)]
    assert [drawn(ready(root, num_workers=2, **options), epoch) for epoch in (0, 1)] == alone
    long = [index for index in alone[0].keys() & alone[1].keys() if ready(root).clips[index].frames == 26]
    assert sum(alone[0][index] != alone[1][index] for index in long) > 0.9 * len(long)
    assert drawn(ready(root, seed=1, **options), 0) != alone[0]
    shown = [[item["video"] for item in map(ready(root, **options)._dataset("val").__getitem__, range(5))]] * 2
    assert all(torch.equal(first, second) for pair in zip(*shown, strict=True) for first, second in pairwise(pair))


@pytest.mark.parametrize("training", [True, False])
def test_flip(root: Path, training: bool) -> None:
    module = as_process(ready(root, flip=True), 1, 0, training=training, current_epoch=3)  # type: ignore[arg-type]
    flipped = []
    for batch in module.train_dataloader():
        after = module.on_after_batch_transfer(module.on_before_batch_transfer(batch, 0), 0)
        assert after.keys() == batch.keys()
        for before, now in zip(batch["video"], after["video"], strict=True):
            flipped.append(torch.equal(now, before.flip(-2)))
            assert flipped[-1] or torch.equal(now, before)
    assert 0.3 < np.mean(flipped) < 0.7 if training else not any(flipped)


def test_spawned_workers_read_the_same(root: Path) -> None:
    data = ready(root, frames=4, cache=True)._dataset("val")
    plain = collate_clips([data[position] for position in range(6)])
    loader = DataLoader(data, 6, num_workers=1, collate_fn=collate_clips, multiprocessing_context="spawn")
    batch = next(iter(loader))
    assert all(torch.equal(batch[key], plain[key]) for key in plain)  # type: ignore[literal-required]


def damaged(path: Path) -> Path:
    """Break the link to the shared clip and cut the file."""
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content[: len(content) // 2])
    return path


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.filterwarnings("ignore")
def test_a_damaged_clip_stops_training_with_its_name(tmp_path: Path, workers: int) -> None:
    prepared(tmp_path, UCF11, list(ucf11_paths())[:300])
    module = ready(tmp_path, num_workers=workers)
    path = damaged(module.clips[module._dataset("train").indices[7]].path)
    model = VideoClassification(classes=UCF11.classes, frame_size=(16, 16, 3), hidden_size=4)
    trainer = Trainer(max_epochs=1, num_sanity_val_steps=0, **QUIET)
    with pytest.raises(VideoError, match=path.name):
        trainer.fit(model, datamodule=module)


@pytest.mark.parametrize(
    ("dataset", "settings"),
    [
        (UCF11, {"sampling": "fixed_random", "frames": 6, "split": "clip", "fold": 5}),
        (UCF11, {"sampling": "segments", "frames": 4, "views": 3, "flip": True}),
        (YouTubeCelebrities, {"sampling": "all", "frames": 85}),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_fit_and_test(root: Path, dataset: type[VideoDataModule], settings: dict[str, Any]) -> None:
    module = dataset(root=str(root), size=(16, 16), batch_size=4, num_workers=0, **settings)
    model = VideoClassification(classes=module.classes, frame_size=module.frame_size, hidden_size=4)
    trainer = Trainer(max_epochs=2, limit_train_batches=2, limit_val_batches=1, num_sanity_val_steps=0, **QUIET)
    trainer.fit(model, datamodule=module)
    (result,) = trainer.test(model, datamodule=module, verbose=False)
    assert 0 <= result["test/accuracy"] <= 1
    assert int(model.confusion.sum()) == sum(part == "test" for part in module.splits)  # type: ignore[union-attr]


def test_hmdb51_trains_on_no_unused_clip(tmp_path: Path) -> None:
    prepared(tmp_path, HMDB51, hmdb51_paths())
    module = HMDB51(root=str(tmp_path), cache=False, num_workers=0, fold=3)
    module.setup()
    used = [module._dataset(part).indices for part in ("train", "val", "test")]  # type: ignore[arg-type]
    assert sum(map(len, used)) == 5100 and len(set().union(*used)) == 5100


def resident() -> int:
    """Bytes in memory that are this process's own; pages of the cache's file, and what the heap keeps free, are not."""
    ctypes.CDLL(None).malloc_trim(0)
    with open("/proc/self/statm") as file:
        _, everything, shared, *_ = map(int, file.read().split())
    return (everything - shared) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.slow
@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="reads what Linux and glibc say of the process")
def test_memory_and_files_stay_flat_over_5000_clips(root: Path) -> None:
    """Clips by all ways: decord, from key frames, in order, from the cache."""
    data = ready(root, frames=4, cache=True)._dataset("train")
    short = encode(root / "short.mpg", numbered(4), "mpeg1video", "mpeg")

    def read(first: int, count: int) -> None:
        for number in range(first, first + count):
            clip = data.reader.clips[data.indices[number % len(data)]]
            match number % 4:
                case 0:
                    read_frames(clip.path, range(clip.frames), prepared=True)
                case 1:
                    read_frames(clip.path, [clip.frames - 1], (16, 16), prepared=True)
                case 2:
                    read_frames(short, [3])
                case 3:
                    data[number % len(data)]

    read(0, 500)
    before, files = resident(), len(os.listdir("/proc/self/fd"))
    read(500, 5000)
    assert resident() - before < 10e6  # one leaked decoder a clip would be a gigabyte
    assert len(os.listdir("/proc/self/fd")) == files


@pytest.mark.slow
@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="reads what Linux and glibc say of the process")
@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_memory_and_files_of_workers_stay_flat(root: Path, start: str) -> None:
    """One worker, 12 epochs."""
    data = Watched(ready(root, frames=4)._dataset("test"))
    loader = DataLoader(data, 11, num_workers=1, multiprocessing_context=start, persistent_workers=True)
    epochs = [[(memory, files) for batch in loader for memory, files in batch.tolist()] for _ in range(12)]
    (memory, files), (last_memory, last_files) = (map(max, zip(*epochs[k], strict=True)) for k in (2, -1))
    assert last_memory - memory < 10e6
    assert last_files <= files + 2  # a batch on its way is a file for a moment; a leak is one a clip


class Watched(Dataset[torch.Tensor]):
    """Reads a clip, and gives the memory and the open files of the process that did."""

    def __init__(self, data: ClipDataset) -> None:
        self.data = data

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, position: int) -> torch.Tensor:
        self.data[position]
        return torch.tensor([resident(), len(os.listdir("/proc/self/fd"))])


def test_workers_leave_once_all_is_cached(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("htzoo.data.clips.loader.available_cores", lambda: 2)
    module = ready(root, frames=3, cache=True, num_workers=None)
    loader = module.train_dataloader()
    used, seen = [], []
    for epoch in range(3):
        loader.sampler.set_epoch(epoch)  # type: ignore[attr-defined]
        seen.append({index: video for batch in loader for index, video in zip(batch["index"].tolist(), batch["video"])})
        used.append(loader.num_workers)
        for position in range(len(loader.dataset)):  # what did not fill a batch
            loader.dataset[position]
    assert used == [2, 0, 0]
    assert all(torch.equal(video, seen[0][index]) for index, video in seen[2].items() if index in seen[0])
