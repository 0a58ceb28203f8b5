"""Folder trees laid out as the published datasets are, full count, of one tiny clip; and prepared ones."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

import numpy as np

from htzoo.data import HMDB51, UCF11, UCF50, SurveillanceFight, VideoDataModule, YouTubeCelebrities, write_video
from htzoo.data.index import Entry, write_index

UCF11_PREFIXES = {
    "basketball": "shooting",
    "biking": "biking",
    "diving": "diving",
    "golf_swing": "golf",
    "horse_riding": "riding",
    "soccer_juggling": "juggle",
    "swing": "swing",
    "tennis_swing": "tennis",
    "trampoline_jumping": "jumping",
    "volleyball_spiking": "spiking",
    "walking": "walk_dog",
}


def ucf11_paths() -> Iterator[str]:
    """1,600 clips, 25 groups in each of 11 classes, and files that are no clips."""
    for number in range(1600):
        label, prefix = list(UCF11_PREFIXES.items())[number % 11]
        group, clip = number // 11 % 25 + 1, number // (11 * 25) + 1
        folder = f"UCF11_updated_mpg/{label}/v_{prefix}_{group:02d}"
        yield f"{folder}/v_{prefix}_{group:02d}_{clip:02d}.mpg"
        if clip == 1:
            yield f"UCF11_updated_mpg/{label}/Annotation/v_{prefix}_{group:02d}_{clip:02d}.xgtf"


def ucf50_paths() -> Iterator[str]:
    """Two clips in each of 25 groups of 50 classes; Billiards is spelled otherwise in the file names."""
    for label in UCF50.classes:
        for group in range(1, 26):
            for clip in range(1, 3):
                yield f"UCF50/{label}/v_{label.replace('Billiards', 'Billards')}_g{group:02d}_c{clip:02d}.avi"


def hmdb51_paths() -> Iterator[str]:
    """6,766 clips in 51 classes, 132 or 133 in each, two from each film."""
    for number in range(6766):
        label, clip = HMDB51.classes[number % 51], number // 51
        yield f"{label}/Film_{clip // 2}_{label}_f_cm_np1_fr_med_{clip % 2}.avi"


def hmdb51_tags(fold: int) -> dict[str, list[str]]:
    """Lines of the published lists of a fold, by class: 70 clips for training, 30 for testing, the rest unused."""
    names: dict[str, list[str]] = {}
    for path in hmdb51_paths():
        label, name = path.split("/")
        names.setdefault(label, []).append(name)
    lines: dict[str, list[str]] = {}
    for label, of_class in names.items():
        places = [(number + 40 * fold) % len(of_class) for number in range(len(of_class))]
        lines[label] = [
            f"{name} {1 if place < 70 else 2 if place < 100 else 0} "
            for name, place in zip(of_class, places, strict=True)
        ]
    return lines


def ytc_paths() -> Iterator[str]:
    """1,910 clips of 47 people, three videos of each."""
    for number in range(1910):
        person = number * 47 // 1910
        yield f"{number:04d}_{number % 3 + 1:02d}_{number % 13 + 1:03d}_first{person}_last{person}.avi"


def fight_paths() -> Iterator[str]:
    for number in range(1, 151):
        yield f"fight-detection-surv-dataset-master/fight/fi{number:03d}.mp4"
        yield f"fight-detection-surv-dataset-master/noFight/nofi{number:03d}.mp4"


PATHS = {
    UCF11: ucf11_paths,
    UCF50: ucf50_paths,
    HMDB51: hmdb51_paths,
    YouTubeCelebrities: ytc_paths,
    SurveillanceFight: fight_paths,
}


def prepared(root: Path, dataset: type[VideoDataModule], paths: Iterable[str], lengths: tuple[int, ...] = (6,)) -> None:
    """Make `root` hold a prepared dataset of these clips, all links to tiny clips of the given lengths in turn."""
    tiny = []
    for length in lengths:
        path = root / "tiny" / f"{length}.mp4"
        frames = np.random.default_rng(length).integers(0, 255, (length, 16, 16, 3), np.uint8)
        write_video(path, frames)
        tiny.append(path)
    folder = root / dataset.dataset_name
    entries = []
    for source in paths:
        found = dataset.label_clip(PurePosixPath(source))
        if found is None:
            continue
        number = len(entries) % len(lengths)
        clip = folder / "clips" / found.label / f"{PurePosixPath(source).stem}.mp4"
        clip.parent.mkdir(parents=True, exist_ok=True)
        os.link(tiny[number], clip)
        path = clip.relative_to(folder).as_posix()
        digest = f"{number:064x}"
        entries.append(Entry(path, found.label, found.group, lengths[number], 24.0, 16, 16, source, digest))
    write_index(folder, entries)
    if dataset is HMDB51:
        (folder / "splits").mkdir()
        for fold in (1, 2, 3):
            for label, lines in hmdb51_tags(fold).items():
                (folder / "splits" / f"{label}_test_split{fold}.txt").write_text("\n".join(lines) + "\n")
