"""Exactly the frames asked for, from any video, or an error.

The reference is what PyAV (FFmpeg) gives when it decodes the file in order. Frames are read in one of three ways:

1. decord streams the files that htzoo wrote (`htzoo data prepare`): they are H.264 with a key frame every 12 frames and
   no B-frames, and a checksum proves that they have not changed. decord gets no other file. On MPEG-1, MPEG-2, and
   MPEG-4 with B-frames it silently returns other frames of the clip, and of 45 H.264 files with one or three flipped
   bits it silently read 44 with wrong pixels.
2. PyAV decodes from the key frames before the frames wanted: in our own files when few frames are wanted, and in other
   H.264 and VP9 in mp4, mov, mkv and webm (`htzoo.data.video.key_frames`).
3. PyAV decodes all else from the start: AVI files and MPEG program streams do not say which packet holds which frame.
"""

import ctypes
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, suppress
from functools import cache, cached_property
from itertools import chain, repeat
from types import TracebackType

import av
import numpy as np
import numpy.typing as npt

from htzoo.data.errors import VideoError
from htzoo.data.video.checksum import check_content
from htzoo.data.video.container import damaged, existing, no_frame, open_container, unreadable, video_stream
from htzoo.data.video.container_check import promises_are_kept, what_is_broken
from htzoo.data.video.decode import decode
from htzoo.data.video.encode import KEY_FRAME_EVERY
from htzoo.data.video.even_times import Times, at_even_rate, shown_at_even_times
from htzoo.data.video.image_folder import decode_images, numbered_images
from htzoo.data.video.key_frames import INDEXED_CONTAINERS, frames_from_key_frames
from htzoo.data.video.orientation import UPRIGHT, Orientation, orientation_of
from htzoo.data.video.resize import FrameConverter, Frames

Indices = Sequence[int] | npt.NDArray[np.integer]

# Every packet of these has a time stamp. The frame rate of the others is constant, by their standards.
_TIMED_CONTAINERS = INDEXED_CONTAINERS | {"apng", "asf", "flv", "gif"}


