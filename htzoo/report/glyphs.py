"""Labels in any script: find a font that has the characters, and escape those that no font has."""

from functools import cache

from matplotlib.figure import Figure
from matplotlib.font_manager import fontManager
from matplotlib.ft2font import FT2Font
from matplotlib.text import Text


def make_legible(figure: Figure, font: str) -> None:
    """Give every text of a figure fonts that have its characters.

    Characters that no installed font has, control characters among them, are written as their Unicode escapes.

    Args:
        figure: everything is drawn in it already.
        font: the first choice for every character.
    """
    axes_of_ticks = [axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)]
    labels = [label for axis in axes_of_ticks for label in axis.get_ticklabels()]
    texts = [text for text in figure.findobj(Text) if isinstance(text, Text)]
    missing = set("".join(text.get_text() for text in (*texts, *labels))) - _characters(fontManager.findfont(font))
    missing.discard("\n")
    if not missing:
        return
    families = [font]
    fonts = (entry for entry in fontManager.ttflist if "last resort" not in entry.name.lower())  # which draws boxes
    for entry in sorted(fonts, key=lambda entry: (entry.weight != 400, entry.name)):
        found = missing & _characters(entry.fname)
        if found and entry.name not in families:
            families.append(entry.name)
            missing -= found
    escapes = {ord(character): character.encode("unicode_escape").decode() for character in missing}
    for axis in axes_of_ticks:
        words = [label.get_text() for label in axis.get_ticklabels()]
        if missing & set("".join(words)):  # tick labels are written anew from these whenever the figure is drawn
            axis.set_ticks(axis.get_majorticklocs(), labels=[word.translate(escapes) for word in words])
    for text in (*texts, *labels):
        text.set_text(text.get_text().translate(escapes))
        text.set_fontfamily(families)


@cache
def _characters(file: str) -> frozenset[str]:
    """The characters that a font file has."""
    return frozenset(map(chr, FT2Font(file).get_charmap()))
