"""Open a file with FFmpeg, as a file and as a video, whatever its name and contents claim to be."""

import os
from pathlib import Path
from typing import BinaryIO

import av
from av.stream import Disposition

from htzoo.data.errors import VideoError

# Added to the path of a folder of numbered images in lists of videos, where no folder can be seen by its name.
IMAGE_FOLDER = ".images"
# File name suffixes of videos; commands that search folders skip other files.
VIDEO_SUFFIXES = frozenset(
    {IMAGE_FOLDER}
    | {".3gp", ".asf", ".avi", ".divx", ".flv", ".gif", ".m1v", ".m2v", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg"}
    | {".mts", ".ogv", ".ts", ".vob", ".webm", ".wmv"}
)
# FFmpeg guesses the format from the contents. Without this list, an image, a text file or a playlist (which can name
# other files and addresses) with the name of a video is one too.
_VIDEO_FORMATS = (
    "apng,asf,avi,dv,flv,gif,h264,hevc,ivf,m4v,matroska,mov,mpeg,mpegts,mpegvideo,mxf,nut,obu,ogg,rm,vc1,yuv4mpegpipe"
)
_IMAGE_FORMATS = "bmp_pipe,jpeg_pipe,pgm_pipe,png_pipe,ppm_pipe,tiff_pipe,webp_pipe"


def existing(path: str | os.PathLike[str]) -> Path:
    """The path of a file that exists and is not empty, or of a folder.

    Raises:
        VideoError: It does not exist, is empty, or is neither a file nor a folder.
    """
    file = Path(path)
    if file.is_dir():
        return file
    if not file.is_file():
        raise VideoError(f"{file} {'is not a file' if file.exists() else 'does not exist'}; check the path.")
    if file.stat().st_size == 0:
        raise VideoError(f"{file} is empty; copy or download it again.")
    return file


def damaged(file: Path, reason: str) -> VideoError:
    """The error for a video that is not whole."""
    return VideoError(f"{file} is damaged ({reason}); replace the file.")


def no_frame(file: Path) -> VideoError:
    """The error for a file that opens but has no frame."""
    return VideoError(f"{file} has no frame that can be decoded; replace the file.")


def unreadable(file: Path, error: OSError) -> VideoError:
    """The error for a file that the system does not let us read."""
    return VideoError(f"{file} cannot be read ({error.strerror or error}); check the path, or copy it again.")


def reason_of(error: Exception) -> str:
    """The short reason of a PyAV error."""
    return getattr(error, "strerror", None) or str(error).splitlines()[0]


def open_container(file: Path, content: BinaryIO, image: bool = False) -> av.container.InputContainer:
    """Open a video, or an image, that begins at the start of `content`.

    FFmpeg gets the bytes and never the name, in which it would take `10:30.mp4` for the address of a protocol.

    Args:
        file: Its path, for error messages.
        content: The file, open for reading.
        image: Whether to open a still image and not a video.

    Raises:
        VideoError: It is not a video.
    """
    content.seek(0)
    formats = _IMAGE_FORMATS if image else _VIDEO_FORMATS
    options = {"format_whitelist": formats, "protocol_whitelist": "none"}
    try:
        # Tags may be in any encoding, and none of them matters here.
        container = av.open(content, "r", metadata_errors="ignore", options=options)
    except (av.FFmpegError, OSError, ValueError) as error:
        kind = "image" if image else "video"
        raise VideoError(f"{file} is not a readable {kind} ({reason_of(error)}); replace the file.") from error
    try:
        if video_stream(file, container).codec_context is None:  # the codec's name may be damaged
            raise VideoError(f"{file} has a codec that FFmpeg does not know; replace the file.")
    except VideoError:
        container.close()
        raise
    return container


def video_stream(file: Path, container: av.container.InputContainer) -> av.VideoStream:
    """The first video stream that is not the cover art of a sound file.

    Raises:
        VideoError: There is none.
    """
    for stream in container.streams.video:
        if not stream.disposition & Disposition.attached_pic:
            return stream
    kind = "only cover art" if container.streams.video else "no video stream"
    raise VideoError(f"{file} has {kind}; choose a file with moving images.")