class VideoFile:
    """A video file, a GIF, or a folder of numbered images, opened once and read in any number of passes.

    It belongs to the thread that opened it, and is closed by `close` or at the end of a `with` block. Damage is an
    error when a pass meets it.

    Attributes:
        path: The file, or the folder.
        sealed: Whether htzoo wrote it, and a checksum proves that it has not changed.
    """

    def __init__(self, path: str | os.PathLike[str], prepared: bool = False) -> None:
        """Open a video.

        Args:
            path: The file, or the folder.
            prepared: Whether htzoo wrote the file, so that it is damaged if it has no checksum.

        Raises:
            VideoError: It is missing, empty, damaged or not a video.
        """
        self.path = existing(path)
        self.sealed = False
        self._orientation: Orientation | None = None
        self._images = self.path.is_dir()
        if self._images:
            numbered_images(self.path)
            return
        try:
            self._content = self.path.open("rb")
        except OSError as error:
            raise unreadable(self.path, error) from error
        with ExitStack() as opened:
            opened.callback(self._content.close)
            self.sealed = check_content(self.path, self._content, prepared)
            self._container: av.container.InputContainer | None = open_container(self.path, self._content)
            self._at_start = True
            self._orientation = self._orientation_of_vp9()
            opened.pop_all()

    def __enter__(self) -> "VideoFile":
        """Itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close."""
        self.close()

    def close(self) -> None:
        """Close the file; it cannot be read any more."""
        if not self._images:
            if self._container is not None:
                self._container.close()
            self._container = None
            self._content.close()

    @cached_property
    def count(self) -> int:
        """How many frames there are, found by decoding them all, since what the header says may be wrong.

        Raises:
            VideoError: The file is damaged.
        """
        return sum(1 for _ in self.frames())

    @cached_property
    def rate(self) -> float | None:
        """Frames a second on average, as the header says; None where it has no plausible rate (1 to 240)."""
        if self._images:
            return None
        stream = video_stream(self.path, self._opened())
        rates = (stream.average_rate, stream.guessed_rate)
        return next((float(rate) for rate in rates if rate is not None and 1 <= rate <= 240), None)

    @property
    def mean_rate(self) -> float | None:
        """Frames a second on average, by the time stamps where there are any; otherwise as the header says."""
        if self.times is None or len(self.times) < 2:
            return self.rate
        return float((len(self.times) - 1) / self.times[-1])

    @cached_property
    def times(self) -> Times | None:
        """When each frame appears, in seconds from the first; None where the container has no time stamps."""
        if self._images or self._opened().format.name not in _TIMED_CONTAINERS:
            return None
        container = self._from_start()
        stream = video_stream(self.path, container)
        try:
            stamps = [packet.pts for packet in container.demux(stream) if packet.size and not packet.is_discard]
        except av.FFmpegError:
            return None  # decoding finds out what is wrong
        if None in stamps or len(set(stamps)) < len(stamps) or stream.time_base is None:
            return None
        times: Times = np.sort(np.array(stamps, np.float64)) * float(stream.time_base)
        return times - times[:1]

    def evenly(self, positions: Indices, count: int | None = None) -> npt.NDArray[np.int64]:
        """Frames at positions of a clip that is divided into as many equal steps of time as it has frames.

        Args:
            positions: Counted from 0; frame numbers, where the frame rate is constant.
            count: How many frames the clip has, if known.

        Returns:
            The indices of the frames that are shown in the middle of those steps.
        """
        wanted = np.asarray(positions, np.int64)
        if self.times is None or len(self.times) != (self.count if count is None else count):
            return wanted
        return shown_at_even_times(self.times)[wanted]

    def frames(self) -> Iterator[av.VideoFrame]:
        """Yield every frame in the order shown, as decoded: neither turned nor resized.

        Raises:
            VideoError: The file is damaged or has no frame.
        """
        if self._images:
            yield from decode_images(self.path)
            return
        container = self._from_start()
        if (reason := what_is_broken(self._content)) is not None:
            raise damaged(self.path, reason)
        frame = None
        promised = video_stream(self.path, container).frames if promises_are_kept(self._content, container) else 0
        for frame in decode(self.path, container, promised):
            yield frame
        if frame is None:
            raise no_frame(self.path)

    def frames_at_even_rate(self, rate: float) -> Iterator[av.VideoFrame]:
        """Frames as `frames` yields them, repeated and dropped so that there are `rate` a second by their time stamps.

        Raises:
            VideoError: The file is damaged or has no frame.
        """
        if self.times is None:
            return self.frames()
        times = chain(self.times.tolist(), repeat(None))  # not the frames' own: decoders lose the last ones
        return at_even_rate(zip(times, self.frames(), strict=False), rate)

    def read(self, indices: Indices, size: tuple[int, int] | None = None) -> Frames:
        """Read frames, counted from 0 in the order in which they are shown.

        Args:
            indices: The frames wanted, at least one, in any order, repeats allowed.
            size: (height, width) to resize to, see `htzoo.data.video.resize`; None keeps the size of the video.

        Returns:
            RGB, upright, uint8, T x H x W x 3 in the order of `indices`, C-contiguous.

        Raises:
            ValueError: `indices` is empty or `size` is not positive.
            VideoError: The file is damaged, has no such frame, or frames of different sizes.
        """
        wanted = [int(index) for index in indices]
        if not wanted:
            raise ValueError(f"indices is empty; name at least one frame of {self.path}.")
        if size is not None and min(size) < 1:
            raise ValueError(f"size is {size}; give a positive (height, width).")
        if min(wanted) < 0:
            raise self._no_such_frame(min(wanted), self.count)
        converter = FrameConverter(size)
        # decord decodes faster than PyAV but opens a file more slowly, so it pays off if most groups of frames are
        # decoded anyway (benchmarks/reading_speed.py).
        dense = self.sealed and KEY_FRAME_EVERY * len(set(wanted)) > max(wanted)
        frames = self._read_by_decord(wanted, converter) if dense else None
        frames = frames or self._read_from_key_frames(wanted, converter) or self._read_in_order(wanted, converter)
        return self._stacked(frames)

    def read_chosen(self, choose: Callable[[int], Indices], size: tuple[int, int] | None = None) -> Frames:
        """Read frames that depend on how many there are, in one pass where the header is right about that.

        Args:
            choose: From the number of frames to positions, see `evenly`.
            size: As in `read`.

        Raises:
            VideoError: The file is damaged.
        """
        times = self.times
        if "count" not in self.__dict__ and times is not None and len(times) > 0:
            wanted = self.evenly(choose(len(times)), len(times))
            kept, count = self._kept(set(wanted.tolist()), FrameConverter(size))
            self.count = count
            if count == len(times):
                return self._stacked([kept[index] for index in wanted.tolist()])
        return self.read(self.evenly(choose(self.count)), size)

    def converted(self, frame: av.VideoFrame, converter: FrameConverter) -> Frames:
        """A frame of this video as upright RGB."""
        return converter.convert(frame, self.orientation_of(frame))

    def orientation_of(self, frame: av.VideoFrame) -> Orientation:
        """How a frame of this video is to be turned."""
        return self._orientation or orientation_of(frame)

    def _orientation_of_vp9(self) -> Orientation | None:
        """The orientation of VP9, whose mark FFmpeg hands to its own decoder only; None for other codecs."""
        stream = video_stream(self.path, self._opened())
        if stream.codec_context.name != "vp9":
            return None
        with suppress(av.FFmpegError, ValueError):  # decoding finds out what is wrong
            for packet in self._from_start().demux(stream):
                for frame in stream.codec_context.decode(packet if packet.size else None):
                    return orientation_of(frame)
        return UPRIGHT

    def _opened(self) -> av.container.InputContainer:
        if self._container is None:
            raise ValueError(f"{self.path} is closed; open it again.")
        return self._container

    def _from_start(self) -> av.container.InputContainer:
        """The container at its start; a pass that goes on elsewhere must have ended."""
        if not self._at_start:
            self._opened().close()
            self._container = open_container(self.path, self._content)
        self._at_start = False
        return self._opened()

    def _stacked(self, frames: list[Frames]) -> Frames:
        if len({frame.shape for frame in frames}) > 1:
            raise VideoError(f"{self.path} changes its frame size on the way; re-encode it with one size.")
        return np.stack(frames)

    def _no_such_frame(self, index: int, count: int) -> VideoError:
        return VideoError(f"{self.path} has no frame {index}: it has {count} frames, so ask for 0 to {count - 1}.")

    def _read_by_decord(self, wanted: list[int], converter: FrameConverter) -> list[Frames] | None:
        """Read one of our own files by random access; None where there is no decord, or it does not read the file."""
        try:
            import decord
            from decord._ffi.base import DECORDError

            _keep_array_types()
        except ImportError:
            return None
        decord.logging.set_level(decord.logging.QUIET)
        try:
            reader = decord.VideoReader(os.path.abspath(self.path), num_threads=1)
            count = len(reader)
            if max(wanted) < count:
                return [converter.resize(frame) for frame in reader.get_batch(wanted).asnumpy()]
        except (DECORDError, RuntimeError, UnicodeError):
            return None  # PyAV finds out what is wrong
        raise self._no_such_frame(max(wanted), count)

    def _read_from_key_frames(self, wanted: list[int], converter: FrameConverter) -> list[Frames] | None:
        if self._images:
            return None
        return frames_from_key_frames(
            self.path, self._from_start(), wanted, lambda frame: self.converted(frame, converter)
        )

    def _read_in_order(self, wanted: list[int], converter: FrameConverter) -> list[Frames]:
        kept, count = self._kept(set(wanted), converter, until=max(wanted))
        if count <= max(wanted):
            raise self._no_such_frame(max(wanted), count)
        return [kept[index] for index in wanted]

    def _kept(
        self, wanted: set[int], converter: FrameConverter, until: int | None = None
    ) -> tuple[dict[int, Frames], int]:
        """The frames wanted, by their indices, and how many were decoded up to the end or to frame `until`."""
        kept: dict[int, Frames] = {}
        count = 0
        with closing(self.frames()) as frames:  # type: ignore[type-var]
            for frame in frames:
                if count in wanted:
                    kept[count] = self.converted(frame, converter)
                count += 1
                if until is not None and count > until:
                    break
        return kept, count


