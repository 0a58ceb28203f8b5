"""From clips to batches: sampling, shifting, caching, and the same batches on any number of processes."""

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader, TensorDataset

from htzoo.data import (
    Clip,
    ClipDataset,
    DataError,
    EachOnceSampler,
    FrameSampler,
    VideoError,
    collate_clips,
    ordered,
    read_frames,
    shift_on_torus,
    uniform_indices,
    write_video,
)
from htzoo.data.clips.dataset import ClipReader
from tests.data.helpers import FewDigits, as_process, batches, digits, numbered, numbers_in


@given(available=st.integers(1, 400), frames=st.integers(1, 60))
def test_uniform_indices(available: int, frames: int) -> None:
    indices = uniform_indices(available, frames)
    assert len(indices) == min(available, frames)
    assert indices[0] >= 0 and indices[-1] < available
    assert (np.diff(indices) > 0).all()
    assert indices[0] - (available - 1 - indices[-1]) in (-1, 0, 1)
    if len(indices) > 1:
        assert np.ptp(np.diff(indices)) <= 1


def test_frame_order() -> None:
    assert uniform_indices(24, 8).tolist() == [1, 4, 7, 10, 13, 16, 19, 22]
    assert ordered(8, "forward", 0, 5).tolist() == list(range(8))
    assert sorted(ordered(8, "shuffled", 0, 5)) == list(range(8))
    assert len(set(ordered(8, "repeated", 0, 5))) == 1
    assert ordered(8, "shuffled", 0, 5).tolist() == ordered(8, "shuffled", 0, 5).tolist()
    assert ordered(8, "shuffled", 0, 5).tolist() != ordered(8, "shuffled", 0, 6).tolist()
    with pytest.raises(ValueError, match="frame_order is 'sideways'"):
        ordered(8, "sideways", 0, 5)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="at least 1"):
        uniform_indices(0, 8)


@settings(max_examples=40, deadline=None)
@given(
    shape=st.tuples(*[st.integers(1, 5)] * 5),
    seed=st.integers(0, 99),
    contiguous=st.booleans(),
)
def test_shift_is_a_roll(shape: tuple[int, ...], seed: int, contiguous: bool) -> None:
    rng = np.random.default_rng(seed)
    video = torch.from_numpy(rng.integers(0, 255, shape, np.uint8))
    shifts = [tuple(shift) for shift in rng.integers(-12, 12, (len(video), 2)).tolist()]
    shifted = shift_on_torus(video if contiguous else video.mT.contiguous().mT, shifts)
    assert shifted.shape == video.shape and shifted.is_contiguous()
    for before, after, shift in zip(video, shifted, shifts, strict=True):
        np.testing.assert_array_equal(np.roll(before.numpy(), shift, (1, 2)), after.numpy())


def test_shifts_must_match_clips() -> None:
    with pytest.raises(ValueError, match="shifts has 1 entries for 2 clips"):
        shift_on_torus(torch.zeros(2, 1, 4, 4, 3), [(0, 0)])


@pytest.mark.parametrize("world", [1, 2, 3])
@pytest.mark.parametrize("clips", [0, 1, 2, 7])
def test_every_clip_once(world: int, clips: int) -> None:
    data = TensorDataset(torch.zeros(clips))
    samplers = [EachOnceSampler(data, world, rank) for rank in range(world)]
    assert sorted(clip for sampler in samplers for clip in sampler) == list(range(clips))
    assert [len(sampler) for sampler in samplers] == [len(list(sampler)) for sampler in samplers]


def test_short_clips_are_filled_up_at_the_end(tmp_path: Path) -> None:
    for name, count in (("long", 9), ("short", 3)):
        write_video(tmp_path / f"{name}.mp4", numbered(count))
    clips = (Clip(tmp_path / "long.mp4", 0, "1", 9), Clip(tmp_path / "short.mp4", 1, "1", 3))
    data = ClipDataset(ClipReader(clips, FrameSampler(frames=5)), [1, 0])
    batch = collate_clips([data[0], data[1]])
    assert batch["video"].shape == (2, 5, 48, 96, 3)
    assert batch["video"].is_contiguous()
    assert batch["length"].tolist() == [3, 5]
    assert batch["label"].tolist() == [1, 0] and batch["index"].tolist() == [1, 0]
    frames = batch["video"].numpy()
    assert numbers_in(frames[0, :3]) == [0, 1, 2] and not frames[0, 3:].any()
    assert numbers_in(frames[1]) == uniform_indices(9, 5).tolist()


