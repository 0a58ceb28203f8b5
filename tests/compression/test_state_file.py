"""Weights in the files that programs write."""

import argparse
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from htzoo.compression.state_file import Layers, StateFile
from tests.compression.models import Normed, Tagger


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: state,
        lambda state: {"epoch": 3, "model_state": state, "optimizer": {"lr": 0.1}},
        lambda state: {"model": state, "model_ema": {key: 0 * value for key, value in state.items()}},
        lambda state: {"checkpoint": {"net": {f"module._orig_mod.{key}": value for key, value in state.items()}}},
        lambda state: {"args": argparse.Namespace(out=Path("runs/1"), lr=0.1), "state_dict": state},
    ],
    ids=["bare", "model_state", "ema", "deep", "namespace"],
)
@pytest.mark.parametrize("name", ["w.pt", "checkpoint.pth.tar", "w.bin"])
def test_state_dicts_of_checkpoints(wrap: Any, name: str, tmp_path: Path) -> None:
    model = Tagger()
    torch.save(wrap(model.state_dict()), tmp_path / name)
    file = StateFile(tmp_path / name)
    assert file.state.keys() == model.state_dict().keys()
    assert torch.equal(file.state["gru.weight_hh_l0"], model.gru.weight_hh_l0)
    assert list(file.layers(None, None)) == ["encoder.lstm", "gru"]


def test_layers_are_the_models(tmp_path: Path) -> None:
    model = Tagger().eval()
    save_file(model.state_dict(), tmp_path / "w.safetensors")
    file = StateFile(tmp_path / "w.safetensors")
    found = file.layers(None, ["LSTM", "GRU", "Linear", "Embedding"], batch_first=True)
    assert [type(layer) for layer in found.values()] == [nn.Embedding, nn.LSTM, nn.GRU, nn.Linear, nn.Linear]
    x = torch.randn(2, 5, 16)
    (output,) = Layers(found)(**{"encoder.lstm": x})
    assert torch.equal(output, model.encoder["lstm"](x)[0])
    assert list(file.layers(["enc*", "head.0"], ["LSTM", "Linear"])) == ["encoder.lstm", "head.0"]


def test_other_pairs_of_names_are_no_weight_norm(tmp_path: Path) -> None:
    state = {f"lstm.{key}": value for key, value in nn.LSTM(4, 4).state_dict().items()}
    others = {"gate_g": torch.randn(4), "gate_v": torch.randn(4)}
    others |= {"weight_g": torch.randn(3, 2), "weight_v": torch.randn(3, 2)}
    torch.save(state | others, tmp_path / "w.pt")
    found = StateFile(tmp_path / "w.pt").state
    assert all(torch.equal(found[key], value) for key, value in others.items())


@pytest.mark.parametrize("new", [True, False])
def test_weight_norm_is_folded(new: bool, tmp_path: Path) -> None:
    if new:
        model = Normed().eval()
        weight, key = model.head.weight, "head.weight"
        with torch.no_grad():
            model.head.parametrizations.weight.original0.mul_(1.5)
            weight = model.head.weight.clone()
    else:
        model = nn.ModuleDict({"head": nn.Linear(6, 24), "lstm": nn.LSTM(4, 4)})
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            nn.utils.weight_norm(model["head"])
        model["head"].weight_g.data.mul_(1.5)
        model["head"](torch.zeros(6))
        weight, key = model["head"].weight, "head.weight"
    torch.save(model.state_dict(), tmp_path / "w.pt")
    state = StateFile(tmp_path / "w.pt").state
    torch.testing.assert_close(state[key], weight.detach())
    assert not any("original" in name or name.endswith(("_g", "_v")) for name in state)


class Config:
    """What a program may have pickled beside its weights."""


def test_other_kinds_of_files_are_told_apart(tmp_path: Path) -> None:
    state = nn.LSTM(4, 4).state_dict()
    (tmp_path / "w.h5").write_bytes(b"\x89HDF\r\n\x1a\n")
    (tmp_path / "renamed.pt").write_bytes(b"\x89HDF\r\n\x1a\n")
    (tmp_path / "w.onnx").write_bytes(b"\x08\x07")
    (tmp_path / "w.pt").write_bytes(b"nothing")
    torch.save({"config": Config(), "state_dict": state}, tmp_path / "pickled.pt")
    torch.save({"note": "no weights"}, tmp_path / "empty.pt")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.script(nn.Linear(3, 2)), tmp_path / "script.pt")
    for name, message in {
        "w.h5": "HDF5, as Keras writes it.*load the model in PyTorch",
        "renamed.pt": "HDF5",
        "w.onnx": "an ONNX graph",
        "script.pt": r"is TorchScript.*torch\.jit\.load\('script\.pt'\)\.state_dict\(\)",
        "w.pt": r"is not a state dict: give what torch\.save",
        "pickled.pt": r"has a tests\.compression\.\S+\.Config in it, which could run code.*weights_only=False",
        "empty.pt": "holds no weights by name",
    }.items():
        with pytest.raises(ValueError, match=message):
            StateFile(tmp_path / name)
    with pytest.raises(FileNotFoundError, match="is not a file"):
        StateFile(tmp_path / "absent.pt")


def test_damaged_layers_are_refused(tmp_path: Path) -> None:
    def read(**changes: torch.Tensor | None) -> dict[str, nn.Module]:
        state = {**nn.LSTM(6, 4).state_dict(), **changes}
        torch.save({f"net.{key}": value for key, value in state.items() if value is not None}, tmp_path / "w.pt")
        return StateFile(tmp_path / "w.pt").layers(None, None)

    assert list(read()) == ["net"]
    with pytest.raises(ValueError, match=r"net\.weight_hh_l0 has values that are not finite"):
        read(weight_hh_l0=torch.full((16, 4), torch.inf))
    for changes in ({"weight_hh_l0": None}, {"weight_hh_l0": torch.zeros(9, 4)}, {"bias_hh_l0": torch.zeros(3)}):
        with pytest.raises(ValueError, match="layer 'net' is not a complete RNN, GRU or LSTM"):
            read(**changes)
    torch.save(nn.Sequential(nn.Linear(3, 2)).state_dict(), tmp_path / "w.pt")
    with pytest.raises(ValueError, match=r"holds no LSTM, GRU, RNN; it has weights of 0: .* other kinds with --types"):
        StateFile(tmp_path / "w.pt").layers(None, None)
