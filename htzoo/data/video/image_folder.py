"""A folder of numbered images, such as frame_0001.jpg, frame_0002.jpg, ..., read as a video."""

import re
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path

import av

from htzoo.data.errors import VideoError
from htzoo.data.video.container import IMAGE_FOLDER, VIDEO_SUFFIXES, existing, open_container, unreadable, video_stream
from htzoo.data.video.decode import decode

IMAGE_SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"})


def are_frames(names: Iterable[str]) -> bool:
    """Whether files of these names make their folder one clip: at least two numbered images, and no video."""
    paths = [Path(name) for name in names]
    images = [path for path in paths if path.suffix.lower() in IMAGE_SUFFIXES and _number_in(path) is not None]
    return len(images) > 1 and not any(path.suffix.lower() in VIDEO_SUFFIXES for path in paths)


def on_disk(path: Path) -> Path:
    """The file of a path in a list of videos, or the folder of numbered images."""
    folder = path.with_suffix("")
    return folder if path.suffix == IMAGE_FOLDER and folder.is_dir() and not path.exists() else path


def numbered_images(folder: Path) -> list[Path]:
    """The images of a folder in the order of the last number in their names; other files are ignored.

    Raises:
        VideoError: The folder cannot be read, there is no image, two have one number, or one is missing: numbers
            increase by one, or by any other step that is the same all along.
    """
    images: dict[int, Path] = {}
    try:
        paths = sorted(folder.iterdir())
    except OSError as error:
        raise unreadable(folder, error) from error
    for path in paths:
        number = _number_in(path)
        if path.name.startswith(".") or path.suffix.lower() not in IMAGE_SUFFIXES or number is None:
            continue
        if number in images:
            raise VideoError(f"{folder} has two images of number {number}, {images[number].name} and {path.name}.")
        images[number] = path
    numbers = sorted(images)
    if not numbers:
        raise VideoError(f"{folder} is a folder without numbered images; choose a video file.")
    step = min((after - before for before, after in pairwise(numbers)), default=1)
    for before, after in pairwise(numbers):
        if after - before != step:
            raise VideoError(f"{folder} has no image {before + step} between {images[before].name} and its next one.")
    return [images[number] for number in numbers]


def _number_in(path: Path) -> int | None:
    digits = re.findall(r"[0-9]+", path.stem)
    return int(digits[-1]) if digits else None


def decode_images(folder: Path) -> Iterator[av.VideoFrame]:
    """Yield each image as a frame.

    Raises:
        VideoError: One cannot be decoded.
    """
    for path in numbered_images(folder):
        with existing(path).open("rb") as content, open_container(path, content, image=True) as container:
            video_stream(path, container)
            yield from decode(path, container)
