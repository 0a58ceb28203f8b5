"""Runs in jobs of SLURM: put the job back into the queue when its time is over, and go on when it starts again."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path


def job_id() -> str | None:
    """The id of the job that this process belongs to, ``4711`` or ``4711_3`` of an array; None outside SLURM."""
    array, task = os.environ.get("SLURM_ARRAY_JOB_ID"), os.environ.get("SLURM_ARRAY_TASK_ID")
    found = f"{array}_{task}" if array and task else os.environ.get("SLURM_JOB_ID", "")
    return found if re.fullmatch(r"[0-9_]+", found) else None


def interrupted_run(runs: Path, command: str) -> Path | None:
    """The run of this job, and of the same command, before the job was put back into the queue; None in a first start.

    Args:
        runs: folder of all runs of this name.
        command: the command line, as the configuration of the run has it in its first lines.
    """
    job = job_id()
    if job is None or int(os.environ.get("SLURM_RESTART_COUNT") or 0) < 1:
        return None
    ours = re.compile(rf"_job{job}(-\d+)?$")  # a number is appended where two runs began at once
    for folder in sorted(filter(lambda run: ours.search(run.name), runs.glob("*_job*")), reverse=True):
        configurations = list(folder.glob("*.yaml"))
        if not (folder / "checkpoints" / "last.ckpt").is_file() or len(configurations) != 1:
            continue
        if f"# {command}" in configurations[0].read_text(encoding="utf-8").splitlines()[:5]:
            return folder
    return None


def requeue() -> str:
    """Put this job back into the queue; what came of it, in words, "" outside SLURM."""
    job = job_id()
    if job is None:
        return ""
    try:
        done = subprocess.run(["scontrol", "requeue", job], capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"job {job} could not be put back into the queue ({error})"
    if done.returncode:
        return f"job {job} could not be put back into the queue ({done.stderr.strip() or done.returncode})"
    return f"job {job} is in the queue again and will go on by itself"
