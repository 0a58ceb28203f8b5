"""Draw clips as a contact sheet."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.patches import Rectangle

from htzoo.report.style import GREY, INK, new_figure, save_figure, shared_look

_SHEET_WIDTH = 13.0  # inches, of the widest row
_FRAME_HEIGHT = (0.35, 1.0)  # inches: minimum, maximum
_GAP = 0.06  # between frames, in frame heights
_ROW_GAP = 0.16  # between rows, in frame heights
_LETTER = 0.1  # width of a letter of a label, in frame heights


def plot_clips(clips: Sequence[tuple[str, np.ndarray]], output: Path, title: str) -> None:
    """Draw a contact sheet: one row for each clip, with its label at the left and its frames side by side.

    Clips may differ in length and size; all frames are drawn with the same height. Narrow clips are set in several
    columns.

    Args:
        clips: (label, frames) pairs. A label may have several lines. Frames are uint8 of shape (T, H, W, C),
            C = 1 (grey) or 3 (RGB).
        output: the PNG to write; an older file is replaced.
        title: shown above the sheet.

    Raises:
        ValueError: there is no clip, or one of another type or shape, or without frames.
        OSError: the plot cannot be written.
    """
    if not clips:
        raise ValueError("there is no clip to draw")
    for label, frames in clips:
        if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[3] not in (1, 3) or 0 in frames.shape:
            raise ValueError(f"clip {label!r} is {frames.dtype} {frames.shape}; uint8 (T, H, W, 1 or 3) is needed")

    # In units of one frame height.
    width = max(len(frames) * (_aspect(frames) + _GAP) for _, frames in clips) - _GAP
    room = width + 0.3 + _LETTER * max(len(line) for label, _ in clips for line in label.split("\n"))
    columns = max(1, min(len(clips), int(_SHEET_WIDTH / room)))  # more than one where the frames are narrow
    rows = -(-len(clips) // columns)
    columns = -(-len(clips) // rows)
    width += (columns - 1) * room
    height = rows * (1.0 + _ROW_GAP) - _ROW_GAP
    minimum, maximum = _FRAME_HEIGHT
    inches = min(max(_SHEET_WIDTH / width, minimum), maximum)
    with shared_look():
        figure = new_figure(width * inches, height * inches)
        # The frames fill the figure exactly; labels and title lie outside, and saving widens the plot to hold them.
        figure.set_layout_engine("none")
        axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
        for place, (label, frames) in enumerate(clips):
            top, start = place % rows * (1.0 + _ROW_GAP), place // rows * room
            axes.text(start - 0.15, top + 0.5, label, ha="right", va="center", fontsize=11)
            for number, frame in enumerate(frames):
                left = start + number * (_aspect(frames) + _GAP)
                image = frame[:, :, 0] if frame.shape[2] == 1 else frame
                axes.imshow(image, cmap="gray", vmin=0, vmax=255, extent=(left, left + _aspect(frames), top + 1.0, top))
                axes.add_patch(
                    Rectangle(
                        (left, top), _aspect(frames), 1.0, fill=False, edgecolor=GREY, linewidth=0.5, clip_on=False
                    )
                )
        axes.set(xlim=(0.0, width), ylim=(height, 0.0), aspect="equal")
        axes.set_axis_off()
        axes.set_title(title, loc="left", color=INK, pad=10)
        save_figure(figure, output)


def _aspect(frames: np.ndarray) -> float:
    return float(frames.shape[2] / frames.shape[1])
