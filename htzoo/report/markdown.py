"""Text of unknown origin (labels, names, commands) inside Markdown, where it must stay text."""

from __future__ import annotations

import re

_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
# What begins HTML, code, emphasis, a link, an image, a table cell or a heading. An underscore inside a word is none.
_SPECIAL = re.compile(r"[\\`*\[\]{}|!~#$&<>]|(?<![^\W_])_|_(?![^\W_])")
_ADDRESS = re.compile(r":(?=//)|(?<=\bwww)\.|@", re.IGNORECASE)  # addresses that would become links by themselves
_BLOCK = re.compile(r"^([-+](?=\s|$)|\d+(?=[.)](?:\s|$))|[-=](?=[-=\s]*$))")  # a list, a rule or an underline


def escape(text: str) -> str:
    """A text on one line that Markdown shows as it is, also inside a table: no HTML, links, images or emphasis.

    Characters that cannot be printed, such as those that turn the direction of writing, become U+FFFD.
    """
    line = "".join(letter if letter.isprintable() else "\ufffd" for letter in " ".join(text.split()))
    line = _SPECIAL.sub(lambda found: _ENTITIES.get(found[0], f"\\{found[0]}"), line)
    line = _ADDRESS.sub(lambda found: f"&#{ord(found[0])};", line)
    return _BLOCK.sub(lambda found: f"&#{ord(found[0][0])};{found[0][1:]}", line)


def code(text: str) -> str:
    """A text on one line as inline code."""
    line = " ".join(text.split())
    fence = "`" * (_longest_run(line) + 1)
    space = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{fence}{space}{line}{space}{fence}"


def code_block(text: str, language: str) -> str:
    """A text of several lines as a block of code."""
    fence = "`" * max(3, _longest_run(text) + 1)
    return f"{fence}{language}\n{text}\n{fence}"


def link(text: str, address: str) -> str:
    """A link; the text alone if the address is not one of the web."""
    if not re.fullmatch(r"https?://[^\s<>]+", address):
        return escape(text)
    return f"[{escape(text)}](<{address}>)"


def _longest_run(text: str) -> int:
    return max(map(len, re.findall("`+", text)), default=0)
