"""``htzoo compress`` of weights that other programs wrote."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

import htzoo
from htzoo.cli.main import main
from tests.compression.models import Tagger, trained, words

TIMED = "htzoo.compression.speed.milliseconds"


@pytest.fixture(autouse=True)
def _seed(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same weights each time; times are measured in one test."""
    torch.manual_seed(0)
    if request.node.name != "test_all_layers_share_a_budget":
        monkeypatch.setattr(TIMED, lambda layers, case: [1.0, 1.0])


@pytest.fixture
def tagger(tmp_path: Path) -> nn.Module:
    model = trained(Tagger())
    state = {f"module.{key}": value for key, value in model.state_dict().items()}
    torch.save({"epoch": 3, "model_state": state}, tmp_path / "model.pth.tar")
    return model


def test_all_layers_share_a_budget(tagger: nn.Module, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words_ = ["compress", str(tmp_path / "model.pth.tar"), "--budget", "3x", "-o", str(tmp_path / "small")]
    assert main(words_) == 0
    printed = capsys.readouterr().out
    for text in (
        "encoder.lstm.weight_ih_l1_reverse", "gru.weight_hh_l0", "whole model: ", "1 sequence of 160 steps",
        "1 sequence of 1,000 steps", "import htzoo\n", f"htzoo.load_compressed(model, '{tmp_path / 'small'}')",
    ):  # fmt: skip
        assert text in printed
    loaded = htzoo.load_compressed(Tagger().eval(), tmp_path / "small")
    layers = [loaded.encoder["lstm"], loaded.gru]
    before = [tagger.encoder["lstm"], tagger.gru]
    sizes = [sum(p.numel() for layer in some for p in layer.parameters()) for some in (before, layers)]
    assert sizes[1] <= sizes[0] / 3
    assert torch.equal(loaded.head[0].weight, tagger.head[0].weight)
    difference = (loaded(words()[0]) - tagger(words()[0])).norm() / tagger(words()[0]).norm()
    assert 0 < difference < 1


def test_slower_is_said_before_it_is_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.save({"rnn." + key: value for key, value in nn.LSTM(16, 16).state_dict().items()}, tmp_path / "w.pt")
    monkeypatch.setattr(TIMED, lambda layers, case: [2.0, 5.0 if case.batch == 1 else 1.0])
    assert main(["compress", str(tmp_path / "w.pt"), "--budget", "2x", "-o", str(tmp_path / "small")]) == 0
    printed = capsys.readouterr().out
    said = "SLOWER than before at 1 sequence of 160 steps and at 1 sequence of 1,000 steps: --dense-hidden keeps"
    assert said in printed and printed.index(said) < printed.index("saved")


def test_plan_writes_nothing(tagger: nn.Module, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = str(tmp_path / "model.pth.tar")
    kinds = ["--types", "LSTM,GRU,Embedding,Linear"]
    htzoo.record(tagger, words(2), tmp_path / "in.safetensors")
    recorded = ["--batch-first", "--calibrate", str(tmp_path / "in.safetensors")]
    assert main(["compress", file, "--plan", *kinds, *recorded, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["parameters"] == sum(parameter.numel() for parameter in tagger.parameters())
    assert {row["name"] for row in found["layers"]} == {"embedding", "encoder.lstm", "gru", "head.0", "head.2"}
    assert all(row["milliseconds"] > 0 for row in found["layers"])
    assert main(["compress", file, "--plan"]) == 0
    assert f"these layers have {_best(capsys.readouterr().out)}x fewer" and not (tmp_path / "small").exists()


def _best(printed: str) -> str:
    return printed.split("these layers have ")[1].split("x fewer")[0]


def test_calibrate_and_distil(tagger: nn.Module, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    htzoo.record(tagger, words(6), tmp_path / "in.safetensors")
    base = ["compress", str(tmp_path / "model.pth.tar"), "--budget", "6x", "--to", "lowrank", "--batch-first", "--json"]
    errors = {}
    for name, flag in {"plain": [], "fitted": ["--calibrate"], "distilled": ["--steps", "30", "--distill"]}.items():
        recorded = [*flag, str(tmp_path / "in.safetensors")] if flag else []
        assert main([*base, "-o", str(tmp_path / name), *recorded]) == 0
        document = json.loads(capsys.readouterr().out)
        loaded = htzoo.load_compressed(Tagger().eval(), tmp_path / name)
        errors[name] = sum((loaded(x) - tagger(x)).norm().item() for x in words(6))
    assert (
        document["distilled"]["after"]
        <= document["distilled"]["before"]
        == pytest.approx(document["output_error"], rel=0.5)
    )
    assert errors["fitted"] < errors["plain"]
    assert errors["distilled"] < 1.2 * errors["fitted"]
    assert not list(tmp_path.glob(".*"))  # neither checkpoints nor half a folder


@pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")
def test_a_file_that_is_one_layer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    layer = nn.LSTM(16, 16, 2, bidirectional=True, proj_size=6)
    torch.save(layer.state_dict(), tmp_path / "lstm.pt")
    assert (
        main(["compress", str(tmp_path / "lstm.pt"), "--to", "tt", "--budget", "3x", "-o", str(tmp_path / "small")])
        == 0
    )
    assert "whose recurrent layer takes (time, batch, features)" in capsys.readouterr().out
    small = htzoo.from_pretrained(tmp_path / "small")
    assert small.proj_size == 6 and small(torch.randn(4, 2, 16))[0].shape == (4, 2, 12)
    assert sum(p.numel() for p in small.parameters()) <= sum(p.numel() for p in layer.parameters()) / 3


class WithNorm(nn.LSTM):
    """A layer that has another one inside."""

    def __init__(self) -> None:
        super().__init__(16, 16)
        self.norm = nn.LayerNorm(16)


def test_what_stands_beside_a_layer_is_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = nn.ModuleDict({"encoder": WithNorm()})
    torch.save(model.state_dict(), tmp_path / "w.pt")
    assert main(["compress", str(tmp_path / "w.pt"), "--budget", "3x", "-o", str(tmp_path / "small")]) == 0
    saved = load_file(next((tmp_path / "small").glob("*.safetensors")))
    assert {"encoder.norm.weight", "encoder.norm.bias"} <= saved.keys()
    torch.save(WithNorm().state_dict(), tmp_path / "bare.pt")
    capsys.readouterr()
    assert main(["compress", str(tmp_path / "bare.pt"), "--budget", "3x", "-o", str(tmp_path / "bare")]) == 1
    assert "holds a layer without a name beside norm.bias: compress the whole model" in capsys.readouterr().err


def test_layers_by_name(tagger: nn.Module, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    base = ["compress", str(tmp_path / "model.pth.tar"), "-o", str(tmp_path / "small")]
    assert main([*base, "--budget", "3x", "--layer", "decoder.*"]) == 1
    assert "holds no LSTM, GRU, RNN whose name matches decoder.*; it has weights of" in capsys.readouterr().err
    assert main([*base, "--to", "tt", "--budget", "3x", "--hidden-to", "tt", "--hidden-budget", "2x"]) == 1
    assert "holds 2 layers: say which one is meant with --layer, of 'encoder.lstm', 'gru'" in capsys.readouterr().err
    assert main([*base, "--budget", "1.3x", "--layer", "gru", "--dense-hidden"]) == 0
    loaded = htzoo.load_compressed(Tagger(), tmp_path / "small")
    assert isinstance(loaded.encoder["lstm"], nn.LSTM) and isinstance(loaded.gru.weight_hh_l0, nn.Parameter)


@pytest.mark.parametrize(
    ("flags", "status", "message"),
    [
        (["--budget", "100000x"], 1, "the layers need"),
        (["--budget", "4x", "--types", "Conv"], 2, "--types has 'Conv': give some of LSTM"),
        (["--budget", "4x", "--fine-tune", "x"], 2, "--fine-tune trains video models: give --distill"),
        (["--to", "tt"], 2, "--budget is missing"),
        (["--budget", "4x", "--distill", "absent.npy"], 1, "absent.npy is not a file"),
        (["--budget", "4x", "--to", "tensor"], 2, "no format 'tensor'"),
    ],
)
def test_bad_requests(
    flags: list[str], status: int, message: str, tagger: nn.Module, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words_ = ["compress", str(tmp_path / "model.pth.tar"), "-o", str(tmp_path / "small"), *flags]
    if status == 2:
        with pytest.raises(SystemExit, match="2"):
            main(words_)
    else:
        assert main(words_) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line and not (tmp_path / "small").exists()
