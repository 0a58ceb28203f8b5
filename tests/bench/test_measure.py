"""The plain layers are what they claim, and a measurement holds together."""

import json

import pytest
import torch
from torch import nn

from htzoo.bench import measure
from htzoo.bench.baselines import HandLoop
from htzoo.bench.memory import peak_memory
from htzoo.bench.settings import SETTINGS, Setting
from htzoo.bench.table import markdown, results
from htzoo.formats import HierarchicalTucker, TensorTrain, format_classes
from htzoo.nn import LSTM

ALL = [*format_classes().values()]
CPU = torch.device("cpu")
TT = TensorTrain((4, 4, 6), (2, 2, 4), 2)
SMALL = Setting("test", 96, 16, frames=3, batch=2, layers={"TT": {"input_format": TT}})


@pytest.mark.parametrize("cell", ["LSTM", "GRU", "RNN"])
def test_hand_loop_computes_what_pytorch_does(cell: str) -> None:
    reference = getattr(nn, cell)(10, 6, batch_first=True, dtype=torch.float64)
    loop = HandLoop(cell, 10, 6).double()
    with torch.no_grad():
        reference.bias_hh_l0.zero_()
        loop.input.weight.copy_(reference.weight_ih_l0)
        loop.hidden.weight.copy_(reference.weight_hh_l0)
        loop.bias.copy_(reference.bias_ih_l0)
    x = torch.randn(2, 4, 10, dtype=torch.float64)
    torch.testing.assert_close(loop(x)[0], reference(x)[0], rtol=1e-10, atol=1e-10)


def test_peak_memory_counts_what_is_held_at_once() -> None:
    one = 4 * 1000 * 1000

    def work() -> None:
        a = torch.ones(1000, 1000)
        a = a + 1  # two at once
        del a
        torch.ones(1000, 1000)

    assert 2 * one <= peak_memory(work, CPU) < 2.1 * one
    assert not torch.autograd.profiler._is_profiler_enabled  # nothing is left on


def test_rows_and_ratios() -> None:
    entries = {**measure.baselines(SMALL, CPU, hidden_floor=True), **measure.layers(SMALL, CPU)}
    rows = measure.measure(entries, SMALL, CPU, repeats=2)
    assert [row.name for row in rows] == [measure.READING, *entries]
    by_name = {row.name: row for row in rows}
    tt, vendor = by_name["TT"], by_name["torch.nn.LSTM"]
    assert tt.input_parameters == TT.network(96, 16, 4).num_parameters
    assert tt.parameters == tt.input_parameters + 64 * 16 + 64
    assert vendor.parameters == 64 * 96 + 64 * 16 + 2 * 64
    assert vendor.macs == 64 * 96 + 64 * 16
    assert all(row.forward.lower <= row.forward.median <= row.forward.upper for row in rows)
    assert all(parameter.grad is None for entry in entries.values() for parameter in entry.layer.parameters())
    result = json.loads(json.dumps(results(SMALL, rows)))
    found = {row["name"]: row for row in result["rows"]}
    assert found["torch.nn.LSTM"]["faster_than_vendor"] == 1
    assert found["TT"]["faster_than_loop"] == pytest.approx(
        by_name[measure.LOOP].step.median / tt.step.median  # type: ignore[union-attr]
    )
    assert found["TT"]["over_floor"] > 0
    lines = markdown(result, gpu=True).splitlines()
    assert len({line.count("|") for line in lines}) == 1  # a table without holes
    assert len(lines) == 2 + len(rows)


@pytest.mark.parametrize("name", SETTINGS)
def test_shapes_fit_the_settings(name: str) -> None:
    setting = SETTINGS[name](ALL)
    assert {row.split(",")[0] for row in setting.layers} == {cls.__name__ for cls in ALL}
    for formats in setting.layers.values():
        for key, chosen in formats.items():
            columns = {"input_format": setting.input_size, "hidden_format": setting.hidden_size}
            columns["joint_format"] = setting.input_size + setting.hidden_size
            network = chosen.network(columns[key], setting.hidden_size, 4)  # an error where they do not fit
            assert (network.in_features, network.out_features) == (columns[key], 4 * setting.hidden_size)


def test_published_counts() -> None:
    layers = SETTINGS["ucf11"](ALL).layers
    counts = {name: f["input_format"].network(57600, 256, 4).num_parameters for name, f in layers.items() if f}
    wanted = {"HierarchicalTucker": 1245, "TensorTrain": 3360, "TensorRing": 1725, "BlockTerm": 3392}
    assert {name: counts[name] for name in wanted} == wanted


def test_macs_of_a_joint_weight_are_of_both_parts() -> None:
    joint = HierarchicalTucker((4, 4, 7), (2, 2, 4), 2, 2)
    entry = measure.contestant(LSTM(96, 16, batch_first=True, joint_format=joint), SMALL)
    assert entry.input_parameters == joint.network(112, 16, 4).num_parameters
    assert entry.macs is not None and 0 < entry.macs < 64 * 112
    assert measure.compresses_hidden(entry.layer)
    assert not measure.compresses_hidden(LSTM(96, 16, input_format=TT))
