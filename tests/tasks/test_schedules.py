"""Learning rates of the published protocols."""

import math

import pytest
import torch

from htzoo.tasks.schedules import make_schedule


def rates(steps: int, **options: object) -> list[float]:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    scheduler = make_schedule(optimizer, **{"steps": steps, "epochs": 10, "decay": 0.5, "milestones": (), **options})
    found = []
    for _ in range(steps):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if scheduler is not None:
            scheduler.step()
    return found


def test_inverse_time_and_steps() -> None:
    assert rates(4, schedule="inverse_time") == pytest.approx([0.1 / (1 + 0.5 * k) for k in range(4)])
    found = rates(20, schedule="steps", milestones=(3, 6))  # two batches an epoch
    assert found == pytest.approx([0.1] * 6 + [0.05] * 6 + [0.025] * 8)


@pytest.mark.parametrize(("schedule", "give"), [("cosine", "max_epochs or max_steps"), ("steps", "max_epochs")])
def test_a_schedule_needs_an_end(schedule: str, give: str) -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    with pytest.raises(ValueError, match=f"schedule is '{schedule}', which needs an end: give {give}, or"):
        make_schedule(optimizer, schedule, math.inf, None, 0.5, (1,))
