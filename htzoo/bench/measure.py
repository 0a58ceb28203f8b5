"""Run layers in turns and time them."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from time import perf_counter

import torch
from torch import Tensor, nn
from tqdm import tqdm

import htzoo.nn
from htzoo.bench.baselines import FLOOR_RANK, GATES, HandLoop, vendor_layer
from htzoo.bench.memory import peak_memory
from htzoo.bench.settings import Setting
from htzoo.formats import Dense, count_macs
from htzoo.formats.chain import machine_of
from htzoo.formats.column_slice import columns_of
from htzoo.nn.recurrent_layer import Recurrent

WARM_UP = 2  # rounds that are not counted
READING = "one read of the frames"
LOOP = "dense product, hand loop"
FLOOR = f"two plain products of rank {FLOOR_RANK}"


@dataclass(frozen=True)
class Time:
    """Median and quartiles, in milliseconds."""

    median: float
    lower: float
    upper: float

    @staticmethod
    def of(measured: list[float]) -> Time:
        """Of some measurements in seconds."""
        if len(measured) == 1:
            return Time(*(1e3 * measured[0],) * 3)
        lower, median, upper = statistics.quantiles(measured, n=4, method="inclusive")
        return Time(1e3 * median, 1e3 * lower, 1e3 * upper)


@dataclass(frozen=True)
class Row:
    """The measurements of one layer.

    Args:
        name: of the layer.
        baseline: whether it is one of the layers that the others are compared with.
        input_parameters: parameters of the input-to-hidden weight, or of the joint weight if there is one.
        parameters: parameters of the whole layer.
        macs: MACs of both weights for one frame, forward, as planned; None if nothing is planned.
        forward: time of the whole sequence, without gradients.
        step: time of forward and backward with the gradients of all parameters; None if there is nothing to train.
        memory: maximum bytes held at any moment of a step beyond what was held before: what is kept for the backward,
            temporary results, and the gradients.
    """

    name: str
    baseline: bool
    input_parameters: int
    parameters: int
    macs: int | None
    forward: Time
    step: Time | None
    memory: int | None


@dataclass(frozen=True)
class Contestant:
    """A layer to be measured.

    Args:
        layer: maps frames (batch, time, input_size) to a tuple that begins with outputs (batch, time, hidden_size).
        baseline: see :class:`Row`.
        input_parameters: see :class:`Row`.
        macs: see :class:`Row`.
    """

    layer: nn.Module
    baseline: bool
    input_parameters: int
    macs: int | None


def baselines(setting: Setting, device: torch.device, *, hidden_floor: bool) -> dict[str, Contestant]:
    """The layers to compare with: PyTorch's, the dense product with a loop written by hand, and the floor.

    Args:
        setting: the sizes.
        device: where they live.
        hidden_floor: whether there is also a floor whose hidden-to-hidden weight is two plain products too.
    """
    sizes = setting.input_size, setting.hidden_size
    width = GATES[setting.cell] * setting.hidden_size
    dense = setting.input_size * width
    hidden = setting.hidden_size * width
    skinny = FLOOR_RANK * (setting.input_size + width)
    both = skinny + FLOOR_RANK * (setting.hidden_size + width)
    found = {
        f"torch.nn.{setting.cell}": Contestant(vendor_layer(setting.cell, *sizes), True, dense, dense + hidden),
        LOOP: Contestant(HandLoop(setting.cell, *sizes), True, dense, dense + hidden),
        FLOOR: Contestant(HandLoop(setting.cell, *sizes, input_rank=FLOOR_RANK), True, skinny, skinny + hidden),
    }
    if hidden_floor:
        layer = HandLoop(setting.cell, *sizes, input_rank=FLOOR_RANK, hidden_rank=FLOOR_RANK)
        found[f"{FLOOR}, hidden too"] = Contestant(layer, True, skinny, both)
    for contestant in found.values():
        contestant.layer.to(device)
    return found


def layers(setting: Setting, device: torch.device) -> dict[str, Contestant]:
    """The layers of the setting, freshly initialised."""
    make = getattr(htzoo.nn, setting.cell)
    return {
        name: contestant(
            make(setting.input_size, setting.hidden_size, batch_first=True, device=device, **formats), setting
        )
        for name, formats in setting.layers.items()
    }


def contestant(layer: Recurrent, setting: Setting) -> Contestant:
    """A layer of :mod:`htzoo.nn` with its parameters and MACs."""
    parameter = next(layer.parameters())
    size = input_parameters = 0
    for name, weight in layer.matrices().items():
        columns = weight.network.in_features
        parts = {name: weight.network}
        if not name.startswith(("weight_ih", "weight_hh")):  # a joint weight: the two are multiplied apart
            split = columns - setting.hidden_size
            parts = {
                "weight_ih": columns_of(weight.network, 0, split).network,
                "weight_hh": columns_of(weight.network, split, columns).network,
            }
        for part, network in parts.items():
            rows = setting.batch * (1 if part.startswith("weight_hh") else setting.frames)
            wanted = part.startswith("weight_hh")
            machine = machine_of(network, rows, parameter.device, parameter.dtype, input_gradient=wanted)
            size += count_macs(network, rows, machine)
        if not name.startswith("weight_hh"):
            input_parameters += weight.num_parameters
    return Contestant(layer, False, input_parameters, size)


def compresses_hidden(layer: nn.Module) -> bool:
    """Whether a layer's hidden-to-hidden weight, or its joint weight, is not dense."""
    weights = layer.matrices() if isinstance(layer, Recurrent) else {}
    return any(not isinstance(part.format, Dense) for name, part in weights.items() if not name.startswith("weight_ih"))


