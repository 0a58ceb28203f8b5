"""Which damage to video files htzoo detects when it first decodes them.

    python benchmarks/damage_detection.py CLIP... [--each 10] [--seed 0]

Each kind of damage is applied `--each` times to every CLIP, each time at another place, and the file is decoded as
`htzoo data check` and `htzoo data prepare` decode it. The table on standard output counts the files that are reported,
those that decode to the undamaged frames, and those that decode to other frames without an error.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

from htzoo.data import VideoError
from htzoo.data.video.video_file import VideoFile

Damage = Callable[[bytes, random.Random], bytes]


def _flip(count: int) -> Damage:
    def flipped(content: bytes, rng: random.Random) -> bytes:
        changed = bytearray(content)
        for _ in range(count):
            changed[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
        return bytes(changed)

    return flipped


def _stretch(content: bytes, rng: random.Random) -> tuple[bytes, int, bytes]:
    """A tenth of the content, at most 4 KiB of it: what is before it, its length, and what is behind it."""
    length = min(4096, len(content) // 10)
    start = rng.randrange(len(content) - length)
    return content[:start], length, content[start + length :]


def _zeros(content: bytes, rng: random.Random) -> bytes:
    before, length, behind = _stretch(content, rng)
    return before + bytes(length) + behind


def _noise(content: bytes, rng: random.Random) -> bytes:
    before, length, behind = _stretch(content, rng)
    return before + rng.randbytes(length) + behind


def _hole(content: bytes, rng: random.Random) -> bytes:
    before, _, behind = _stretch(content, rng)
    return before + behind


def _cut(content: bytes, rng: random.Random) -> bytes:
    return content[: rng.randrange(1, len(content))]


FEW_BITS = ("8 bits flipped", "3 bits flipped", "1 bit flipped")  # which may make another legal stream
DAMAGE: dict[str, Damage] = {
    "cut off": _cut,
    "a stretch gone": _hole,
    "a stretch of zeros": _zeros,
    "a stretch of noise": _noise,
    "64 bits flipped": _flip(64),
    "8 bits flipped": _flip(8),
    "3 bits flipped": _flip(3),
    "1 bit flipped": _flip(1),
}


def frames_of(file: Path) -> str:
    """A digest of all frames.

    Raises:
        VideoError: The file is not whole.
    """
    digest = sha256()
    with VideoFile(file) as video:
        for frame in video.frames():
            digest.update(frame.to_ndarray(format="rgb24").tobytes())
    return digest.hexdigest()


def main(words: list[str]) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", nargs="+", type=Path)
    parser.add_argument("--each", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(words)
    found: Counter[tuple[str, str]] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        for clip in given.clips:
            whole, content, rng = frames_of(clip), clip.read_bytes(), random.Random(given.seed)
            for kind, damage in DAMAGE.items():
                for _ in range(given.each):
                    file = Path(folder) / clip.name
                    file.write_bytes(damage(content, rng))
                    try:
                        found[kind, "same frames" if frames_of(file) == whole else "other frames"] += 1
                    except VideoError:
                        found[kind, "detected"] += 1
    columns = ("detected", "same frames", "other frames")
    print(f"| {len(given.clips)} clips | files | {' | '.join(columns)} |\n|---|---|---|---|---|")
    for kind in DAMAGE:
        counts = [found[kind, column] for column in columns]
        print(f"| {kind} | {sum(counts)} | {' | '.join(map(str, counts))} |")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
