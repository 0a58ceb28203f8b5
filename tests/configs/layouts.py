"""A few generated clips of every dataset, named as published and prepared as `htzoo data prepare` leaves them."""

from collections.abc import Callable
from pathlib import Path, PurePosixPath

import numpy as np

from htzoo.data import Hollywood2, write_video
from htzoo.data.datasets.registry import find_dataset
from htzoo.data.index import Entry, write_index
from htzoo.data.source import ClipLabel

COUNT = 12  # clips of each dataset, every one of a group of its own, so that any number of folds up to it is possible
SHAPE = (4, 24, 32, 3)

# Path of clip k of a class, inside the published tree.
PATHS: dict[str, Callable[[str, int], str]] = {
    "ucf11": lambda label, k: f"{label}/v_word_{k:02d}/v_word_{k:02d}_01.mpg",
    "ucf50": lambda label, k: f"{label}/v_{label}_g{k:02d}_c01.avi",
    "hmdb51": lambda label, k: f"{label}/film{k}_{label}_f_cm_np1_fr_med_0.avi",
    "ytc": lambda label, k: f"{k:04d}_{k:02d}_001_{label}.avi",
    "fight": lambda label, k: f"{label}/{'fi' if label == 'fight' else 'nofi'}{200 + k}.mp4",
    "hollywood2": lambda label, k: f"AVIClips/actionclip{'test' if k % 3 == 0 else 'train'}{k:05d}.avi",
}


def make_layout(root: Path, name: str) -> None:
    """Write the clips of one dataset, its index, and its lists of splits."""
    dataset = find_dataset(name)
    folder = root / name
    labels = ("adam_sandler", "al_gore", "bill_gates") if name == "ytc" else dataset.classes
    rng = np.random.default_rng(0)
    entries = []
    for k in range(COUNT):
        label = labels[k % min(len(labels), 3)]
        if name in PATHS:
            source = PATHS[name](label, k)
            found = dataset.label_clip(PurePosixPath(source))
            assert found is not None, source
        else:  # a dataset that is not published as video files
            source, found = f"clip_{k:04d}", ClipLabel(label, f"person {k}")
        path = f"clips/{found.label}/{PurePosixPath(source).stem}.mp4"
        write_video(folder / path, rng.integers(0, 256, SHAPE, dtype=np.uint8))
        entries.append(Entry(path, found.label, found.group, SHAPE[0], 25.0, *SHAPE[1:3], source, f"{k:064d}"))
    write_index(folder, entries)
    splits = folder / "splits"
    splits.mkdir()
    if name == "hmdb51":
        for label in labels:
            clips = [PurePosixPath(entry.source).name for entry in entries if entry.label == label]
            text = "".join(f"{clip} {1 if i % 2 == 0 else 2}\n" for i, clip in enumerate(clips))
            (splits / f"{label}_test_split1.txt").write_text(text)
    if name == "hollywood2":
        for j, action in enumerate(Hollywood2.classes):
            for part in ("train", "test"):
                clips = [PurePosixPath(e.source).stem for e in entries if f"clip{part}" in e.source]
                text = "".join(f"{clip}  {1 if i % (j + 2) == 0 else -1}\n" for i, clip in enumerate(clips))
                (splits / f"{action}_{part}.txt").write_text(text)
