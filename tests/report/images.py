"""Read a plot back as pixels."""

from pathlib import Path

import numpy as np
from matplotlib.image import imread


def pixels(path: Path) -> np.ndarray:
    """Return (H, W, 3) uint8; fails if the file is no PNG, or its margin is not white (a label was cut)."""
    assert path.read_bytes().startswith(b"\x89PNG")
    image = (imread(path)[..., :3] * 255).round().astype(np.uint8)
    for edge in (image[0], image[-1], image[:, 0], image[:, -1]):
        assert (edge == 255).all()
    return image


def share_of(image: np.ndarray, colour: str) -> float:
    """Return the share of pixels that have exactly this #RRGGBB."""
    wanted = [int(colour[start : start + 2], 16) for start in (1, 3, 5)]
    return float((image == wanted).all(axis=-1).mean())
