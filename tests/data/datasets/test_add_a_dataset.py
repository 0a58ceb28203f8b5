"""The worked example of docs/add_a_dataset.md: its file, its configuration and its commands, as they stand there."""

import os
import re
import shlex
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from htzoo.data import write_video
from tests.cli.command import ROOT

PAGE = (ROOT / "docs" / "add_a_dataset.md").read_text(encoding="utf-8")


def block(language: str) -> str:
    """The one block of code of this language."""
    (found,) = re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of the page, and an archive of 20 clips in a folder of its own, with files that are no clips."""
    folder = tmp_path_factory.mktemp("kitchen")
    (folder / "kitchen.py").write_text(block("python"))
    (folder / "kitchen_ht.yaml").write_text(block("yaml"))
    rng = np.random.default_rng(0)
    with zipfile.ZipFile(folder / "kitchen.zip", "w") as archive:
        for label in ("cut", "stir"):
            for person in ("ann", "ben", "cem", "dua", "eli"):
                for number in (1, 2):
                    clip = folder / "clip.mp4"
                    write_video(clip, rng.integers(0, 255, (6, 48, 64, 3), np.uint8), 12)
                    archive.write(clip, f"Kitchen-1.0/{label}/{person}_{number}.mp4")
        archive.writestr("Kitchen-1.0/README.md", "Kitchen")
        archive.write(clip, "Kitchen-1.0/trailer/all_1.mp4")
    return folder


def test_it_is_short() -> None:
    assert len(block("python").splitlines()) <= 60


def test_its_commands(folder: Path) -> None:
    exported, *commands = block("sh").splitlines()
    assert exported == "export PYTHONPATH=. HTZOO_PLUGINS=kitchen"
    path = os.pathsep.join((".", str(ROOT)))
    environment = {**os.environ, "PYTHONPATH": path, "HTZOO_PLUGINS": "kitchen", "OMP_NUM_THREADS": "1"}
    words = [shlex.split(command)[1:] for command in commands if command.startswith("htzoo ")]
    assert len(words) == len(commands)
    code = (  # one process: importing Lightning takes seconds
        "import sys\nfrom htzoo.cli.main import main\n"
        f"for words in {words}:\n    print('$', *words[:2])\n    assert main(words) == 0\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    said = dict(part.split("\n", 1) for part in done.stdout.split("$ ")[1:])
    assert re.search(r"^kitchen +Kitchen +2 ", said["data list"], re.MULTILINE)
    assert "20 clips" in said["data prepare"]
    assert re.search(r"^groups +3 +1 +1$", said["data show"], re.MULTILINE)
    assert "accuracy" in said["fit --config"]
    assert len(list((folder / "runs" / "kitchen_ht").glob("*/summary.json"))) == 1


def test_in_the_package(folder: Path) -> None:
    """The same file among the datasets of the package: nothing else says its name."""
    code = (
        "import htzoo.data.datasets as package\n"
        f"package.__path__.append({str(folder)!r})\n"
        "from htzoo.data.datasets.registry import find_listing\n"
        "import htzoo.data\n"
        "assert find_listing('kitchen').module == 'htzoo.data.datasets.kitchen'\n"
        "assert 'kitchen' in htzoo.data.dataset_names() and 'Kitchen' in dir(htzoo.data)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