def test_clips_of_different_size(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", numbered(3))
    write_video(tmp_path / "b.mp4", numbered(3, 64, 96))
    clips = (Clip(tmp_path / "a.mp4", 0, "1", 3), Clip(tmp_path / "b.mp4", 0, "1", 3))
    data = ClipDataset(ClipReader(clips, FrameSampler(frames=3)), [0, 1])
    with pytest.raises(VideoError, match="set size to make them equal"):
        collate_clips([data[0], data[1]])
    equal = ClipDataset(ClipReader(clips, FrameSampler(frames=3), (24, 48)), [0, 1])
    assert collate_clips([equal[0], equal[1]])["video"].shape == (2, 3, 24, 48, 3)


def test_module_without_trainer(few_root: Path) -> None:
    module = FewDigits(root=str(few_root), cache=False, num_workers=2)
    assert module.num_classes == 11 and module.frame_size == (120, 160, 3)
    module.setup()
    loader = module.train_dataloader()
    batch = next(iter(loader))
    assert len(loader) == 17 * 11 // 32
    assert batch["video"].shape == (32, 8, 120, 160, 3) and batch["video"].dtype == torch.uint8
    assert batch["video"].is_contiguous()
    clip = module.clips[batch["index"][3]]
    assert batch["label"][3] == clip.label and int(clip.group) <= 17
    expected = read_frames(clip.path, uniform_indices(24, 8))
    np.testing.assert_array_equal(batch["video"][3].numpy(), expected)
    groups = {
        split: {int(module.clips[i].group) for b in batches(module, split) for i in b["index"]}
        for split in ("val", "test")
    }
    assert groups == {"val": {18, 19, 20}, "test": {21, 22, 23, 24, 25}}


@pytest.mark.parametrize("world", [2, 4])
def test_global_batches_do_not_depend_on_processes(few_root: Path, world: int) -> None:
    def indices(world: int, rank: int) -> list[list[int]]:
        module = as_process(digits(few_root, size=(6, 8), cache=True), world, rank)
        return [batch["index"].tolist() for batch in batches(module, epoch=2)]

    alone = indices(1, 0)
    shares = [indices(world, rank) for rank in range(world)]
    together = [sorted(itertools.chain(*step)) for step in zip(*shares, strict=True)]
    assert together == [sorted(step) for step in alone]
    assert all(len(step) == 32 // world for share in shares for step in share)


@pytest.mark.parametrize("split", ["val", "test", "predict"])
def test_evaluation_sees_every_clip_once(few_root: Path, split: str) -> None:
    seen = []
    for rank in range(2):
        module = as_process(digits(few_root, size=(6, 8), cache=True), 2, rank)
        seen += [int(index) for batch in batches(module, split) for index in batch["index"]]
    module = digits(few_root)
    assert sorted(seen) == module._dataset("val" if split == "val" else "test").indices


def test_shifts_follow_seed_epoch_and_clip(few_root: Path) -> None:
    module = digits(few_root)
    some = module.draw_shifts([5, 9, 100], 3)
    assert some == [module.draw_shifts([index], 3)[0] for index in (5, 9, 100)]
    assert some != module.draw_shifts([5, 9, 100], 4)
    assert some != digits(few_root, seed=1).draw_shifts([5, 9, 100], 3)
    everything = np.array(module.draw_shifts(list(range(275)), 0))
    assert (everything >= 0).all() and (everything < (120, 160)).all() and np.ptp(everything[:, 1]) > 140


@pytest.mark.parametrize(("training", "augment"), [(True, True), (False, True), (True, False)])
def test_only_training_clips_are_shifted(few_root: Path, training: bool, augment: bool) -> None:
    module = as_process(
        digits(few_root, augment=augment, size=(6, 8), cache=True), 1, 0, training=training, current_epoch=1
    )
    batch = batches(module)[0]
    after = module.on_after_batch_transfer(module.on_before_batch_transfer(batch, 0), 0)
    assert after.keys() == batch.keys()
    if training and augment:
        expected = shift_on_torus(batch["video"], module.draw_shifts(batch["index"].tolist(), 1))
        assert torch.equal(after["video"], expected) and not torch.equal(after["video"], batch["video"])
    else:
        assert torch.equal(after["video"], batch["video"])


def test_wrong_settings(few_root: Path) -> None:
    with pytest.raises(ValueError, match="must all be at least 1"):
        FewDigits(frames=0)
    with pytest.raises(ValueError, match="does not divide over 3 processes"):
        as_process(digits(few_root), 3, 0).train_dataloader()
    with pytest.raises(ValueError, match="there are 187 training clips"):
        digits(few_root, batch_size=188).train_dataloader()
    with pytest.raises(DataError, match=r"call setup\(\)"):
        FewDigits(root=str(few_root)).val_dataloader()


def test_clip_that_is_gone(tmp_path: Path, few_root: Path) -> None:
    folder = tmp_path / "moving_digits"
    folder.mkdir()
    for path in (few_root / "moving_digits").iterdir():
        (folder / path.name).symlink_to(path)
    (folder / "still").unlink()
    with pytest.raises(DataError, match=r"25 of 275 clips in .* missing, first .*v_still_01_01\.mp4; htzoo data check"):
        digits(tmp_path)


def test_damaged_index(tmp_path: Path, few_root: Path) -> None:
    folder = tmp_path / "moving_digits"
    folder.mkdir()
    (folder / "index.csv").write_text("path\nx\n")
    module = as_process(FewDigits(root=str(tmp_path)), 1, 0)
    with pytest.raises(DataError, match=r"index\.csv cannot be read"):
        module.setup()


@pytest.mark.parametrize("workers", [0, 1])
def test_damaged_clip_is_named(tmp_path: Path, workers: int) -> None:
    (tmp_path / "bad.mp4").write_bytes(b"no video" * 99)
    data = ClipDataset(ClipReader((Clip(tmp_path / "bad.mp4", 0, "1", 24),), FrameSampler(frames=8)), [0])
    with pytest.raises(VideoError, match=r"bad\.mp4 is not a readable video"):
        next(iter(DataLoader(data, collate_fn=collate_clips, num_workers=workers)))


def test_not_prepared(tmp_path: Path) -> None:
    module = as_process(FewDigits(root=str(tmp_path)), 1, 0)
    with pytest.raises(DataError, match=r"index\.csv does not exist"):
        module.setup()
