"""What is installed."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from htzoo.data import MovingDigits

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        str(ROOT),
        "--no-deps",
        "--no-build-isolation",
        "-q",
        "-w",
        str(folder),
    ]
    subprocess.run(command, check=True)
    (found,) = folder.glob("htzoo-*.whl")
    return found


def test_wheel_carries_configs_checkpoints_and_sources(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {f"htzoo/_configs/{path.name}" for path in (ROOT / "configs").glob("*.yaml")} <= names
    assert {"htzoo/_checkpoints/README.md", "htzoo/py.typed", "htzoo/cli/main.py"} <= names
    sources = [path for path in (ROOT / "htzoo" / "native").iterdir() if path.suffix in (".c", ".h")]
    assert sources and {f"htzoo/native/{path.name}" for path in sources} <= names
    assert not any(name.startswith(("tests", "benchmarks", "data")) for name in names)


def test_installed_package_finds_its_configs_from_any_folder(wheel: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    code = "import htzoo, htzoo.configs as c; print(htzoo.__file__); print(c.find_config('moving_digits_ht'))"
    command = [sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, {str(tmp_path / 'site')!r}); {code}"]
    printed = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout.split()
    assert printed[0].startswith(str(tmp_path))
    assert printed[1] == str(tmp_path / "site" / "htzoo" / "_configs" / "moving_digits_ht.yaml")


def test_installed_package_labels_a_clip_without_network(wheel: Path, few_root: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    clip = next(clip for clip in MovingDigits(root=str(few_root)).list_clips() if clip.group == "25")
    code = f"""
import socket, sys
def refuse(*arguments): raise AssertionError("a connection was asked for")
socket.socket.connect = socket.getaddrinfo = refuse
sys.path.insert(0, {str(tmp_path / "site")!r})
import htzoo
print(htzoo.__file__, htzoo.from_pretrained("moving_digits_ht").classify({str(clip.path)!r})[0][0])
"""
    result = subprocess.run([sys.executable, "-I", "-c", code], cwd=tmp_path, capture_output=True, text=True)
    place, label = result.stdout.split()
    assert place.startswith(str(tmp_path)) and label == MovingDigits.classes[clip.label]


def test_import_is_light() -> None:
    code = "import sys, htzoo; print(sorted({'torch', 'lightning', 'numpy'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
