"""Making moving digits: reproducible, resumable, and one frame says nothing."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from htzoo.data import DataError, count_frames, make_moving_digits, read_frames, write_video
from htzoo.data.datasets.moving_digits import generate
from htzoo.data.datasets.moving_digits.render import MOTIONS, draw_path, render
from htzoo.data.index import read_index
from htzoo.data.video.resize import FrameConverter
from htzoo.data.video.video_file import VideoFile
from tests.data.helpers import by_decord


def _content(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_layout_and_index(few_root: Path) -> None:
    folder = few_root / "moving_digits"
    entries = read_index(folder)
    assert len(entries) == 275 and {entry.label for entry in entries} == set(MOTIONS)
    assert (folder / "clockwise/v_clockwise_07/v_clockwise_07_01.mp4").is_file()
    assert all((folder / entry.path).is_file() and entry.frames == 24 for entry in entries)
    assert {entry.group for entry in entries} == {f"{group:02d}" for group in range(1, 26)}
    path = folder / entries[100].path
    assert entries[100].source_sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert count_frames(path) == 24
    assert read_frames(path, [0]).shape == (1, 120, 160, 3)


def test_decord_streams_what_pyav_decodes_in_order(few_root: Path) -> None:
    rng = np.random.default_rng(0)
    for entry in read_index(few_root / "moving_digits")[::9]:
        path = few_root / "moving_digits" / entry.path
        indices = rng.integers(0, 24, 12).tolist()
        streamed = by_decord(path, indices)
        with VideoFile(path) as video:
            np.testing.assert_array_equal(streamed, video._read_in_order(indices, FrameConverter(None)))


def test_a_frame_keeps_no_trace_of_those_before_it(few_root: Path, tmp_path: Path) -> None:
    """Encoded alone, a rendered frame comes out as it does in its clip."""
    rng = np.random.default_rng(np.random.SeedSequence([0, MOTIONS.index("shake_x"), 4, 0]))
    digits = generate._digits_by_group(0, 25)[4]
    digit, background, colour = digits[rng.integers(len(digits))], rng.uniform(0, 70, 3), rng.uniform(90, 255, 3)
    colour[rng.integers(3)] = 255
    rendered = render(digit, draw_path("shake_x", 24, 120, 160, rng), 120, 160, colour, background)
    made = read_frames(few_root / "moving_digits/shake_x/v_shake_x_05/v_shake_x_05_01.mp4", range(24))
    for number in (0, 7, 11, 23):
        write_video(tmp_path / "alone.mp4", rendered[number : number + 1], crf=0)
        np.testing.assert_array_equal(made[number], read_frames(tmp_path / "alone.mp4", [0])[0])


def test_same_seed_same_bytes_in_any_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_moving_digits(tmp_path / "a", groups=2, clips=1)
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    monkeypatch.setattr(generate, "_make_missing", _backwards(generate._make_missing))
    make_moving_digits(tmp_path / "b", groups=2, clips=1)
    make_moving_digits(tmp_path / "c", seed=1, groups=2, clips=1)
    same, other = _content(tmp_path / "b"), _content(tmp_path / "c")
    assert _content(tmp_path / "a") == same
    assert all(other[path] != same[path] for path in same if path.endswith(".mp4"))


def _backwards(make_missing):  # type: ignore[no-untyped-def]
    return lambda root, tasks, groups: make_missing(root, tasks[::-1], groups)


def test_an_old_index_is_written_anew(tmp_path: Path) -> None:
    make_moving_digits(tmp_path, groups=1, clips=1)
    before = _content(tmp_path)
    (tmp_path / "index.csv").write_text("path,label,group,frames\nright/v_right_01/v_right_01_01.mp4,right,1,24\n")
    make_moving_digits(tmp_path, groups=1, clips=1)
    assert _content(tmp_path) == before


def test_killed_and_resumed(tmp_path: Path) -> None:
    call = "import sys; from htzoo.data import make_moving_digits; make_moving_digits(sys.argv[1], groups=3, clips=2)"
    process = subprocess.Popen([sys.executable, "-c", call, str(tmp_path / "a")], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while len(list(tmp_path.rglob("*.mp4"))) < 5 and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "a").rglob("v_*.mp4")}
    assert 5 <= len(kept) < 66 and not (tmp_path / "a" / "index.csv").exists()
    make_moving_digits(tmp_path / "a", groups=3, clips=2)
    make_moving_digits(tmp_path / "b", groups=3, clips=2)
    assert all(path.stat().st_mtime_ns == when for path, when in kept.items())
    assert _content(tmp_path / "a") == _content(tmp_path / "b")  # and no unfinished file is left


def test_ctrl_c_stops_without_a_storm(tmp_path: Path) -> None:
    call = "import sys; from htzoo.data import make_moving_digits; make_moving_digits(sys.argv[1])"
    process = subprocess.Popen(
        [sys.executable, "-c", call, str(tmp_path / "a")], stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    deadline = time.monotonic() + 60
    while len(list(tmp_path.rglob("*.mp4"))) < 5 and time.monotonic() < deadline:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=20)
    assert process.returncode != 0 and errors.count("Traceback") == 1
    assert not list(tmp_path.rglob("*.part"))


def test_another_seed_in_the_same_folder(tmp_path: Path) -> None:
    make_moving_digits(tmp_path, groups=1, clips=1)
    with pytest.raises(DataError, match="delete that folder or choose another root"):
        make_moving_digits(tmp_path, seed=1, groups=1, clips=1)
    (tmp_path / "recipe.json").write_text("{")
    with pytest.raises(DataError, match="unreadable"):
        make_moving_digits(tmp_path, groups=1, clips=1)


def test_recipe_is_written_before_any_clip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(generate, "_make_missing", stop)
    with pytest.raises(KeyboardInterrupt):
        make_moving_digits(tmp_path)
    assert json.loads((tmp_path / "recipe.json").read_text())["seed"] == 0


def test_a_folder_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot be written"):
        make_moving_digits(tmp_path / "file" / "digits")


def test_digits_of_groups_are_disjoint() -> None:
    groups = generate._digits_by_group(0, 25)
    assert sum(len(group) for group in groups) == 1797
    # A few digits were written alike by chance; what is dealt out are the 1,797 recordings.
    seen = [{digit.tobytes() for digit in group} for group in groups]
    assert len(set.union(*seen)) == sum(len(group) for group in seen) == 1797


def _poses(motion: str, number: int) -> np.ndarray:
    """Poses (x, y, log-size, each as a fraction of its circle) of frames 0, 11 and 23 of many clips: 3 x n x 3."""
    rng = np.random.default_rng([number, 7])
    paths = [draw_path(motion, 24, 120, 160, rng) for _ in range(2000)]
    poses = [np.stack([path.x / 160, path.y / 120, np.log2(path.side / 36)]) for path in paths]
    return np.stack(poses)[:, :, [0, 11, 23]].transpose(2, 0, 1)


def test_one_frame_says_nothing() -> None:
    """The pose of a single frame is uniform in every class, so the classes cannot differ in it."""
    smallest = 1.0
    for number, motion in enumerate(MOTIONS):
        for frame in _poses(motion, number):
            for values in frame.T:
                smallest = min(smallest, stats.kstest(values, "uniform").pvalue)
            for first, second in ((0, 1), (0, 2), (1, 2)):  # and jointly, over 5 x 5 cells
                cells = np.histogram2d(frame[:, first], frame[:, second], 5, ((0, 1), (0, 1)))[0]
                smallest = min(smallest, stats.chisquare(cells.ravel()).pvalue)
    assert smallest > 1e-5  # of 198 tests


def test_motions_go_where_their_names_say() -> None:
    rng = np.random.default_rng(0)

    def steps(motion: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        path = draw_path(motion, 24, 120, 160, rng)
        dx = (np.diff(path.x) + 80) % 160 - 80
        dy = (np.diff(path.y) + 60) % 120 - 60
        growth = (np.diff(np.log2(path.side / 36)) + 0.5) % 1 - 0.5
        return dx, dy, growth

    for _ in range(20):
        assert (steps("right")[0] > 2.4).all() and (steps("left")[0] < -2.4).all()
        assert (steps("down")[1] > 2.4).all() and (steps("up")[1] < -2.4).all()
        assert (steps("grow")[2] > 0).all() and (steps("shrink")[2] < 0).all()
        assert not np.any(steps("still"))
        dx, dy, _ = steps("clockwise")
        assert (dx[:-1] * dy[1:] - dy[:-1] * dx[1:] > 0).all()  # turns right on the screen, where y points down
        dx, dy, _ = steps("anticlockwise")
        assert (dx[:-1] * dy[1:] - dy[:-1] * dx[1:] < 0).all()
        dx, dy, _ = steps("shake_x")
        assert not dy.any() and np.ptp(np.cumsum(dx)) < 57
    with pytest.raises(ValueError, match="motion is 'jump'"):
        draw_path("jump", 24, 120, 160, rng)


@pytest.fixture(scope="module")
def hard(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eleven hard clips, one a motion."""
    folder = tmp_path_factory.mktemp("hard")
    make_moving_digits(folder, groups=1, clips=1, hard=True)
    return folder


