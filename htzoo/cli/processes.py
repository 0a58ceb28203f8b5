"""Several processes that train together: when one ends too early, all end, and one sentence says which and why."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

_FOLDER = "HTZOO_FAILURES"  # where the processes that this one starts say why they ended
_POLL = 0.5  # seconds; Lightning's own observer, which says nothing, looks every five
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
            time.sleep(_GRACE + 4 * _POLL)  # the watch knows which process it was, and ends this one
            return "another process of this run has ended: its own message says why"
        return sentence
    if folder := os.environ.get(_FOLDER):
        if not secondary:
            Path(folder, str(number)).write_text(sentence, encoding="utf-8")
        else:
            time.sleep(_GRACE)
        return None
    return None if secondary else f"process {number}: {sentence}"


def watch_children(started: Callable[[], Sequence[subprocess.Popen[bytes]]]) -> None:
    """End this process and all others when one that it started ends with an error, and say which.

    Args:
        started: the processes with the numbers 1, 2, ...; none as long as they are not started.
    """
    if os.environ.get("LOCAL_RANK") or _FOLDER in os.environ:
        return
    folder = tempfile.mkdtemp(prefix="htzoo-")
    os.environ[_FOLDER] = folder

    def watch() -> None:
        while True:
            time.sleep(_POLL)
            processes = started()
            codes = [process.poll() for process in processes]
            if codes and all(code == 0 for code in codes):
                return
            if any(codes):
                break
        time.sleep(_GRACE)  # others may have ended for a better reason
        codes = [process.poll() for process in processes]
        said = {number: Path(folder, str(number)) for number, code in enumerate(codes, 1) if code}
        number = min(said, key=lambda key: (not said[key].is_file(), (codes[key - 1] or 0) > 0, key))
        for process in processes:
            process.kill()
        total = len(processes) + 1
        if said[number].is_file():
            text = f"process {number} of {total}: {said[number].read_text(encoding='utf-8')}"
        else:
            text = f"process {number} of {total} {_how_it_ended(codes[number - 1] or 0)}; all others were ended too"
        _end(text)

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


def clean_up() -> None:
    """Remove what the watch needed."""
    folder = os.environ.get(_FOLDER)
    if folder is not None and rank() == 0:
        shutil.rmtree(folder, ignore_errors=True)
        del os.environ[_FOLDER]


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
