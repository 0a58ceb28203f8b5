"""Draw a small image at any size and sub-pixel position on a torus, and the motions it can make there."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

MOTIONS = (
    "right",
    "left",
    "down",
    "up",
    "clockwise",
    "anticlockwise",
    "grow",
    "shrink",
    "shake_x",
    "shake_y",
    "still",
)

SMALLEST, LARGEST = 36.0, 72.0  # sides of the image in pixels


@dataclass(frozen=True)
class Path:
    """Where the image is in each frame: centre and side in pixels, each of shape (T,)."""

    x: Floats
    y: Floats
    side: Floats


def draw_path(motion: str, frames: int, height: int, width: int, rng: np.random.Generator) -> Path:
    """Draw a random path of one motion.

    The start is uniform on the torus of positions and on the circle of log-sizes, whatever the motion, and a motion
    only adds to it, modulo the torus. So position and size of any single frame are uniform too: one frame says
    nothing about the motion.

    Args:
        motion: One of `MOTIONS`; y points down, so clockwise is as seen on the screen.
        frames: How many frames, T.
        height: Height of the torus in pixels.
        width: Width of the torus in pixels.
        rng: Where the draws come from.
    """
    x, y, size = rng.uniform(0, width), rng.uniform(0, height), rng.uniform()
    time = np.arange(frames, dtype=np.float64)
    dx, dy, grown = np.zeros(frames), np.zeros(frames), np.zeros(frames)
    step = rng.uniform(2.5, 5.0) * time
    turn = rng.uniform(0, 2 * math.pi) + 2 * math.pi * rng.uniform(1.0, 1.6) / frames * time
    radius = rng.uniform(18, 32)
    # At least 8 frames a period: 8 frames of 24 still see more than two of each period.
    shake = rng.uniform(14, 28) * np.sin(2 * math.pi * (rng.uniform() + time / rng.uniform(8, 14)))
    scale = rng.uniform(0.6, 1.0) / frames * time
    match motion:
        case "right":
            dx = step
        case "left":
            dx = -step
        case "down":
            dy = step
        case "up":
            dy = -step
        case "clockwise":
            dx, dy = radius * np.cos(turn), radius * np.sin(turn)
        case "anticlockwise":
            dx, dy = radius * np.cos(turn), -radius * np.sin(turn)
        case "grow":
            grown = scale
        case "shrink":
            grown = -scale
        case "shake_x":
            dx = shake
        case "shake_y":
            dy = shake
        case "still":
            pass
        case _:
            raise ValueError(f"motion is {motion!r}; choose one of {', '.join(MOTIONS)}.")
    side = SMALLEST * (LARGEST / SMALLEST) ** ((size + grown) % 1.0)
    return Path(x=(x + dx) % width, y=(y + dy) % height, side=side)


def render(
    picture: Floats, path: Path, height: int, width: int, colour: Floats, background: Floats
) -> npt.NDArray[np.uint8]:
    """Render an image along a path.

    Bilinear interpolation on a torus is separable, so a frame is `rows @ picture @ columns.T`: two small products.

    Args:
        picture: Opacity between 0 and 1, h x w.
        path: Centre and side for each of T frames.
        height: Height of the frames, H.
        width: Width of the frames, W.
        colour: RGB between 0 and 255, shape (3,), where the opacity is 1.
        background: RGB where it is 0: shape (3,), or T x H x W x 3.

    Returns:
        uint8, T x H x W x 3.
    """
    rows = _weights(path.y, path.side, picture.shape[0], height)
    columns = _weights(path.x, path.side, picture.shape[1], width)
    opacity = (rows @ picture @ columns.transpose(0, 2, 1)).astype(np.float32)[..., None]
    difference = (colour - background).astype(np.float32)
    frames: npt.NDArray[np.uint8] = np.rint(background.astype(np.float32) + opacity * difference).astype(np.uint8)
    return frames


def _weights(centre: Floats, side: Floats, cells: int, length: int) -> Floats:
    """Weight of each cell at each pixel of a circle, T x length x cells: a hat as wide as two cells."""
    cell = side / cells
    cell_centres = centre[:, None] + (np.arange(cells) - (cells - 1) / 2) * cell[:, None]
    distance = np.arange(length)[None, :, None] - cell_centres[:, None, :]
    distance = (distance + length / 2) % length - length / 2
    weights: Floats = np.maximum(0.0, 1.0 - np.abs(distance) / cell[:, None, None])
    return weights
