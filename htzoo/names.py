"""Names that are asked for, and near ones where nothing is called so."""

import difflib
from collections.abc import Iterable


class UnknownNameError(ValueError):
    """A name that stands for nothing; the message says near ones. On the command line the exit status is 2."""


def did_you_mean(name: str, known: Iterable[str], otherwise: str) -> str:
    """``did you mean fit?``, or another hint where no known name is near."""
    near = difflib.get_close_matches(name, list(known), n=3)
    return f"did you mean {' or '.join(near)}?" if near else otherwise


def printable(text: str) -> str:
    """A text from a file or a file name with everything that would control the terminal spelt out."""
    return "".join(
        letter if letter.isprintable() or letter == "\n" else letter.encode("unicode_escape").decode("ascii")
        for letter in text
    )
