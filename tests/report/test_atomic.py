"""A file is there whole or not at all, and a failure leaves the old one."""

import subprocess
import sys

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure

from htzoo.files import replacing
from htzoo.report.confusion import plot_confusion
from htzoo.report.style import new_figure, save_figure, shared_look
from tests.report.images import pixels


def break_saving(monkeypatch):
    def savefig(figure, path, **options):
        path.write_bytes(b"half a pict")
        raise RuntimeError("drawing failed")

    monkeypatch.setattr(Figure, "savefig", savefig)


def test_failed_drawing_leaves_nothing(tmp_path, monkeypatch):
    break_saving(monkeypatch)
    with pytest.raises(RuntimeError, match="drawing failed"):
        save_figure(new_figure(2, 2), tmp_path / "plot.png")
    assert not list(tmp_path.iterdir())


def test_failed_drawing_keeps_the_old_plot(tmp_path, monkeypatch):
    output = tmp_path / "plot.png"
    output.write_bytes(b"old")
    break_saving(monkeypatch)
    with pytest.raises(RuntimeError, match="drawing failed"):
        plot_confusion(np.eye(2), ["a", "b"], output, "title")
    assert output.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [output]


def test_success_replaces_the_old_plot_and_makes_the_folder(tmp_path):
    output = tmp_path / "new" / "plot.png"
    for _ in range(2):
        plot_confusion(np.eye(2), ["a", "b"], output, "title")
        pixels(output)
    assert list(output.parent.iterdir()) == [output]


def test_the_file_is_untouched_until_the_end(tmp_path):
    output = tmp_path / "text"
    output.write_text("old")
    with replacing(output) as temporary:
        temporary.write_text("new")
        assert output.read_text() == "old"
    assert output.read_text() == "new"


def test_settings_come_back():
    before = dict(matplotlib.rcParams)

    def fail():
        with shared_look():
            assert matplotlib.rcParams["axes.grid"]
            raise RuntimeError("drawing failed")

    with pytest.raises(RuntimeError, match="drawing failed"):
        fail()
    assert dict(matplotlib.rcParams) == before


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("htzoo.report.summary", "htzoo.report.style"),
        ("htzoo.report.metrics_csv", "htzoo.report.style"),
        ("htzoo.report.curves", "matplotlib.pyplot"),
        ("htzoo.report.confusion", "matplotlib.pyplot"),
        ("htzoo.report.contact_sheet", "matplotlib.pyplot"),
    ],
)
def test_light_imports(module, absent):
    code = f"import sys, {module}; sys.exit({absent!r} in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
