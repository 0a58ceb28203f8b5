"""Stop a training run on a signal or a time limit, after the current step, so that it can go on there."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

# SIGUSR1 is what SLURM is usually told to send before a job's time is over (`--signal=USR1@90`).
_NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1")
_Handler = Callable[[int, FrameType | None], Any] | int | None


class Stopped(BaseException):
    """The run was asked to stop; no error, so that nothing takes it for one on the way.

    Attributes:
        signal: the signal that asked for it, whichever process received it; None for a time limit.
        saved: whether a checkpoint holds everything up to this moment; then all processes stop together.
    """

    def __init__(self, text: str, by: signal.Signals | None = None, saved: bool = False) -> None:
        super().__init__(text)
        self.signal = by
        self.saved = saved


class StopSignals:
    """Keeps a signal until the training step has ended; where nothing is trained, raises :class:`Stopped` at once.

    A second signal is not kept. Signals that the parent process chose to ignore (``nohup``) stay ignored.

    Attributes:
        received: the signal that waits for the end of the step.
        waiting: whether signals are kept.
    """

    def __init__(self) -> None:
        self.received: signal.Signals | None = None
        self.waiting = False
        self._process = os.getpid()
        self._before: dict[signal.Signals, _Handler] = {}

    def install(self) -> None:
        """Take over the signals; again, where something else has taken them over since."""
        if threading.current_thread() is not threading.main_thread():
            return
        for name in _NAMES:
            number = getattr(signal, name, None)  # Windows has no SIGHUP
            if number is None or signal.getsignal(number) in (signal.SIG_IGN, self._handle):
                continue
            self._before.setdefault(number, signal.getsignal(number))
            signal.signal(number, self._handle)

    def restore(self) -> None:
        """Give the signals back to what had them before."""
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if os.getpid() != self._process:
            return  # a worker of the loader, which ends with its parent
        if self.waiting and self.received is None:
            self.received = signal.Signals(number)
        else:
            raise Stopped(f"stopped by {signal.Signals(number).name}", signal.Signals(number))
