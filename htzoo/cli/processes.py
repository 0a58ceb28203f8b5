"""Several processes that train together: when one ends too early, all end, and one sentence says which and why."""

from __future__ import annotations

import atexit
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

_FOLDER = "HTZOO_FAILURES"  # where the processes that this one starts say why they ended
_POLL = 0.5  # seconds
_GRACE = 2.0  # seconds in which the others may say what it was


def rank() -> int:
    """Number of this process, from 0, as far as the environment tells before training has begun."""
    for name in ("RANK", "LOCAL_RANK", "SLURM_PROCID"):
        if os.environ.get(name, "").isdigit():
            return int(os.environ[name])
    return 0


def follows_from_another(error: BaseException) -> bool:
    """Whether an error only says that another process is gone."""
    text = f"{type(error).__name__}: {error}"
    return not isinstance(error, ValueError | OSError) and bool(
        re.search(r"gloo|NCCL|Connection (closed|reset)|Broken pipe|DistNetworkError|DistBackendError|TCPStore", text)
    )


def tell(error: Exception, sentence: str) -> str | None:
    """What this process should print about an error that ends it; None where another one says it.

    Args:
        error: what was raised.
        sentence: what it comes to.
    """
    number = rank()
    secondary = follows_from_another(error)
    if number == 0:
        if secondary:
            time.sleep(2 * _GRACE)  # the watch knows which process it was, and ends this one
            return "another process of this run has ended: its own message says why"
        return sentence
    if folder := os.environ.get(_FOLDER):
        if not secondary:
            Path(folder, str(number)).write_text(sentence, encoding="utf-8")
        else:
            time.sleep(_GRACE)
        return None
    return None if secondary else f"process {number}: {sentence}"


def prepare_watch() -> None:
    """Before other processes are started: make the folder in which they say why they end."""
    if not os.environ.get("LOCAL_RANK") and _FOLDER not in os.environ:
        os.environ[_FOLDER] = tempfile.mkdtemp(prefix="htzoo-")
        atexit.register(shutil.rmtree, os.environ[_FOLDER], ignore_errors=True)


def watch_children(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    """End this process and all others when one that it started ends with an error, and say which.

    Args:
        processes: those with the numbers 1, 2, ...
    """
    folder = os.environ.get(_FOLDER, "")

    def said(number: int) -> Path:
        return Path(folder, str(number))

    def failed() -> dict[int, int]:
        codes = {number: process.poll() for number, process in enumerate(processes, 1)}
        return {number: code for number, code in codes.items() if code}

    def watch() -> None:
        while not failed():
            if all(process.poll() == 0 for process in processes):
                return
            time.sleep(_POLL)
        patience = time.monotonic() + _GRACE
        while time.monotonic() < patience and not any(c < 0 or said(n).is_file() for n, c in failed().items()):
            time.sleep(_POLL / 5)  # those that have ended only because another one has say nothing
        codes = failed()
        number = min(codes, key=lambda key: (not said(key).is_file(), codes[key] > 0, key))
        for process in processes:
            process.kill()
        total = len(processes) + 1
        if said(number).is_file():
            _end(f"process {number} of {total}: {said(number).read_text(encoding='utf-8')}")
        _end(f"process {number} of {total} {_how_it_ended(codes[number])}; all others were ended too")

    threading.Thread(target=watch, daemon=True, name="watch of the other processes").start()


def watch_parent() -> None:
    """In a process that another one started: end when that one is gone, and say so."""
    if _FOLDER not in os.environ or rank() == 0:
        return
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_POLL)
        # One that ends by itself has removed the folder, and has said why.
        killed = Path(os.environ[_FOLDER]).is_dir() and rank() == 1
        _end("process 0, which started all others, was ended; so were they" if killed else "")

    threading.Thread(target=watch, daemon=True, name="watch of the first process").start()


def _how_it_ended(code: int) -> str:
    if code >= 0:
        return f"ended with status {code}"
    name = signal.Signals(-code).name if -code in list(signal.Signals) else f"signal {-code}"
    hint = " (often by the system, when memory runs out)" if name == "SIGKILL" else ""
    return f"was ended by {name}{hint}"


def _end(text: str) -> None:
    if text:
        print(f"htzoo: {text}", file=sys.stderr, flush=True)
        shutil.rmtree(os.environ[_FOLDER], ignore_errors=True)
    os._exit(1)
