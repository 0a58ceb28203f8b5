"""Learning rate over a run."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Literal

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, OneCycleLR

Schedule = Literal["one_cycle", "cosine", "constant", "inverse_time", "steps"]


def make_schedule(
    optimizer: Optimizer, schedule: Schedule, steps: float, epochs: int | None, decay: float, milestones: Sequence[int]
) -> LRScheduler | None:
    """A scheduler to be stepped every batch; None where the rate stays.

    Args:
        optimizer: has the rate to start from, or the highest of ``one_cycle``.
        schedule: ``one_cycle`` rises over the first 30 % of the run and falls to almost nothing
            (:class:`torch.optim.lr_scheduler.OneCycleLR`, which moves momentum or beta_1 the other way), ``cosine``
            only falls, ``constant`` stays, ``inverse_time`` divides by 1 + decay * step, ``steps`` multiplies by decay
            at every milestone.
        steps: batches of the whole run; infinite where it has no end.
        epochs: epochs of the whole run, where they are known.
        decay: see above.
        milestones: epochs, counted from 0, from which on ``steps`` has a new rate.

    Raises:
        ValueError: the schedule needs an end, and the run has none.
    """
    if schedule == "constant":
        return None
    if schedule == "inverse_time":
        return LambdaLR(optimizer, lambda step: 1 / (1 + decay * step))
    if math.isinf(steps) or (schedule == "steps" and not epochs):
        end = "max_epochs" if schedule == "steps" else "max_epochs or max_steps"
        raise ValueError(f"schedule is {schedule!r}, which needs an end: give {end}, or schedule constant")
    if schedule == "one_cycle":
        return OneCycleLR(optimizer, max_lr=[group["lr"] for group in optimizer.param_groups], total_steps=int(steps))
    if schedule == "cosine":
        return LambdaLR(optimizer, lambda step: (1 + math.cos(math.pi * min(step / steps, 1))) / 2)
    an_epoch = steps / (epochs or 1)
    return LambdaLR(optimizer, lambda step: decay ** sum(step >= round(m * an_epoch) for m in milestones))


def set_position(scheduler: LRScheduler, steps: int) -> None:
    """Bring a new scheduler to where it is after so many steps."""
    if steps:
        scheduler.last_epoch = steps - 1
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*lr_scheduler.step", category=UserWarning)
            scheduler.step()
