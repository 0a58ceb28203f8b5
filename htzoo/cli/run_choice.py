"""Which run is meant: a configuration without ``--config``, a run to go on with, the name of a new one."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from htzoo.configs import expand_home
from htzoo.names import printable

RUNS = "runs"
_CONFIG = ("-c", "--config")


def spelled_out(words: Sequence[str]) -> list[str]:
    """The command line as the parser knows it.

    ``htzoo fit NAME`` becomes ``htzoo fit --config NAME``; ``--resume RUN`` becomes ``--ckpt_path RUN``, and where a
    checkpoint lies in the folder of a run and no configuration is given, that of the run is added.

    Raises:
        ValueError: ``--resume`` names no run, or stands beside ``--ckpt_path``.
    """
    command, rest = words[0], [_expanded(word) for word in words[1:]]
    if rest and not rest[0].startswith("-"):
        rest[:1] = ["--config", rest[0]]
    resume = _take(rest, "--resume")
    checkpoint = _value(rest, "--ckpt_path")
    if resume is not None:
        if checkpoint is not None:
            raise ValueError(f"--resume {resume} and --ckpt_path {checkpoint} are both given: leave one of them out")
        run = Path(resume)
        if not (run / "checkpoints" / "last.ckpt").is_file():
            raise ValueError(
                f"--resume is {printable(resume)!r}, which is no run with a checkpoints/last.ckpt: give the folder "
                f"of a run, {RUNS}/NAME/TIME"
            )
        checkpoint = str(run)
        rest += ["--ckpt_path", checkpoint]
    if checkpoint is not None and not any(word.split("=")[0] in _CONFIG for word in rest):
        run_of = run_folder(Path(checkpoint))
        if run_of is not None:
            rest = ["--config", str(next(run_of.glob("*.yaml"))), *rest]
    return [command, *rest]


def run_folder(path: Path) -> Path | None:
    """The run that a folder or a checkpoint belongs to; None where it is of none."""
    folder = path if path.is_dir() else path.parent.parent
    inside = path.is_dir() or path.parent.name == "checkpoints"
    return folder if inside and (folder / "checkpoints").is_dir() and any(folder.glob("*.yaml")) else None


def find_checkpoint(given: str, runs: Path, usual: str) -> Path:
    """The file of a checkpoint.

    Args:
        given: a file, the folder of a run, or ``last`` or ``best`` of the newest run.
        runs: folder of all runs of this name.
        usual: the checkpoint of a run that is taken where the folder is given, ``last`` or ``best``.

    Raises:
        FileNotFoundError: there is none.
    """
    if given in ("last", "best") and not Path(given).exists():
        found = [folder for folder in runs.glob("*") if (folder / "checkpoints" / f"{given}.ckpt").is_file()]
        if not found:
            raise FileNotFoundError(
                f"--ckpt_path is {given!r}, but no run in {runs} has a {given}.ckpt: give the folder of a run"
            )
        newest = max(found, key=lambda folder: (folder / "checkpoints" / f"{given}.ckpt").stat().st_mtime)
        return newest / "checkpoints" / f"{given}.ckpt"
    path = Path(given)
    return path / "checkpoints" / f"{usual}.ckpt" if path.is_dir() else path


def checked_name(name: str) -> str:
    """A name that can be the name of a folder.

    Raises:
        ValueError: it cannot.
    """
    if not name or name in (".", "..") or "/" in name or os.sep in name or printable(name) != name or "\n" in name:
        raise ValueError(f"--name is {printable(name)!r}: give a name of letters, digits, - and _")
    return name


def _expanded(word: str) -> str:
    """A word whose value begins in the home folder, which a shell does not expand behind ``=`` or in quotes."""
    option, equals, value = word.partition("=")
    return f"{option}={expand_home(value)}" if equals and word.startswith("--") else str(expand_home(word))


def _take(words: list[str], option: str) -> str | None:
    """The value of an option, which is removed."""
    for index, word in enumerate(words):
        if word == option and index + 1 < len(words):
            del words[index]
            return words.pop(index)
        if word.startswith(f"{option}="):
            return words.pop(index).partition("=")[2]
    return None


def _value(words: Sequence[str], option: str) -> str | None:
    return _take(list(words), option)
