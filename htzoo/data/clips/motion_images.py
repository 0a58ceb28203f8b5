"""Motion images: what changes from frame to frame, in a form that a CNN trained on photographs can read."""

import numpy as np
import numpy.typing as npt

from htzoo.data.errors import VideoError

FRAMES_A_PICTURE = 4
_GAIN = 2.0


def motion_pictures(frames: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Turn every four successive frames into one image: their three changes of grey are its red, green and blue.

    Args:
        frames: uint8, T x H x W x C; the rest after the last four is dropped.

    Returns:
        uint8, T // 4 x H x W x 3: 128 where nothing changes, twice the change above or below it elsewhere.

    Raises:
        VideoError: There are fewer than four frames.
    """
    count = len(frames) // FRAMES_A_PICTURE
    if count == 0:
        raise VideoError(f"a clip has {len(frames)} frames, but motion needs {FRAMES_A_PICTURE}; skip it.")
    grey = frames[: count * FRAMES_A_PICTURE].mean(3, dtype=np.float32)
    changes = np.diff(grey.reshape(count, FRAMES_A_PICTURE, *grey.shape[1:]), axis=1)
    pictures = np.rint(127.5 + _GAIN * changes).clip(0, 255).astype(np.uint8)
    return np.ascontiguousarray(pictures.transpose(0, 2, 3, 1))
