"""Runs ``htzoo`` in a process of its own, as a user's shell would."""

import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]

# A server that has imported torch and Lightning, but computed nothing, and is forked for every command: it behaves as
# a new interpreter does, without the seconds that the imports take.
_SERVER = multiprocessing.get_context("forkserver")
_SERVER.set_forkserver_preload(["htzoo.cli.training", "matplotlib.backends.backend_agg", "timm"])


def htzoo_command(*words: str, folder: Path, status: int = 0, fresh: bool = False) -> subprocess.CompletedProcess[str]:
    """Run one command in `folder`, and check its exit status.

    Args:
        words: what stands behind ``htzoo``.
        folder: where it runs; made where it is not there.
        status: the exit status that is expected.
        fresh: whether to start a new interpreter, as a run of several processes needs, which starts itself again.
    """
    folder.mkdir(exist_ok=True)
    os.environ["OMP_NUM_THREADS"] = "1"
    if fresh:
        command = [sys.executable, "-m", "htzoo", *words]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        result = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False
        )
    else:
        with tempfile.TemporaryDirectory() as streams:
            paths = Path(streams) / "stdout", Path(streams) / "stderr"
            process = _SERVER.Process(target=_run, args=(words, folder, paths))
            process.start()
            process.join(300)
            exit_status = process.exitcode
            process.kill()
            result = subprocess.CompletedProcess(words, exit_status, *(path.read_text() for path in paths))
    assert result.returncode == status, result.stdout + result.stderr
    return result


def _run(words: Sequence[str], folder: Path, streams: Sequence[Path]) -> None:
    for number, path in zip((1, 2), streams, strict=True):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND), number)
    os.chdir(folder)
    sys.argv = ["htzoo", *words]
    from htzoo.cli.main import console

    console()
