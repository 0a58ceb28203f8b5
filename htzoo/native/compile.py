"""Compile the C sources of this folder into one library: ``python -m htzoo.native.compile``.

Installing htzoo does this (``hatch_build.py``); nothing is compiled when htzoo runs. The module needs nothing but the
standard library, because the build imports it by its path.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).parent
LIBRARY = FOLDER / ("_compiled" + {"win32": ".dll", "darwin": ".dylib"}.get(sys.platform, ".so"))
_FLAGS = ("-O2", "-fPIC", "-pthread", "-fvisibility=hidden")
_TIMEOUT = 300  # seconds


class Variant(NamedTuple):
    """One way to compile the sources: all are in the library, and the processor decides which one runs.

    Args:
        vector: float32 values of a vector register.
        flags: what the compiler must be told.
    """

    vector: int
    flags: tuple[str, ...]


VARIANTS = {
    "avx2": Variant(8, ("-mavx2", "-mfma")),
    "avx512": Variant(16, ("-mavx512f", "-mavx512vl", "-mavx512dq", "-mavx512bw", "-mfma")),
}
# Only where it was measured to be 1.3 times as fast as PyTorch's products: no Arm yet, for which the
# sources would compile with vectors of 4.
_OF_MACHINE = {"x86_64": ("avx2", "avx512"), "amd64": ("avx2", "avx512")}


class CompileError(Exception):
    """The library cannot be compiled here; the message says why."""


def variants(machine: str | None = None) -> tuple[str, ...]:
    """The variants for a kind of processor, this machine's by default."""
    return _OF_MACHINE.get((machine or platform.machine()).lower(), ())


def digest() -> str:
    """What identifies the sources: a library that was compiled from others must not be called."""
    found = hashlib.sha256()
    for path in sorted((*_sources(), *FOLDER.glob("*.h"), FOLDER / "layout.py", Path(__file__))):
        found.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return found.hexdigest()[:16]


def compile_library(target: Path = LIBRARY, machine: str | None = None) -> None:
    """Compile all variants for this machine into the file ``target``, whole or not at all.

    Args:
        target: the library.
        machine: kind of processor, as :func:`platform.machine` calls it, where ``CC`` is a cross compiler.

    Raises:
        CompileError: there is no C compiler, it fails, or no variant is for this kind of processor.
    """
    names = variants(machine)
    compiler = shlex.split(os.environ.get("CC", "")) or [c for c in ("cc", "gcc", "clang") if shutil.which(c)][:1]
    if not names:
        raise CompileError(f"the C code is not for {machine or platform.machine()} processors")
    if not compiler:
        raise CompileError("there is no C compiler: install gcc or clang, or set CC")
    try:
        temporary_folder = tempfile.TemporaryDirectory(dir=target.parent)
    except OSError as error:
        raise CompileError(f"{target.parent} cannot be written ({error.strerror}): install htzoo anew") from None
    with temporary_folder as temporary:
        folder = Path(temporary)
        (folder / "layout.h").write_text(_layout_header(), encoding="utf-8")
        commands = []
        for name in names:
            vector, flags = VARIANTS[name]
            defined = (f"-DVARIANT={name}", f"-DVECTOR={vector}", f'-DDIGEST="{digest()}"', f"-I{folder}")
            for source in _sources():
                made = folder / f"{source.stem}-{name}.o"
                commands.append([*compiler, *_FLAGS, *flags, *defined, "-c", str(source), "-o", str(made)])
        _run(commands)
        fresh = folder / target.name
        objects = [command[-1] for command in commands]
        _run([[*compiler, "-shared", "-pthread", "-o", str(fresh), *objects]])
        fresh.replace(target)


def _sources() -> list[Path]:
    return sorted(FOLDER.glob("*.c"))


def _layout_header() -> str:
    spec = importlib.util.spec_from_file_location("htzoo_native_layout", FOLDER / "layout.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    header: str = module.c_header()
    return header


def _run(commands: list[list[str]]) -> None:
    """Run all at the same time; raise the first failure when none runs any more."""
    with ThreadPoolExecutor() as pool:
        failures = list(pool.map(_failure, commands))
    for failure in failures:
        if failure is not None:
            raise CompileError(failure)


def _failure(command: list[str]) -> str | None:
    """Why a command failed, or None."""
    compiler = f"the C compiler {command[0]!r}"
    try:
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", timeout=_TIMEOUT
        )
    except OSError as error:
        return f"{compiler} does not start: {error}"
    except subprocess.TimeoutExpired:
        return f"{compiler} takes over {_TIMEOUT} seconds"
    lines = done.stdout.strip().splitlines() or ["without a message"]
    return f"{compiler} fails ({done.returncode}): {lines[0]}" if done.returncode else None


if __name__ == "__main__":
    try:
        compile_library()
    except CompileError as failure:
        sys.exit(f"htzoo: {failure}")
    print(LIBRARY)
