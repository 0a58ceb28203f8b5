"""The machine and the versions of a measurement."""

from __future__ import annotations

import os
import platform
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import torch

from htzoo import __version__
from htzoo.cores import available_cores
from htzoo.native.library import library, status


def describe_machine(device: torch.device) -> dict[str, Any]:
    """Processor, threads, versions and date, as plain data; ``load`` is the load average of the minute before.

    Args:
        device: where the measurement runs.
    """
    facts: dict[str, Any] = {
        "date": datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "htzoo": __version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cpu": _cpu_name(),
        "vectors": torch.backends.cpu.get_cpu_capability(),
        "compiled_products": library() is not None,
        "engine": status(),
        "cores": available_cores(),
        "threads": torch.get_num_threads(),
        "load": round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None,
        "gpu": None,
    }
    if device.type == "cuda":
        facts["gpu"] = torch.cuda.get_device_name(device)
        facts["cuda"] = torch.version.cuda
        facts["cudnn"] = torch.backends.cudnn.version()  # type: ignore[no-untyped-call]
        facts["tf32"] = torch.backends.cuda.matmul.allow_tf32
    return facts


def machine_line(facts: dict[str, Any]) -> str:
    """The facts of :func:`describe_machine` as one line."""
    processor = f"{facts['cpu']} ({facts['vectors']}), {facts['threads']} of {facts['cores']} cores, {facts['engine']}"
    where = facts["gpu"] or processor
    where += f", load {facts['load']}" if facts["load"] is not None else ""
    return f"{where}; torch {facts['torch']}, htzoo {facts['htzoo']}, Python {facts['python']}; {facts['date']}"


def _cpu_name() -> str:
    """Name of the processor, from Linux or the platform."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
