"""What a checkpoint within an epoch must hold beyond the weights: the sums of the metrics so far."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torchmetrics import Metric


def metric_states(metrics: Mapping[str, Metric]) -> dict[str, dict[str, Any]]:
    """The states of metrics, summed over all processes; to be called in each of them.

    Args:
        metrics: name -> metric.

    Returns:
        Name -> state -> tensor or list of tensors, and under ``updates`` how often it was updated.
    """
    states = {}
    for name, metric in metrics.items():
        with metric.sync_context(should_sync=metric.update_called):
            states[name] = {"updates": metric.update_count, **{key: _copy(v) for key, v in metric.metric_state.items()}}
    return states


def restore_metrics(metrics: Mapping[str, Metric], states: Mapping[str, Mapping[str, Any]], first: bool) -> None:
    """Set metrics to what :func:`metric_states` returned.

    Args:
        metrics: name -> metric.
        states: what was returned.
        first: whether this is the first process: it gets the sums, the others begin at zero.
    """
    for name, metric in metrics.items():
        metric.reset()
        if not first or name not in states:
            continue
        for key, value in states[name].items():
            if key == "updates":
                metric._update_count = int(value)
            else:
                setattr(metric, key, _copy(value, metric.device))


def _copy(value: Any, device: torch.device | None = None) -> Any:
    if isinstance(value, torch.Tensor):
        return value.detach().to(device or value.device, copy=True)
    return [_copy(item, device) for item in value]
