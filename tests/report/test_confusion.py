from itertools import pairwise

import numpy as np
import pytest
from matplotlib.figure import Figure

from htzoo.report import confusion
from htzoo.report.confusion import plot_confusion, read_predictions
from htzoo.report.style import PALE
from tests.report.images import pixels, share_of

MOTIONS = ["right", "left", "down", "up", "clockwise", "anticlockwise", "grow", "shrink", "shake_x", "shake_y", "still"]


@pytest.fixture
def saved(monkeypatch):
    figures: list[Figure] = []
    save = confusion.save_figure
    monkeypatch.setattr(confusion, "save_figure", lambda figure, path: (figures.append(figure), save(figure, path)))
    return figures


def blue(image):
    """The share of clearly blue pixels."""
    red, blue = image[..., 0].astype(int), image[..., 2].astype(int)
    return float((blue - red > 40).mean())


def test_eleven_classes(tmp_path, saved):
    matrix = np.diag([20] * 11)
    matrix[0, 0], matrix[0, 8] = 17, 3
    plot_confusion(matrix, MOTIONS, tmp_path / "c.png", "title")
    image = pixels(tmp_path / "c.png")
    assert min(image.shape[:2]) > 900
    assert 0.03 < blue(image) < 0.2  # a diagonal of 11 cells out of 121, and the scale
    axes = saved[0].axes[0]
    assert axes.get_title() == "title\naccuracy 0.986 (217 of 220 clips)"
    assert {text.get_position(): text.get_text() for text in axes.texts}[8, 0] == "3"  # x = predicted, y = true
    assert sorted(text.get_text() for text in axes.texts) == sorted(["17", "3"] + ["20"] * 10)
    assert [label.get_text() for label in axes.get_xticklabels()] == MOTIONS
    assert axes.get_yticklabels()[4].get_text() == "clockwise  (20)"
    np.testing.assert_allclose(axes.images[0].get_array().filled(0)[0, [0, 8]], [0.85, 0.15])


@pytest.mark.parametrize("size", [1, 2, 30, 31, 51])
def test_labels_do_not_overlap(tmp_path, saved, size):
    matrix = np.diag([20] * size)
    classes = [f"some_long_class_{number}" for number in range(size)]
    plot_confusion(matrix, classes, tmp_path / "c.png", "title")
    pixels(tmp_path / "c.png")
    saved[0].draw_without_rendering()  # saving leaves sizes at another resolution
    axes = saved[0].axes[0]
    assert len(axes.texts) == (size if size <= 30 else 0)
    boxes = [label.get_window_extent() for label in axes.get_yticklabels()]
    assert len(boxes) == size
    assert all(lower.y1 <= upper.y0 for upper, lower in pairwise(boxes))
    labels = axes.get_xticklabels()
    assert len(labels) == size
    if size == 51:
        assert labels[0].get_fontsize() >= 7
        boxes = [label.get_window_extent() for label in labels]
        assert all(left.x1 <= right.x0 for left, right in pairwise(boxes))


def test_thousands_of_classes(tmp_path, saved):
    matrix = np.diag(np.full(2000, 5))
    matrix[7, 1900] = 4
    plot_confusion(matrix, [f"class {number}" for number in range(2000)], tmp_path / "confusion.png", "many")
    texts = [text.get_text() for text in saved[0].axes[0].texts]
    assert len(texts) == 1 and "4x  class 7 \N{RIGHTWARDS ARROW} class 1900" in texts[0]
    assert len(saved[0].axes[0].get_yticklabels()) < 20
    image = saved[0].axes[0].images[0].get_array()
    assert image.shape[0] <= 300 and image[1, -15] == 4 / 9  # a single confusion is still there


def test_counts_stay_in_their_cells(tmp_path, saved):
    plot_confusion(np.full((30, 30), 123456), [str(k) for k in range(30)], tmp_path / "c.png", "title")
    saved[0].draw_without_rendering()
    axes = saved[0].axes[0]
    width = axes.bbox.width / 30
    assert all(text.get_window_extent().width < width for text in axes.texts)


def test_class_without_clips(tmp_path, saved):
    matrix = np.diag([20, 0, 20])
    plot_confusion(matrix, ["a", "b", "c"], tmp_path / "c.png", "title")  # warnings are errors: no division by zero
    assert share_of(pixels(tmp_path / "c.png"), PALE) > 0.1
    assert saved[0].axes[0].get_title().endswith("accuracy 1.000 (40 of 40 clips)")


def test_no_clips_at_all(tmp_path, saved):
    plot_confusion(np.zeros((3, 3)), ["a", "b", "c"], tmp_path / "c.png", "title")
    assert saved[0].axes[0].get_title() == "title\nno clips"


@pytest.mark.parametrize(
    ("matrix", "classes"),
    [
        (np.zeros((2, 3)), ["a", "b"]),
        (np.zeros((2, 2)), ["a", "b", "c"]),
        (np.zeros((0, 0)), []),
        (np.array([[1, -1], [0, 1]]), ["a", "b"]),
        (np.array([[0.5, 0.5], [0, 1]]), ["a", "b"]),
        (np.array([[np.nan, 1], [0, 1]]), ["a", "b"]),
    ],
)
def test_refuses(tmp_path, matrix, classes):
    with pytest.raises(ValueError, match=r"matrix"):
        plot_confusion(matrix, classes, tmp_path / "c.png", "title")
    assert not list(tmp_path.iterdir())


def test_predictions_without_a_clip(tmp_path):
    (tmp_path / "predictions.csv").write_text("path,label,predicted,a,b\n")
    with pytest.raises(ValueError, match=r"predictions\.csv holds no clip: run htzoo predict again"):
        read_predictions(tmp_path / "predictions.csv")
