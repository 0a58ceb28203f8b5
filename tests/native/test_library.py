"""Compiled when installed, loaded from nowhere else, and done without where it is not there."""

import ctypes
import importlib
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import torch

from htzoo.formats import TensorTrain
from htzoo.formats.chain import chain_of
from htzoo.native import compile as compiling
from htzoo.native import layout
from htzoo.native import library as loading

ROOT = Path(__file__).parents[2]
COMPILES = bool(compiling.variants()) and subprocess.run(["sh", "-c", "command -v cc gcc clang"]).returncode == 0
needs_compiler = pytest.mark.skipif(not COMPILES, reason="no C compiler, or the code is not for this processor")


def build_wheel(folder: Path, **environment: str) -> tuple[Path, str]:
    """A wheel of this checkout, and what the build printed."""
    command = [sys.executable, "-m", "pip", "wheel", str(ROOT), "--no-deps", "--no-build-isolation", "-v", "-w"]
    environment = {**os.environ, **environment}
    done = subprocess.run([*command, str(folder)], env=environment, capture_output=True, text=True, check=True)
    (wheel,) = folder.glob("htzoo-*.whl")
    return wheel, done.stdout + done.stderr


def run_installed(wheel: Path, folder: Path, code: str) -> str:
    """What ``code`` prints with the wheel's files, from another folder."""
    zipfile.ZipFile(wheel).extractall(folder / "site")
    command = [sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, {str(folder / 'site')!r})\n{code}"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout


FORWARD = """
import torch, htzoo.native.library as native
from htzoo.formats import TensorTrain
from htzoo.nn import LSTM
torch.manual_seed(0)
layer = LSTM(60, 16, input_format=TensorTrain((3, 4, 5), (2, 4, 2), 3))
x = torch.randn(4, 3, 60)
print(native.status())
print(float((layer(x)[0] - layer.to_dense()(x)[0]).abs().max()))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel that this machine's compiler makes."""
    return build_wheel(tmp_path_factory.mktemp("wheel"))[0]


@pytest.fixture(scope="module")
def compiled(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its library, in a folder of its own."""
    target = tmp_path_factory.mktemp("library") / compiling.LIBRARY.name
    target.write_bytes(zipfile.ZipFile(wheel).read(f"htzoo/native/{target.name}"))
    return target


@needs_compiler
def test_the_wheel_carries_the_library(wheel: Path, tmp_path: Path) -> None:
    assert wheel.name.split("-")[2:4] == ["py3", "none"] and "any" not in wheel.name
    assert f"htzoo/native/{compiling.LIBRARY.name}" in zipfile.ZipFile(wheel).namelist()
    status, error = run_installed(wheel, tmp_path, FORWARD).splitlines()
    assert status.startswith("compiled code, ") and float(error) < 1e-5


@pytest.mark.parametrize("compiler", ["false", "no-such-compiler-anywhere"])
def test_without_a_compiler_the_wheel_is_pure_and_says_so(compiler: str, tmp_path: Path) -> None:
    wheel, printed = build_wheel(tmp_path, CC=compiler)
    assert wheel.name.endswith("-py3-none-any.whl")
    assert "without compiled code" in printed and compiler in printed
    names = zipfile.ZipFile(wheel).namelist()
    assert f"htzoo/native/{compiling.LIBRARY.name}" not in names and "htzoo/native/chain.c" in names
    status, error = run_installed(wheel, tmp_path, FORWARD).splitlines()
    assert "was not built when htzoo was installed" in status and float(error) < 1e-5


@needs_compiler
def test_compiling_is_whole_or_not_at_all(compiled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = compiled
    loaded = ctypes.CDLL(str(target))
    for variant in compiling.variants():
        assert loading._function(loaded, "digest", variant, ctypes.c_char_p)() == compiling.digest().encode()
    before = target.read_bytes()
    monkeypatch.setenv("CC", "false")
    with pytest.raises(compiling.CompileError, match=r"'false' fails \(1\)"):
        compiling.compile_library(target)
    assert list(target.parent.iterdir()) == [target] and target.read_bytes() == before


def test_what_cannot_be_compiled_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(compiling.CompileError, match="not for riscv64 processors"):
        compiling.compile_library(tmp_path / "library", "riscv64")
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(compiling.CompileError, match="install gcc or clang"):
        compiling.compile_library(tmp_path / "library", "x86_64")


@needs_compiler
def test_a_library_of_other_sources_is_not_called(compiled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "LIBRARY", compiled)
    assert loading._load.__wrapped__()[0]
    monkeypatch.setattr(loading, "digest", lambda: "another")
    assert "was built from other sources" in loading._load.__wrapped__()[1]


@pytest.mark.parametrize(
    ("content", "said"), [(None, "was not built"), (b"", "cannot be loaded"), (b"\x7fELF", "cannot be loaded")]
)
def test_a_library_that_is_missing_or_damaged(
    content: bytes | None, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "library"
    if content is not None:
        path.write_bytes(content)
    monkeypatch.setattr(loading, "LIBRARY", path)
    if not compiling.variants():
        said = "not for this processor"
    found, status = loading._load.__wrapped__()
    assert found == () and said in status


def test_nothing_is_loaded_from_a_cache_folder(tmp_path: Path) -> None:
    """Nor written there."""
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path), "HOME": str(tmp_path)}
    subprocess.run([sys.executable, "-c", FORWARD], env=environment, check=True, capture_output=True, cwd=ROOT)
    assert list(tmp_path.rglob("*.so")) == []


def test_structures_have_the_same_size_in_c(tmp_path: Path) -> None:
    """The header is derived from the classes: compile it and ask."""
    if not COMPILES:
        pytest.skip("no C compiler")
    (tmp_path / "layout.h").write_text(layout.c_header())
    names = [structure.__name__ for structure in layout.STRUCTURES]
    printed = "".join(f'printf("%zu ", sizeof({name}));' for name in names)
    (tmp_path / "main.c").write_text(f'#include <stdio.h>\n#include "layout.h"\nint main(void) {{ {printed} }}')
    subprocess.run(["cc", "main.c", "-o", "main"], cwd=tmp_path, check=True)
    sizes = subprocess.run(["./main"], cwd=tmp_path, check=True, capture_output=True, text=True).stdout.split()
    assert [int(size) for size in sizes] == [ctypes.sizeof(structure) for structure in layout.STRUCTURES]


def test_without_it_chains_are_of_pytorch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.import_module("htzoo.formats.chain"), "library", lambda: None)
    network = TensorTrain((2, 5), (5, 2), 2).network(10, 10)
    assert not chain_of(network, 5, torch.device("cpu"), torch.float32, input_gradient=True).native
