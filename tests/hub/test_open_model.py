"""One way to open a model, whatever it is called; and models that are made by name, trained by hand, and saved."""

from pathlib import Path

import pytest
import torch

import htzoo
from htzoo.cli.main import main
from htzoo.data import FrameSampler, MovingDigits
from htzoo.hub.classifier import ZooClassifier
from htzoo.hub.config import read_config
from htzoo.hub.errors import ModelError
from htzoo.hub.open_model import open_model
from htzoo.hub.save import save_pretrained
from htzoo.names import UnknownNameError
from htzoo.nn import LSTM
from tests.hub.conftest import SAMPLING, small_model
from tests.hub.server import OWNER, Hub

SMALL = {"frame_size": (12, 16, 3), "hidden_size": 16, "input_format": None}


def shapes(model: torch.nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(value.shape) for name, value in model.state_dict().items()}


def train_a_step(model: torch.nn.Module, video: torch.Tensor) -> None:
    """By hand, without Lightning."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    torch.nn.functional.cross_entropy(model(video), torch.tensor([0, 1])).backward()
    optimizer.step()


def test_a_model_by_name_trained_by_hand(tmp_path: Path, few_root: Path) -> None:
    model = htzoo.create_model("moving_digits_ht")
    assert model.training and model.sampling == FrameSampler(frames=8) and model.config.name == "moving_digits_ht"
    video = torch.randint(0, 256, (2, 3, 120, 160, 3), dtype=torch.uint8)
    train_a_step(model, video)
    loaded = htzoo.from_pretrained(model.save_pretrained(tmp_path / "mine"))
    model.eval()
    with torch.no_grad():
        assert torch.equal(model(video), loaded(video))
    clip = MovingDigits(root=str(few_root)).list_clips()[0].path
    assert model.classify(clip) == loaded.classify(clip)
    assert loaded.config.result is None and "Test accuracy" not in (tmp_path / "mine" / "README.md").read_text()


def test_classify_leaves_the_mode_alone(few_root: Path) -> None:
    model = htzoo.create_model("moving_digits_ht", dropout=0.9, **SMALL)
    clip = MovingDigits(root=str(few_root)).list_clips()[0].path
    model.dropout.eval()
    assert model.classify(clip) == model.classify(clip)
    assert model.training and not model.dropout.training


def test_a_plain_network_trained_by_hand(tmp_path: Path) -> None:
    model = small_model().train()
    video = torch.randint(0, 256, (2, 3, 12, 16, 3), dtype=torch.uint8)
    train_a_step(model, video)
    loaded = htzoo.from_pretrained(save_pretrained(model, tmp_path, sampling=SAMPLING))
    with torch.no_grad():
        assert torch.equal(model.eval()(video), loaded(video))


def test_changed_arguments_are_saved_and_the_name_is_not(tmp_path: Path) -> None:
    model = htzoo.create_model("moving_digits_ht", classes=["on", "off"], pixels="centered", **SMALL)
    config = read_config(model.save_pretrained(tmp_path) / "config.json")
    assert config.name is None
    assert config.arguments["classes"] == ["on", "off"] and config.arguments["pixels"] == "centered"
    assert htzoo.from_pretrained(tmp_path).arguments == model.arguments


def test_a_layer_that_was_compressed_in_place(tmp_path: Path) -> None:
    model = htzoo.create_model("moving_digits_ht", **SMALL)
    tt = htzoo.formats.TensorTrain((24, 24), (4, 4), 3)
    model.recurrent = htzoo.compress(model.recurrent, input_format=tt)
    loaded = htzoo.from_pretrained(model.save_pretrained(tmp_path))
    assert loaded.arguments["input_format"] == tt.to_dict() and shapes(loaded) == shapes(model)


def test_a_module_that_its_arguments_do_not_build_is_refused(tmp_path: Path) -> None:
    model = small_model()
    model.classifier = torch.nn.Linear(16, 5)
    with pytest.raises(ValueError, match=r"was changed after it was made.*classifier\.weight is F32 \(5, 16\)"):
        save_pretrained(model, tmp_path / "new", sampling=SAMPLING)
    with pytest.raises(ValueError, match=r"config\.json asks for float32"):
        save_pretrained(small_model().double(), tmp_path / "new", sampling=SAMPLING)
    assert not list((tmp_path / "new").iterdir())


def test_a_result_belongs_to_its_weights(tmp_path: Path) -> None:
    model = htzoo.from_pretrained("fir_ht")
    assert model.config.result is not None
    model.save_pretrained(tmp_path / "same")
    assert read_config(tmp_path / "same" / "config.json").result == model.config.result
    with torch.no_grad():
        model.classifier.bias[0] += 1
    model.save_pretrained(tmp_path / "other")
    assert read_config(tmp_path / "other" / "config.json").result is None


@pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")
def test_publish_a_model_by_name(hub: Hub) -> None:
    model = htzoo.create_model("moving_digits_ht", **SMALL)
    model.push_to_hub("someone/mine", token=OWNER)
    assert shapes(htzoo.from_pretrained("someone/mine")) == shapes(model)
    fetched = hub.requests("GET /someone/mine/resolve/main/model.safetensors")
    without = open_model("someone/mine", weights=False)
    assert shapes(without) == shapes(model) and next(without.parameters()).is_meta
    assert hub.requests("GET /someone/mine/resolve/main/model.safetensors") == fetched


def test_without_weights(tmp_path: Path) -> None:
    config = tmp_path / "mine.yaml"
    config.write_text("parts: [fir]\nmodel: {init_args: {hidden_size: 10}}\n")
    for reference in ("ucf11_ht", "fir_ht", "zoo:fir_ht", str(config)):  # no weights, weights, and none
        model = open_model(reference, ZooClassifier, weights=False)
        assert all(value.is_meta for value in model.parameters()) and not model.training
    assert model.recurrent.hidden_size == 10
    with pytest.raises(ValueError, match=r"mine\.yaml is a configuration, which has no weights: train it"):
        open_model(config)
    with pytest.raises(UnknownNameError, match="'ucf11_ht' has no trained weights"):
        open_model("ucf11_ht")


def test_a_layer_is_no_video_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = save_pretrained(LSTM(4, 4), tmp_path / "layer")
    assert type(open_model(folder)) is LSTM
    assert next(open_model(folder, weights=False).parameters()).is_meta
    with pytest.raises(ValueError, match=r"holds a layer \(LSTM\), which reads no video"):
        open_model(folder, ZooClassifier)
    assert main(["info", str(folder)]) == 1
    assert "holds a layer (LSTM)" in capsys.readouterr().err


def test_a_damaged_config_is_refused_without_weights_too(saved: Path) -> None:
    (saved / "config.json").write_text("{}")
    with pytest.raises(ModelError, match="no config_version"):
        open_model(saved, weights=False)
