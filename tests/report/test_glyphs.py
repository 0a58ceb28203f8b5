"""Labels of any script in a plot, without a warning and without boxes."""

from pathlib import Path

import numpy as np
import pytest

from htzoo.report import glyphs
from htzoo.report.style import FONT, new_figure, save_figure

LABELS = ["\u6253\u67b6", "\U0001f3c3 run", "\x1b[31mred", "tab\tbell\a", "\u0627\u0644", "na\u00efve"]


@pytest.mark.parametrize("label", LABELS)
def test_no_label_warns(label: str, tmp_path: Path) -> None:  # warnings are errors in the tests
    figure = new_figure(3, 2)
    axes = figure.subplots()
    axes.bar([0, 1], [1, 2])
    axes.set_xticks([0, 1], [label, "plain"], rotation=30)
    axes.set_title(label)
    save_figure(figure, tmp_path / "plot.png")
    known = {entry.name: glyphs._characters(entry.fname) for entry in glyphs.fontManager.ttflist}
    for text in (axes.title, axes.get_xticklabels()[0]):
        assert set(text.get_text()) <= set().union(*(known.get(name, known[FONT]) for name in text.get_fontfamily()))
    assert axes.get_xticklabels()[0].get_rotation() == 30


def test_characters_that_no_font_has_are_escaped(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(glyphs.fontManager, "ttflist", [])
    figure = new_figure(3, 2)
    axes = figure.subplots()
    axes.imshow(np.zeros((2, 2)))
    axes.set_yticks([0, 1], ["\u6253", "b"])
    axes.set_title("\u6253 and \x1b")
    save_figure(figure, tmp_path / "plot.png")
    assert axes.get_title() == r"\u6253 and \x1b"
    assert [label.get_text() for label in axes.get_yticklabels()] == [r"\u6253", "b"]
