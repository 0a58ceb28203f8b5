import numpy as np
import pytest

from htzoo.report.contact_sheet import plot_clips
from tests.report.images import pixels, share_of


def solid(colour, frames=3, height=24, width=32):
    return np.full((frames, height, width, len(colour)), colour, np.uint8)


def test_every_frame_is_there(tmp_path):
    clips = [("red", solid((200, 0, 0))), ("green", solid((0, 200, 0), frames=6)), ("grey", solid((50,)))]
    plot_clips(clips, tmp_path / "clips.png", "title")
    image = pixels(tmp_path / "clips.png")
    red, green, grey = (share_of(image, colour) for colour in ("#C80000", "#00C800", "#323232"))
    assert red > 0.05
    assert green == pytest.approx(2 * red, rel=0.03)
    assert grey == pytest.approx(red, rel=0.03)
    rows = [np.flatnonzero((image == colour).all(-1).any(1)).mean() for colour in ((200, 0, 0), (0, 200, 0))]
    assert rows[0] < rows[1]  # in the order given


def test_frames_run_to_the_right(tmp_path):
    frames = np.concatenate([solid((200, 0, 0), 1), solid((0, 0, 200), 1)])
    plot_clips([("clip", frames)], tmp_path / "clips.png", "title")
    image = pixels(tmp_path / "clips.png")
    first, second = (np.flatnonzero((image == c).all(-1).any(0)) for c in ((200, 0, 0), (0, 0, 200)))
    assert first.max() < second.min()


def test_long_labels_are_not_cut(tmp_path):
    plot_clips([("a" * 10, solid((200, 0, 0)))], tmp_path / "short.png", "title")
    plot_clips([("a" * 60, solid((200, 0, 0)))], tmp_path / "long.png", "title")
    short, long = pixels(tmp_path / "short.png"), pixels(tmp_path / "long.png")
    assert long.shape[1] > short.shape[1] + 300
    np.testing.assert_allclose((long == (200, 0, 0)).all(-1).sum(), (short == (200, 0, 0)).all(-1).sum(), rtol=0.01)


def test_many_frames_stay_within_the_sheet(tmp_path):
    plot_clips([("clip", solid((0, 0, 200), frames=20))], tmp_path / "clips.png", "title")
    assert pixels(tmp_path / "clips.png").shape[1] < 2400


@pytest.mark.parametrize(
    "frames",
    [np.zeros((2, 4, 4, 3)), np.zeros((4, 4, 3), np.uint8), np.zeros((0, 4, 4, 3), np.uint8), solid((1, 2))],
)
def test_refuses(tmp_path, frames):
    with pytest.raises(ValueError, match="clip 'odd' is"):
        plot_clips([("odd", frames)], tmp_path / "clips.png", "title")


def test_no_clips(tmp_path):
    with pytest.raises(ValueError, match="no clip"):
        plot_clips([], tmp_path / "clips.png", "title")


def test_narrow_clips_go_on_in_a_next_column(tmp_path):
    colours = [(10 * k, 200, 0) for k in range(1, 25)]
    plot_clips([("7", solid(colour, frames=8, width=2)) for colour in colours], tmp_path / "clips.png", "title")
    image = pixels(tmp_path / "clips.png")
    assert image.shape[1] > image.shape[0]
    found = [np.argwhere((image == colour).all(-1)).mean(0) for colour in colours]
    assert found[1][0] > found[0][0] and found[1][1] == pytest.approx(found[0][1])  # down first, then to the right
    assert found[-1][1] > found[0][1]
