"""README and documentation: links lead somewhere, commands and configurations exist, and examples run."""

import os
import re
import shlex
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

import htzoo
from htzoo.cli.main import COMMANDS
from htzoo.configs import config_names
from tests.cli.command import ROOT

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(page: Path, language: str) -> list[str]:
    """All blocks of code of this language on a page."""
    pattern = rf"^```{language}\n(.*?)^```$"
    return re.findall(pattern, page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def commands(page: Path) -> list[list[str]]:
    """The words of every ``htzoo`` command on a page, without ``htzoo``."""
    found = []
    for block in blocks(page, "sh"):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line.replace("; ", " && "), comments=True) if "htzoo" in line else []
            for command in " ".join(map(shlex.quote, words)).split(" '&&' "):
                program, *rest = shlex.split(command) or [""]
                if program in ("do", "srun"):
                    program, *rest = rest
                if program == "htzoo" or program.endswith("/htzoo"):
                    found.append(rest)
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links(page: Path) -> None:
    for link in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8")):
        if not link.startswith("http"):
            assert (page.parent / link).exists(), link


def test_commands_and_configurations_exist() -> None:
    found = [(page.name, words) for page in PAGES for words in commands(page) if words]
    assert len(found) > 30
    for page, words in found:
        assert words[0] in COMMANDS or words[0].startswith("-"), (page, words)
        for option, value in pairwise(words):
            if option == "--config" and value.isidentifier() and value != "NAME":
                assert value in config_names(), (page, words)


def test_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 130


def test_the_compression_tutorial(tmp_path: Path) -> None:
    page = ROOT / "docs" / "tutorials" / "compress.md"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    script = "\n".join(blocks(page, "python"))
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "TensorTrain(" in done.stdout
    (block,) = blocks(page, "sh")
    for line in block.splitlines():
        program, *words = shlex.split(line, comments=True)
        start = [sys.executable] if program == "python" else [sys.executable, "-m", program]
        done = subprocess.run([*start, *words], cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    layer = htzoo.from_pretrained(tmp_path / "small")
    assert sum(parameter.numel() for parameter in layer.parameters()) < 100_000
