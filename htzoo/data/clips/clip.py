"""A labelled video file."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from htzoo.data.video.checksum import digest_of
from htzoo.data.video.container import damaged
from htzoo.data.video.resize import Frames
from htzoo.data.video.video_file import VideoFile


@dataclass(frozen=True)
class Clip:
    """A labelled video file.

    Attributes:
        path: The file, or a folder of numbered images.
        label: Index of its class.
        group: Scene, film or person that it shares with other clips; "" if unknown.
        frames: How many frames it has.
        name: Its path in the published tree, with forward slashes: the same on every machine.
        digest: SHA-256, in hexadecimal, of the source file; "" if unknown.
        prepared: Whether htzoo made the file from a source file; otherwise it is one itself.
    """

    path: Path
    label: int
    group: str
    frames: int
    name: str = ""
    digest: str = ""
    prepared: bool = False

    def read(self, indices: Sequence[int] | npt.NDArray[np.integer], size: tuple[int, int] | None = None) -> Frames:
        """Read the frames that are shown at even steps in time, if the file has not changed.

        Args:
            indices: Positions from 0 to `frames` - 1, see `htzoo.data.video.video_file.VideoFile.evenly`.
            size: (height, width) to resize to; None keeps the size of the video.

        Returns:
            RGB, uint8, T x H x W x 3.

        Raises:
            VideoError: The file has changed, or cannot give these frames.
        """
        if self.digest and not self.prepared and digest_of(self.path) != self.digest:
            raise damaged(self.path, "it has changed since it was first read")
        with VideoFile(self.path, self.prepared) as video:
            return video.read(video.evenly(indices, self.frames), size)
