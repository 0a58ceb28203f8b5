"""Compressed models on disk."""

import json
from pathlib import Path

import pytest
import torch
from torch import nn

import htzoo
from tests.compression.models import Shared, Tagger, trained, words


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, nn.Module]:
    torch.manual_seed(0)
    model = htzoo.compress(trained(Tagger()), budget="4x")
    folder = tmp_path_factory.mktemp("models") / "small"
    htzoo.save_compressed(model, folder)
    return folder, model


def test_round_trip(folder: tuple[Path, nn.Module]) -> None:
    path, model = folder
    loaded = Tagger().eval()
    assert htzoo.load_compressed(loaded, path) is loaded
    assert torch.equal(loaded(words()[0]), model(words()[0]))
    assert sorted(file.name for file in path.iterdir()) == ["compression.json", "model.safetensors"]
    half = htzoo.load_compressed(Tagger().half(), path)
    assert {value.dtype for value in half.state_dict().values()} == {torch.float16}


def test_a_layer_in_two_places_and_tied_weights(tmp_path: Path) -> None:
    model = htzoo.compress(Shared(), budget="2x")
    htzoo.save_compressed(model, tmp_path / "small")
    loaded = htzoo.load_compressed(Shared(), tmp_path / "small")
    assert torch.equal(loaded(words(1, size=30)[0]), model(words(1, size=30)[0]))
    assert loaded.head.weight is loaded.table.weight


def test_another_model_is_refused_and_left_as_it_is(folder: tuple[Path, nn.Module]) -> None:
    path, _ = folder
    for change, message in (
        (lambda model: model.encoder.pop("lstm"), "has a layer 'encoder.lstm', and the model, a Tagger, has none"),
        (lambda model: setattr(model, "gru", nn.LSTM(24, 16)), "layer 'gru' was of kind GRU, and is a LSTM"),
        (lambda model: setattr(model, "gru", nn.GRU(23, 16)), "does not fit the model .*gru.weight_ih_l0"),
        (lambda model: setattr(model, "norm", nn.LayerNorm(17)), "does not fit the model .*norm.weight"),
    ):
        model = Tagger()
        change(model)
        before = [id(module) for module in model.modules()]
        with pytest.raises(ValueError, match=message):
            htzoo.load_compressed(model, path)
        assert before == [id(module) for module in model.modules()]


@pytest.mark.parametrize(
    "content",
    ["nothing", "[]", '{"version": 2}', '{"version": 1, "layers": {"gru": {"kind": "os.system", "formats": {}}}}',
     '{"version": 1, "layers": {"gru": {"kind": "GRU", "formats": {"input_format": {"name": "Evil"}}}}}'],
)  # fmt: skip
def test_damaged_folders_are_refused(content: str, folder: tuple[Path, nn.Module], tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"compression\.json is missing"):
        htzoo.load_compressed(Tagger(), tmp_path)
    (tmp_path / "compression.json").write_text(content)
    with pytest.raises(ValueError, match="is not what htzoo compress wrote"):
        htzoo.load_compressed(Tagger(), tmp_path)
    (tmp_path / "compression.json").write_text((folder[0] / "compression.json").read_text())
    (tmp_path / "model.safetensors").write_bytes(b"x" * 100)
    with pytest.raises(ValueError, match=r"model\.safetensors cannot be read"):
        htzoo.load_compressed(Tagger(), tmp_path)


def test_the_folder_is_whole_or_absent(tmp_path: Path) -> None:
    model = htzoo.compress(Tagger(), budget="4x")
    with pytest.raises(ValueError, match="is a Tagger without compressed layers"):
        htzoo.save_compressed(Tagger(), tmp_path / "small")
    model.norm.weight.data[0] = torch.nan
    with pytest.raises(ValueError, match=r"norm\.weight has values that are not finite"):
        htzoo.save_compressed(model, tmp_path / "small")
    model.norm.weight.data[0] = 1
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "file").touch()
    with pytest.raises(FileExistsError, match="which is there already: give a new one"):
        htzoo.save_compressed(model, tmp_path / "there")
    assert [path.name for path in tmp_path.iterdir()] == ["there"]
    htzoo.save_compressed(model, tmp_path / "small", others={"extra.weight": torch.ones(2)})
    kinds = {
        layer["kind"] for layer in json.loads((tmp_path / "small" / "compression.json").read_text())["layers"].values()
    }
    assert kinds == {"LSTM", "GRU", "Linear", "Embedding"}
