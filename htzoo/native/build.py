"""Compile the C code of this folder with the machine's C compiler, once, and load it."""

from __future__ import annotations

import ctypes
import hashlib
import os
import shlex
import shutil
import subprocess
import tempfile
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import torch

MOST_AXES = 32  # of a tensor that is reordered, as in reorder.h
MOST_THREADS = 64  # as in threads.h
_FOLDER = Path(__file__).parent
_SOURCES = sorted(_FOLDER.glob("*.c"))
_FLAGS = ("-O2", "-shared", "-fPIC", "-pthread")
_X86 = ("-mavx2", "-mfma")  # what every x86 processor that PyTorch calls so has
_PROCESSORS = {"AVX2": _X86, "AVX512": _X86}


@cache
def library() -> ctypes.CDLL | None:
    """The compiled code; None where there is no C compiler, or not this kind of processor.

    The compiler takes seven seconds, the first time. What it made is kept in the user's cache folder
    (``$XDG_CACHE_HOME/htzoo``), under a name that changes with the source, the flags and the compiler.
    """
    flags = _PROCESSORS.get(torch.backends.cpu.get_cpu_capability())
    compiler = (
        shlex.split(os.environ.get("CC", "")) or [name for name in ("cc", "gcc", "clang") if shutil.which(name)][:1]
    )
    if flags is None or not compiler:
        return None
    command = [*compiler, *_FLAGS, *flags]
    parts = [*(source.read_bytes() for source in (*_SOURCES, *sorted(_FOLDER.glob("*.h")))), repr(command).encode()]
    key = hashlib.sha256(b"".join(parts)).hexdigest()[:16]
    try:
        folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "htzoo"
        built = folder / f"native-{key}.so"
        if not built.exists():
            _build(command, built)
        found = ctypes.CDLL(str(built))
    except (OSError, RuntimeError, subprocess.SubprocessError):  # no home, a full disk, a compiler that fails
        return None
    found.htzoo_scratch.restype = ctypes.c_int64
    for name in ("forward", "backward", "recur", "recur_back", "recur_gradient"):
        getattr(found, f"htzoo_{name}").restype = None
    return found


@lru_cache(maxsize=1024)
def array_type(kind: Any, length: int) -> Any:
    """``kind * length``, which ctypes makes anew in every call, for longer than a small product takes."""
    return kind * length


def _build(command: list[str], built: Path) -> None:
    built.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=built.parent) as folder:
        fresh = Path(folder) / built.name
        subprocess.run([*command, "-o", str(fresh), *map(str, _SOURCES)], check=True, capture_output=True, timeout=120)
        fresh.replace(built)  # whole or not at all, whoever else builds it