def _red_centres(path: Path) -> np.ndarray:
    """Mean place (x, y) on the torus of what is red, in pixels, of each frame; nothing else in a clip is that red."""
    frames = read_frames(path, range(24)).astype(int)
    red = frames[..., 0] - frames[..., 1:].max(-1) > 140
    assert red.any((1, 2)).all()
    x = [np.angle((np.exp(2j * np.pi * np.arange(160) / 160) * of_frame.sum(0)).sum()) for of_frame in red]
    y = [np.angle((np.exp(2j * np.pi * np.arange(120) / 120) * of_frame.sum(1)).sum()) for of_frame in red]
    return np.stack([np.unwrap(x) * 160, np.unwrap(y) * 120], 1) / (2 * np.pi)


def test_the_red_digit_counts_in_hard_clips(hard: Path) -> None:
    travelled = {m: np.ptp(_red_centres(hard / m / f"v_{m}_01" / f"v_{m}_01_01.mp4"), axis=0) for m in MOTIONS}
    for motion, (across, along) in travelled.items():
        assert (across > 20) == (motion in ("right", "left", "clockwise", "anticlockwise", "shake_x")), motion
        assert (along > 20) == (motion in ("down", "up", "clockwise", "anticlockwise", "shake_y")), motion


def test_what_is_behind_knows_no_class() -> None:
    """Drawn after paths of different motions, photograph and grey digit come out the same."""
    digits = generate._digits_by_group(0, 25)[0]
    drawn = []
    for motion in MOTIONS:
        rng = np.random.default_rng(0)
        draw_path(motion, 24, 120, 160, rng)
        drawn.append(generate._draw_clutter(digits, rng))
    assert all(np.array_equal(clutter, drawn[0]) for clutter in drawn)


def test_easy_and_hard_do_not_mix(hard: Path) -> None:
    with pytest.raises(DataError, match="delete that folder or choose another root"):
        make_moving_digits(hard, groups=1, clips=1)


def test_rendering_is_equivariant_on_the_torus() -> None:
    path = draw_path("still", 1, 120, 160, np.random.default_rng(0))
    moved = type(path)((path.x + 150) % 160, (path.y + 7) % 120, path.side)
    digit = generate._digits_by_group(0, 25)[3][0]
    colours = np.array([255.0, 200, 90]), np.array([10.0, 0, 70])
    first, second = (render(digit, where, 120, 160, *colours).astype(int) for where in (path, moved))
    # One unit: sub-pixel positions modulo the torus differ in the last bit.
    assert np.abs(np.roll(first, (7, 150), (1, 2)) - second).max() <= 1