def measure(
    contestants: Mapping[str, Contestant], setting: Setting, device: torch.device, repeats: int, seed: int = 0
) -> list[Row]:
    """Time all layers in turns, so that whatever slows the machine slows all of them alike.

    In every round each layer runs its forward once and a step once. The frames are random numbers; they get no
    gradient. A bar on standard error shows how far it is.

    Args:
        contestants: name -> layer; a baseline that is not trained is added: reading all frames once.
        setting: the sizes.
        device: where it runs.
        repeats: rounds that are counted, after two that are not.
        seed: of the frames.
    """
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(setting.batch, setting.frames, setting.input_size, generator=generator).to(device)
    upstream = torch.randn(setting.batch, setting.frames, setting.hidden_size, generator=generator).to(device)
    forwards: dict[str, list[float]] = {READING: [], **{name: [] for name in contestants}}
    steps: dict[str, list[float]] = {name: [] for name in contestants}
    memory: dict[str, int] = {}
    with tqdm(total=(WARM_UP + repeats) * len(contestants), desc="measuring", leave=False, disable=None) as bar:
        for repeat in range(-WARM_UP, repeats):
            reading = seconds(x.sum, device)
            for name, entry in contestants.items():
                bar.set_postfix_str(name)
                forward, step = partial(_forward, entry.layer, x), partial(_step, entry.layer, x, upstream)
                taken = seconds(forward, device), seconds(step, device)
                if repeat >= 0:
                    forwards[name].append(taken[0])
                    steps[name].append(taken[1])
                elif repeat == -1:
                    _clear(entry.layer)
                    memory[name] = peak_memory(step, device)
                _clear(entry.layer)
                bar.update()
            if repeat >= 0:
                forwards[READING].append(reading)
    rows = [Row(READING, True, 0, 0, None, Time.of(forwards[READING]), None, None)]
    for name, entry in contestants.items():
        parameters = sum(value.numel() for value in entry.layer.parameters())
        times = Time.of(forwards[name]), Time.of(steps[name])
        rows.append(Row(name, entry.baseline, entry.input_parameters, parameters, entry.macs, *times, memory[name]))
    return rows


@torch.no_grad()
def _forward(layer: nn.Module, x: Tensor) -> None:
    layer(x)


def _step(layer: nn.Module, x: Tensor, upstream: Tensor) -> None:
    layer(x)[0].backward(upstream)


def _clear(layer: nn.Module) -> None:
    for parameter in layer.parameters():
        parameter.grad = None


def seconds(work: Callable[[], object], device: torch.device) -> float:
    """Seconds that the device works. On a GPU, timing starts when its queue is empty."""
    if device.type != "cuda":
        start = perf_counter()
        work()
        return perf_counter() - start
    begin = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
    end = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
    torch.cuda.synchronize(device)
    begin.record()
    work()
    end.record()
    end.synchronize()
    return float(begin.elapsed_time(end)) / 1e3
