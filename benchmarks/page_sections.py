"""Fill the marked sections of a Markdown page, so that no measured figure is typed by hand."""

from __future__ import annotations

import re
from pathlib import Path

from htzoo.files import replacing


def fill(page: Path, name: str, part: str) -> None:
    """Put ``part`` between ``<!-- NAME -->`` and ``<!-- end NAME -->``.

    Raises:
        SystemExit: the page has no such marks.
    """
    marks = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end {name} -->)", re.DOTALL)
    text = page.read_text(encoding="utf-8")
    if not marks.search(text):
        raise SystemExit(f"{page} has no place for {name}: put <!-- {name} --> and <!-- end {name} --> there")
    with replacing(page) as unfinished:
        unfinished.write_text(marks.sub(lambda match: f"{match[1]}\n{part}\n\n{match[2]}", text), encoding="utf-8")
