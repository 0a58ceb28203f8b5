"""docs/engine.md: its code prints what the page says, and its tables have the constants in use."""

import contextlib
import dataclasses
import io
import re

import pytest

from htzoo.formats import cost_model, search
from htzoo.formats.machine import CPU, GPU, NATIVE, Machine
from tests.cli.command import ROOT

PAGE = (ROOT / "docs" / "engine.md").read_text(encoding="utf-8")


def test_code_prints_what_follows_it() -> None:
    pairs = re.findall(r"^```python\n(.*?)^```\n\n```text\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    names: dict[str, object] = {}
    for code, expected in pairs:
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            exec(code, names)
        assert printed.getvalue() == expected
    assert len(pairs) == 2


def number(text: str) -> float:
    """A cell as a number: 4,096, 2.5e10, 10 us, 0.5 MB."""
    found = re.fullmatch(r"([\d.,]+(?:e\d+)?)( us| MB)?", text)
    assert found is not None, text
    return float(found[1].replace(",", "")) * {None: 1, " us": 1e-6, " MB": 2**20}[found[2]]


def test_tables_have_the_constants_in_use() -> None:
    cells = re.findall(r"^\| `(\w+)` \| (.*?) \| (.*?) \| (.*?) \|", PAGE, re.MULTILINE)
    rows = {name: values for name, *values in cells}
    names = [field.name for field in dataclasses.fields(Machine)]
    assert set(names) <= set(rows)
    for name in names:
        for machine, text in zip((CPU, NATIVE, GPU), rows[name], strict=True):
            value = getattr(machine, name)
            if text in ("no limit", "-"):
                assert value in (0, float("inf")), name
            else:
                assert number(text) == pytest.approx(value), name
    pairs = dict(re.findall(r"^\| `([A-Z_]+)` \| ([\d.,]+) \|", PAGE, re.MULTILINE))
    assert len(pairs) == 10
    for name, text in pairs.items():
        assert number(text) == getattr(search if hasattr(search, name) else cost_model, name), name
