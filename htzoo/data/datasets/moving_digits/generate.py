"""Making the moving-digits dataset: real handwritten digits in 11 motions, in UCF11's folder layout."""

import hashlib
import json
import os
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from htzoo.data.datasets.moving_digits.render import MOTIONS, draw_path, render
from htzoo.data.errors import DataError, unwritable
from htzoo.data.index import INDEX, Entry, read_index, write_index
from htzoo.data.parallel import on_all_cores
from htzoo.data.video.encode import write_video
from htzoo.files import replacing

GROUPS, CLIPS, FRAMES, FPS, HEIGHT, WIDTH = 25, 4, 24, 24, 120, 160
RED, GREY = np.array((255.0, 40.0, 40.0)), np.array((200.0, 200.0, 200.0))  # the digit that counts, the other one
RECIPE = 1  # raise it whenever the same seed would give other clips


@dataclass(frozen=True)
class _Task:
    """One clip to make: motion, group and clip are counted from 0."""

    seed: int
    motion: int
    group: int
    clip: int
    hard: bool

    @property
    def path(self) -> str:
        """Path of the clip inside the dataset, with forward slashes."""
        label = MOTIONS[self.motion]
        folder = f"v_{label}_{self.group + 1:02d}"
        return f"{label}/{folder}/{folder}_{self.clip + 1:02d}.mp4"


def make_moving_digits(
    folder: str | os.PathLike[str], seed: int = 0, groups: int = GROUPS, clips: int = CLIPS, hard: bool = False
) -> None:
    """Make the dataset in `folder`, or finish it: clips that are there already are kept.

    `index.csv` is written last, so where it is, the set is whole. A clip depends only on the seed and on its own
    motion, group and number, and not on the order of the work.

    Args:
        folder: Where the set goes: `<folder>/<class>/v_<class>_<group>/v_<class>_<group>_<clip>.mp4`.
        seed: Every clip follows from it.
        groups: Groups a class; the digits of one group are in no other.
        clips: Clips a group.
        hard: The same digits on the same paths, but red, and behind them a grey digit and a photograph, which move in
            ways of their own and do not count.

    Raises:
        DataError: `folder` cannot be written, or holds a set of another seed, size or recipe.
        VideoError: A clip cannot be written.
    """
    root = Path(folder)
    recipe = {"recipe": RECIPE, "seed": seed, "groups": groups, "clips": clips} | ({"hard": True} if hard else {})
    try:
        root.mkdir(parents=True, exist_ok=True)
        _check_recipe(root, recipe)
        if _is_indexed(root):
            return
        tasks = [
            _Task(seed, motion, group, clip, hard)
            for motion in range(len(MOTIONS))
            for group in range(groups)
            for clip in range(clips)
        ]
        with replacing(root / "recipe.json") as unfinished:
            unfinished.write_text(json.dumps(recipe, indent=2) + "\n", encoding="utf-8")
        started = time.time()
        _make_missing(root, tasks, groups)
        _sweep(root, started)
        _write_index(root, tasks)
    except OSError as error:
        raise unwritable(root, error) from error


def _check_recipe(root: Path, wanted: dict[str, int]) -> None:
    path = root / "recipe.json"
    if not path.is_file():
        return
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        found = "an unreadable recipe"
    if found != wanted:
        raise DataError(
            f"{root} holds moving digits made by {found}, not by {wanted}; delete that folder or choose another root."
        )


def _make_missing(root: Path, tasks: list[_Task], groups: int) -> None:
    """Make the clips that are not there, on all cores."""
    missing = [task for task in tasks if not (root / task.path).is_file()]
    if not missing:
        return
    digits = _digits_by_group(missing[0].seed, groups)
    for _ in on_all_cores(lambda task: _make_clip(root, task, digits[task.group]), missing, "making clips", "clip"):
        pass


def _digits_by_group(seed: int, groups: int) -> list[npt.NDArray[np.float64]]:
    """The 1,797 digits of scikit-learn, opacity 0 to 1, dealt out into groups that share none: n x 8 x 8 each."""
    from sklearn.datasets import load_digits

    images = np.asarray(load_digits().images, dtype=np.float64) / 16
    order = np.random.default_rng(np.random.SeedSequence(seed)).permutation(len(images))
    return [images[order[group::groups]] for group in range(groups)]


def _make_clip(root: Path, task: _Task, digits: npt.NDArray[np.float64]) -> None:
    rng = np.random.default_rng(np.random.SeedSequence([task.seed, task.motion, task.group, task.clip]))
    digit = digits[rng.integers(len(digits))]
    background = rng.uniform(0, 70, 3)
    colour = rng.uniform(90, 255, 3)
    colour[rng.integers(3)] = 255.0  # never dark
    path = draw_path(MOTIONS[task.motion], FRAMES, HEIGHT, WIDTH, rng)
    if task.hard:
        colour, background = RED, _draw_clutter(digits, rng)
    # Lossless: what compression adds to a frame depends on the frames before it, and would tell one how things moved.
    write_video(root / task.path, render(digit, path, HEIGHT, WIDTH, colour, background), FPS, crf=0)


def _draw_clutter(digits: npt.NDArray[np.float64], rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """A grey digit before a window of a photograph, both in motions drawn for themselves: T x H x W x 3."""
    photograph = _photographs()[rng.integers(2)]
    top, left = rng.integers(np.subtract(photograph.shape[:2], (HEIGHT, WIDTH)))
    window = photograph[top : top + HEIGHT, left : left + WIDTH]
    far, near = (draw_path(motion, FRAMES, HEIGHT, WIDTH, rng) for motion in rng.choice(MOTIONS, 2))
    moved = [np.roll(window, (round(y), round(x)), (0, 1)) for x, y in zip(far.x, far.y, strict=True)]
    frames = render(digits[rng.integers(len(digits))], near, HEIGHT, WIDTH, GREY, np.stack(moved))
    return frames.astype(np.float64)


@cache
def _photographs() -> list[npt.NDArray[np.float64]]:
    """The two photographs of scikit-learn at half their brightness, 427 x 640 x 3."""
    from sklearn.datasets import load_sample_images

    return [image / 2 for image in load_sample_images().images]


def _sweep(root: Path, started: float) -> None:
    """Remove what a killed run left half written; a newer one may belong to a process that is still at work."""
    for unfinished in root.rglob(".*.part"):
        if unfinished.stat().st_mtime < started:
            unfinished.unlink(missing_ok=True)


def _write_index(root: Path, tasks: list[_Task]) -> None:
    def entry(task: _Task) -> Entry:
        digest = hashlib.sha256((root / task.path).read_bytes()).hexdigest()
        group = f"{task.group + 1:02d}"
        return Entry(task.path, MOTIONS[task.motion], group, FRAMES, float(FPS), HEIGHT, WIDTH, task.path, digest)

    write_index(root, [entry(task) for task in tasks])


def _is_indexed(root: Path) -> bool:
    """Whether there is an index that can be read; the first ones had fewer columns."""
    try:
        return (root / INDEX).is_file() and bool(read_index(root))
    except DataError:
        return False
