"""Reading clips: prepared against source files, decord against PyAV on prepared clips, and from the cache.

    OMP_NUM_THREADS=1 python benchmarks/reading_speed.py CLIP... [--frames 6] [--size 120 160] [--short-side 120]

CLIP are source files of a dataset, such as .mpg files of UCF11 or .avi files of HMDB51. Each is prepared first, which
is not timed. Then each method in turn opens the clip, reads the same evenly spaced frames and resizes them (--repeat
times). The SHA-256 that is compared before a source file is decoded is timed separately. The table on standard output
has milliseconds per clip (median over repeats of the mean over clips; wall clock, and CPU time of all threads) and the
speed-up over reading the source file.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import decord
import numpy as np

from htzoo.data import FrameCache, count_frames, read_frames, uniform_indices
from htzoo.data.video.resize import FrameConverter, Frames
from htzoo.data.video.transcode import transcode
from htzoo.files import file_digest

Way = Callable[[Path, list[int]], object]


def main(words: list[str]) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", nargs="+", type=Path)
    parser.add_argument("--frames", type=int, default=6)
    parser.add_argument("--size", type=int, nargs=2, default=(120, 160))
    parser.add_argument("--short-side", type=int, default=120)
    parser.add_argument("--repeat", type=int, default=5)
    given = parser.parse_args(words)
    size = tuple(given.size)
    decord.logging.set_level(decord.logging.QUIET)

    def by_decord(path: Path, indices: list[int]) -> Frames:
        frames = decord.VideoReader(str(path), num_threads=1).get_batch(indices).asnumpy()
        return np.stack([FrameConverter(size).resize(frame) for frame in frames])

    def by_us(path: Path, indices: list[int]) -> Frames:
        return read_frames(path, indices, size)

    with tempfile.TemporaryDirectory() as folder:
        clips = []
        for number, original in enumerate(given.clips):
            prepared = Path(folder) / f"{number}.mp4"
            transcode(original, prepared, given.short_side)
            clips.append((original, prepared, uniform_indices(count_frames(original), given.frames).tolist()))
        cache = FrameCache(Path(folder) / "cache.u8", [len(indices) for *_, indices in clips], (*size, 3))
        slots = {prepared: number for number, (_, prepared, _) in enumerate(clips)}
        ways: dict[str, tuple[int, Way]] = {
            "original": (0, by_us),
            "SHA-256 of the original": (0, lambda path, _: file_digest(path)),
            "prepared, decord": (1, by_decord),
            "prepared, read_frames": (1, by_us),
            "cached": (1, lambda path, _: np.array(cache.get(slots[path]))),
        }
        for original, prepared, indices in clips:  # and all is in memory
            by_us(original, indices)
            cache.put(slots[prepared], by_us(prepared, indices))
            for name in ("prepared, decord", "cached"):
                np.testing.assert_array_equal(ways[name][1](prepared, indices), by_us(prepared, indices))
        times: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
        for _ in range(given.repeat):
            for name, (which, way) in ways.items():
                wall, processor = time.perf_counter(), time.process_time()
                for clip in clips:
                    way(clip[which], clip[2])
                times[name].append((time.perf_counter() - wall, time.process_time() - processor))
    print(f"{len(clips)} clips, {given.frames} frames of {size[0]} x {size[1]}, short side {given.short_side}")
    print(f"{'':24}{'ms a clip':>12}{'CPU ms':>10}{'faster':>10}{'CPU':>8}")
    medians = {name: tuple(map(statistics.median, zip(*rows))) for name, rows in times.items()}
    base = medians["original"]
    for name, (wall, processor) in medians.items():
        each = 1000 / len(clips)
        print(f"{name:24}{wall * each:12.3g}{processor * each:10.3g}{base[0] / wall:9.1f}x{base[1] / processor:7.1f}x")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
