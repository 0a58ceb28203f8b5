"""The rotation mark of a phone's video: how to turn stored frames so that they stand upright."""

import struct
from dataclasses import dataclass
from typing import Any

import av
import numpy.typing as npt
from av.sidedata.sidedata import SideDataContainer, Type


@dataclass(frozen=True)
class Orientation:
    """One of the eight ways to lay a rectangle onto its sides.

    Attributes:
        transposed: Whether rows become columns, first of all.
        rows_flipped: Whether the result is then turned top to bottom.
        columns_flipped: Whether the result is then mirrored left to right.
    """

    transposed: bool = False
    rows_flipped: bool = False
    columns_flipped: bool = False

    def size(self, height: int, width: int) -> tuple[int, int]:
        """(height, width) of a frame after turning; its own inverse."""
        return (width, height) if self.transposed else (height, width)

    def turn(self, frame: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """A view of a frame, H x W x C, that stands upright."""
        frame = frame.swapaxes(0, 1) if self.transposed else frame
        return frame[:: -1 if self.rows_flipped else 1, :: -1 if self.columns_flipped else 1]


UPRIGHT = Orientation()
_QUARTER_TURNS = (
    UPRIGHT,
    Orientation(True, True, False),
    Orientation(False, True, True),
    Orientation(True, False, True),
)


def orientation_of(frame: av.VideoFrame) -> Orientation:
    """The orientation of a frame that was decoded; angles are rounded to quarter turns.

    The display matrix (ISO/IEC 14496-12, 6.2.2) maps a stored pixel (x, y) to (a x + c y, b x + d y).
    """
    try:
        # frame.side_data is kept by the frame and refers to it, so that only the garbage collector could free either,
        # and with them the buffers of the decoder. This one refers to the frame only.
        matrix = bytes(SideDataContainer(frame)[Type.DISPLAYMATRIX])  # type: ignore[call-arg]  # av's hints lack it
    except KeyError:
        return UPRIGHT
    except (
        ValueError
    ):  # there is side data of a kind that av does not know, such as EXIF; mirrored ones are then not seen
        return _QUARTER_TURNS[round(frame.rotation / 90) % 4]
    a, b, _, c, d, *_ = struct.unpack("=9i", matrix)
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return Orientation(False, d < 0, a < 0)
    return Orientation(True, b < 0, c < 0)
