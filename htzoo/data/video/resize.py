"""From a decoded frame to RGB pixels of the size that a model reads, one frame at a time."""

import av
import numpy as np
import numpy.typing as npt
from av.video.reformatter import Interpolation, VideoReformatter

from htzoo.data.video.orientation import UPRIGHT, Orientation

Frames = npt.NDArray[np.uint8]

_FULL_HD = 1920 * 1088
# The same pixels on every kind of processor.
_HALVE = Interpolation.AREA | Interpolation.ACCURATE_RND | Interpolation.BITEXACT | Interpolation.FULL_CHR_H_INT


class FrameConverter:
    """Converts the frames of a video to upright RGB; at no time is more than one of them in memory at full size."""

    def __init__(self, size: tuple[int, int] | None) -> None:
        """Convert to (height, width), or keep the size of the video where `size` is None."""
        self.size = size
        self._halve = VideoReformatter()

    def convert(self, frame: av.VideoFrame, orientation: Orientation = UPRIGHT) -> Frames:
        """Pixels, uint8, H x W x 3.

        The size is reached by bilinear interpolation with antialiasing. Frames larger than Full HD (1920 x 1088) are
        first halved, by averages of 2 x 2 pixels, until they are not, or until halving would leave less than twice the
        size: a 4K video gives what its Full HD version would, at a fraction of the memory and time.
        """
        height, width = frame.height, frame.width
        if self.size is not None:
            low_height, low_width = orientation.size(*self.size)
            while height * width > _FULL_HD and height >= 4 * low_height and width >= 4 * low_width:
                height, width = height // 2, width // 2
        if (height, width) == (frame.height, frame.width):
            pixels = frame.to_ndarray(format="rgb24")
        else:
            small = self._halve.reformat(frame, width, height, "rgb24", interpolation=_HALVE, threads=1)
            pixels = small.to_ndarray()
        return self.resize(orientation.turn(np.asarray(pixels, dtype=np.uint8)))

    def resize(self, pixels: Frames) -> Frames:
        """Bring pixels, H x W x 3, to the size."""
        if self.size is None or self.size == pixels.shape[:2]:
            return np.ascontiguousarray(pixels)
        import torch
        from torch.nn.functional import interpolate

        # In floating point: torch resizes uint8 differently on different processors.
        planes = torch.from_numpy(np.ascontiguousarray(pixels)).permute(2, 0, 1)[None].float()
        resized = interpolate(planes, size=self.size, mode="bilinear", antialias=True).round_().clamp_(0, 255)
        return np.ascontiguousarray(resized.to(torch.uint8)[0].permute(1, 2, 0).numpy())