def read_frames(
    path: str | os.PathLike[str],
    indices: Indices,
    size: tuple[int, int] | None = None,
    prepared: bool = False,
) -> Frames:
    """Read frames of a video, see `VideoFile.read`.

    Args:
        path: The video file, or a folder of numbered images.
        indices: The frames wanted, counted from 0, in any order, repeats allowed.
        size: (height, width) to resize to; None keeps the size of the video.
        prepared: Whether htzoo wrote the file, so that it is damaged if it has no checksum.

    Returns:
        RGB, upright, uint8, T x H x W x 3 in the order of `indices`, C-contiguous.

    Raises:
        ValueError: `indices` is empty or `size` is not positive.
        VideoError: The file is missing, empty, damaged or not a video, or has no such frame.
    """
    with VideoFile(path, prepared) as video:
        return video.read(indices, size)


@cache
def _keep_array_types() -> list[type]:
    """The ctypes array types of decord's calls, kept for good.

    ctypes forgets an array type that nobody refers to. decord would make new ones in every call, which only the garbage
    collector frees: tens of megabytes in between.
    """
    from decord._ffi._ctypes.types import DECORDValue

    return [kind * length for kind in (DECORDValue, ctypes.c_int, ctypes.c_int64) for length in range(1, 9)]


def count_frames(path: str | os.PathLike[str]) -> int:
    """Count the frames of a video by decoding it, since what its header says may be wrong.

    Raises:
        VideoError: The file is missing, empty, damaged or not a video.
    """
    with VideoFile(path) as video:
        return video.count
