"""Any name that a file system allows is the name of a file, not an address, for reading and for writing."""

import os
import unicodedata
from pathlib import Path

import numpy as np
import pytest

from htzoo.data import VideoError, VideoFile, count_frames, read_frames, write_video
from tests.data.helpers import numbered, numbers_in

NAMES = [
    "10:30:05.mp4",
    "http:x.mp4",
    "file:other.mp4",
    "concat:a.mp4|b.mp4",
    "pipe:0",
    "%03d.mp4",
    "-i.mp4",
    " with spaces \n and a line.mp4",
    unicodedata.normalize("NFD", "Éclair à vélo.mp4"),
    "视" * 83 + ".mp4",
    os.fsdecode(b"v_\xe9.avi"),
]


@pytest.mark.parametrize("name", NAMES)
def test_any_name(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    try:
        Path(name).touch()
    except OSError:
        pytest.skip("this file system does not allow the name")
    write_video(name, numbered(12))
    assert os.listdir() == [name]
    assert numbers_in(read_frames(name, range(12))) == [*range(12)]  # by decord, where it can
    content = Path(name).read_bytes()
    Path(name).write_bytes(content[:-56])  # a file of somebody else
    assert numbers_in(read_frames(name, [11, 2])) == [11, 2] and count_frames(name) == 12
    with VideoFile(tmp_path / name) as video:
        np.testing.assert_array_equal(video.read([3]), read_frames(name, [3]))


def test_folders_of_any_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_video("rtmp://10:30/clip.mp4", numbered(3))
    assert numbers_in(read_frames("rtmp:/10:30/clip.mp4", [2])) == [2]


def test_a_playlist_opens_nothing_else(tmp_path: Path) -> None:
    """FFmpeg would follow it, whatever its name."""
    write_video(tmp_path / "secret.mp4", numbered(3))
    playlists = {
        "hls.mp4": "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nsecret.mp4\n#EXT-X-ENDLIST\n",
        "concat.mp4": "ffconcat version 1.0\nfile secret.mp4\n",
        "dash.mp4": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><Period><AdaptationSet>'
        "<Representation><BaseURL>secret.mp4</BaseURL></Representation></AdaptationSet></Period></MPD>",
    }
    for name, text in playlists.items():
        (tmp_path / name).write_text(text)
        with pytest.raises(VideoError, match=rf"{name} is not a readable video"):
            count_frames(tmp_path / name)
