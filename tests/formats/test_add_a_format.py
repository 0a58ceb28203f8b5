"""The worked example of docs/add_a_format.md: its file, its configuration and its commands, as they are on the page."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from htzoo.formats import format_from_dict
from tests.cli.command import ROOT

PAGE = (ROOT / "docs" / "add_a_format.md").read_text(encoding="utf-8")
SMALL = {  # what makes each command quick
    "info": ["--json"],
    "fit": ["--data=tests.data.helpers.FewDigits", "--trainer.max_epochs=1", "--trainer.accelerator=cpu"],
    "bench": ["--batch=1", "--frames=1", "--repeats=1", "--json"],
    "compress": [],
}


def block(language: str) -> str:
    """The one block of code of this language."""
    (found,) = re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    return found


def run(code: str, folder: Path, **environment: str) -> str:
    """Run Python code in a new process and return what it prints."""
    path = os.pathsep.join((".", str(ROOT)))
    result = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", **environment},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def test_it_is_short() -> None:
    assert len(block("python").splitlines()) <= 60


def test_its_commands(few_root: Path, tmp_path: Path) -> None:
    (tmp_path / "split_train.py").write_text(block("python"))
    (tmp_path / "moving_digits_st.yaml").write_text(block("yaml"))
    torch.save(torch.nn.LSTM(24, 12).state_dict(), tmp_path / "my_lstm.pt")
    exported, *commands = block("sh").splitlines()
    assert exported == "export PYTHONPATH=. HTZOO_PLUGINS=split_train"
    words = [[*shlex.split(command)[1:], *SMALL[command.split()[1]]] for command in commands]
    assert [command[0] for command in words] == list(SMALL)
    words[1].append(f"--data.root={few_root}")
    printed = run(
        "from htzoo.cli.main import main\n"
        f"for words in {words}:\n    print('$', words[0])\n    assert main(words) == 0\n",  # imports take seconds: once
        tmp_path,
        HTZOO_PLUGINS="split_train",
    )
    said = dict(part.split("\n", 1) for part in printed.split("$ ")[1:])
    assert json.loads(said["info"])["name"] == "SplitTrain"
    assert "accuracy" in said["fit"]
    assert len(list((tmp_path / "runs").glob("*/*/summary.json"))) == 1
    (setting,) = json.loads(said["bench"])["settings"]
    assert {"SplitTrain", "TensorTrain", "LowRank"} <= {row["name"] for row in setting["rows"]}
    config = json.loads((tmp_path / "small" / "config.json").read_text())
    assert config["arguments"]["input_format"]["name"] == "SplitTrain"


def test_in_the_package(tmp_path: Path) -> None:
    """The same file among the package's formats: the commands and the tests of all formats find it there."""
    for folder in ("htzoo", "tests"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "htzoo" / "formats" / "split_train.py").write_text(block("python"))
    tests = ["test_formats.py", "test_products.py", "test_suggest.py"]
    paths = [f"tests/formats/{name}" for name in tests]
    options = ["-n0", "-q", "-p", "no:cacheprovider", "-c", str(ROOT / "pyproject.toml"), f"--rootdir={tmp_path}"]
    printed = run(
        "import sys, pytest, htzoo\n"
        f"assert htzoo.__file__.startswith({str(tmp_path)!r})\n"
        f"sys.exit(pytest.main({[*options, '-k', 'SplitTrain', *paths]}))",
        tmp_path,
        PYTHONPATH=".",
    )
    assert int(re.findall(r"(\d+) passed", printed)[0]) >= 6


def test_without_the_plugin_the_name_is_unknown() -> None:
    with pytest.raises(ValueError, match=r"no format 'SplitTrain': known formats are .* HTZOO_PLUGINS adds your own"):
        format_from_dict({"name": "SplitTrain"})
