import pytest
from matplotlib.figure import Figure

from htzoo.report import curves
from htzoo.report.curves import plot_curves
from htzoo.report.style import BLUE, GREEN, ORANGE
from tests.report.images import pixels, share_of

COLUMNS = "epoch,step,lr-AdamW,train/loss,train/accuracy,val/loss,val/accuracy,val/accuracy_top3,test/accuracy,odd"


def write(path, epochs, validation=True, test=True):
    rows = [COLUMNS]
    for epoch in range(epochs):
        step = 10 * epoch
        rows.append(f",{step},{0.001 / (1 + epoch)},,,,,,,")
        if validation:
            rows.append(f"{epoch},{step + 9},,,,{abs(epoch - 3) + 0.5},{epoch / 10},{epoch / 9},,7")
        rows.append(f"{epoch},{step + 9},,{2 / (1 + epoch)},{epoch / 8},,,,,")
    if test:
        rows.append(f"{epochs},{10 * epochs},,,,,,,0.875,")
    path.write_text("\n".join(rows) + "\n")
    return path


@pytest.fixture
def saved(monkeypatch):
    """The figure that was saved last, to look at what the pixels do not tell."""
    figures: list[Figure] = []
    save = curves.save_figure
    monkeypatch.setattr(curves, "save_figure", lambda figure, path: (figures.append(figure), save(figure, path)))
    return figures


def legend(axes):
    return [text.get_text() for text in axes.get_legend().get_texts()]


def test_whole_run(tmp_path, saved):
    plot_curves(write(tmp_path / "m.csv", 8), tmp_path / "curves.png", "a $title$ of_some_run")
    image = pixels(tmp_path / "curves.png")
    assert image.shape[0] > 900
    assert image.shape[1] > 900
    for colour in (BLUE, ORANGE, GREEN):
        assert share_of(image, colour) > 2e-4
    loss, accuracy, rate = saved[0].axes
    assert legend(loss) == ["training", "validation", "best, epoch 4: 0.500"]
    assert legend(accuracy) == ["training", "validation", "best, epoch 4: 0.300", "validation, top 3", "test: 0.875"]
    star = next(line for line in accuracy.lines if line.get_marker() == "*")
    assert (list(star.get_xdata()), list(star.get_ydata())) == ([4], [0.875])
    assert len(rate.lines[0].get_xdata()) == 8


def test_legends_stay_inside(tmp_path, saved):
    plot_curves(write(tmp_path / "m.csv", 300), tmp_path / "curves.png", "title")
    saved[0].draw_without_rendering()
    for axes in saved[0].axes[:2]:
        assert axes.get_legend().get_window_extent().x1 <= saved[0].bbox.x1


def test_no_validation(tmp_path, saved):
    plot_curves(write(tmp_path / "m.csv", 8, validation=False, test=False), tmp_path / "curves.png", "title")
    image = pixels(tmp_path / "curves.png")
    assert share_of(image, BLUE) > 2e-4
    assert share_of(image, ORANGE) == share_of(image, GREEN) == 0
    assert legend(saved[0].axes[0]) == ["training"]


@pytest.mark.parametrize("validation", [True, False])
def test_one_epoch(tmp_path, saved, validation):
    plot_curves(write(tmp_path / "m.csv", 1, validation), tmp_path / "curves.png", "title")
    assert share_of(pixels(tmp_path / "curves.png"), BLUE) > 2e-5
    assert saved[0].axes[-1].get_xlim() == (0.5, 1.5)


def test_only_a_test(tmp_path, saved):
    (tmp_path / "m.csv").write_text("epoch,step,test/accuracy\n0,0,0.5\n")
    plot_curves(tmp_path / "m.csv", tmp_path / "curves.png", "title")
    assert share_of(pixels(tmp_path / "curves.png"), GREEN) > 2e-4
    assert len(saved[0].axes) == 1


def test_values_that_cannot_be_drawn(tmp_path, saved):
    (tmp_path / "m.csv").write_text("epoch,step,val/loss\n0,0,nan\n1,1,2\n2,2,inf\n3,3,1.5\n4,4,-inf\n")
    plot_curves(tmp_path / "m.csv", tmp_path / "curves.png", "title")
    assert legend(saved[0].axes[0]) == ["validation", "best, epoch 4: 1.500"]


@pytest.mark.parametrize("text", ["", COLUMNS + "\n", "epoch,step,odd\n0,0,1\n", "epoch,step,val/loss\n0,0,nan\n"])
def test_nothing_to_draw(tmp_path, text):
    (tmp_path / "m.csv").write_text(text)
    with pytest.raises(ValueError, match=r"m\.csv has no loss"):
        plot_curves(tmp_path / "m.csv", tmp_path / "curves.png", "title")
    assert not (tmp_path / "curves.png").exists()
