"""Files that mean harm: refused in one line, nothing run, nothing large allocated."""

import hashlib
import json
import pickle
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

import htzoo
from htzoo.hub.errors import ModelError
from htzoo.hub.save import save_pretrained
from tests.hub.conftest import SAMPLING, small_model

Change = Callable[[dict[str, Any]], None]


def refused(folder: Path, message: str) -> None:
    with pytest.raises(ModelError, match=message) as caught:
        htzoo.from_pretrained(folder)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 800


def change_config(folder: Path, change: Change) -> None:
    path = folder / "config.json"
    values = json.loads(path.read_text())
    change(values)
    path.write_text(json.dumps(values))


def change_weights(folder: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    path = folder / "model.safetensors"
    state = load_file(path)
    change(state)
    save_file(state, path)
    change_config(folder, lambda config: config.update(weights_sha256=hashlib.sha256(path.read_bytes()).hexdigest()))


class Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return open, ("/tmp/htzoo-was-run", "w")


def test_pickle_only(saved: Path) -> None:
    (saved / "model.safetensors").unlink()
    (saved / "pytorch_model.bin").write_bytes(pickle.dumps(Bomb()))
    refused(
        saved, r"model\.safetensors is missing; pytorch_model\.bin is pickled, which can run code and is never read"
    )


def test_pickle_under_the_right_name(saved: Path) -> None:
    (saved / "model.safetensors").write_bytes(pickle.dumps(Bomb()))
    refused(saved, r"is no complete safetensors file")
    assert not Path("/tmp/htzoo-was-run").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.update(extra=torch.zeros(1)), "'extra' does not belong to the model"),
        (lambda state: state.pop("classifier.bias"), r"'classifier\.bias' is missing"),
        (
            lambda state: state.update({"classifier.bias": torch.zeros(4)}),
            r"classifier\.bias is F32 \(4,\), and config",
        ),
        (
            lambda state: state.update({"classifier.bias": torch.zeros(3).double()}),
            r"F64 \(3,\), and config.json asks for float32",
        ),
        (
            lambda state: state["classifier.bias"].fill_(torch.nan),
            r"classifier\.bias has values that are not finite",
        ),
        (lambda state: state["classifier.weight"][0].fill_(torch.inf), "has values that are not finite"),
    ],
    ids=["extra", "missing", "shape", "type", "nan", "infinity"],
)
def test_other_tensors(saved: Path, change: Callable[[dict[str, torch.Tensor]], object], message: str) -> None:
    change_weights(saved, change)
    refused(saved, message)


def test_weights_of_another_save(saved: Path, tmp_path: Path) -> None:
    other = save_pretrained(small_model(seed=1), tmp_path / "other", sampling=SAMPLING)
    (other / "model.safetensors").replace(saved / "model.safetensors")  # as a crash between two files would leave it
    refused(saved, r"model\.safetensors was not saved together with config\.json, or is damaged")
    change_config(saved, lambda config: config.pop("weights_sha256"))
    assert htzoo.from_pretrained(saved)  # folders that an older htzoo saved


@pytest.mark.parametrize("keep", [0, 4, 100, 5_000])
def test_cut_off(saved: Path, keep: int) -> None:
    path = saved / "model.safetensors"
    path.write_bytes(path.read_bytes()[:keep])
    refused(saved, "is no complete safetensors file")


def test_huge_declared_shapes(saved: Path) -> None:
    header = {"classifier.bias": {"dtype": "F32", "shape": [1 << 40, 1 << 20], "data_offsets": [0, 4]}}
    text = json.dumps(header).encode()
    (saved / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + bytes(4))
    refused(saved, "is no complete safetensors file")
    (saved / "model.safetensors").write_bytes(struct.pack("<Q", 1 << 60) + text)
    refused(saved, "is no complete safetensors file")


def test_file_larger_than_the_model(saved: Path) -> None:
    with (saved / "model.safetensors").open("ab") as file:
        file.truncate(1 << 33)  # 8 GB that take no space
    refused(saved, r"has 8,589,934,592 bytes, and the model of config\.json needs at most")


def arguments(**values: object) -> Change:
    return lambda config: config["arguments"].update(values)


def tensor_train(**values: object) -> Change:
    return lambda config: config["arguments"]["input_format"].update(values)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda config: config.update(model="os.system"), "model is 'os.system': known models are VideoClassifier"),
        (lambda config: config.update(model=["LSTM"]), r"model is \"\['LSTM'\]\""),
        (lambda config: config.update(config_version=99), "config_version is 99 and this htzoo reads 1"),
        (lambda config: config.pop("config_version"), "this is no model of htzoo"),
        (lambda config: config.update(auto_map={"AutoModel": "x.py"}), "config has 'auto_map', which is unknown"),
        (lambda config: config.pop("sampling"), "sampling is missing"),
        (lambda config: config.update(weights_sha256=7), "weights_sha256 is 7: it must be printable text"),
        (lambda config: config["sampling"].update(views=1_000_000), "views of sampling is 1000000"),
        (lambda config: config["sampling"].update(sampling="../x"), "it must be one of uniform"),
        (arguments(class_path="os.system"), "arguments has 'class_path', which is unknown"),
        (arguments(backbone_weights="/etc/passwd"), "'backbone_weights', which is unknown"),
        (arguments(backbone="hf-hub:evil/model"), "no model can be built.*timm does not know"),
        (arguments(backbone="../../evil"), "no model can be built.*timm does not know"),
        (arguments(hidden_size=10**9), "hidden_size is 1000000000: it must be a whole number from 1 to 65536"),
        (arguments(hidden_size=True), "hidden_size is True"),
        (arguments(hidden_size=1e3), "hidden_size is 1000.0"),
        (arguments(num_layers=10**6), "num_layers is 1000000"),
        (arguments(pixel_scale="1"), "pixel_scale is '1': it must be a number"),
        (arguments(frame_size=[10**6, 10**6, 3]), "frame_size is 1000000"),
        (arguments(frame_size=[12, 16, 3, 3]), r"it must be \[height, width, 3\]"),
        (
            lambda config: (arguments(frame_size=[12, 16384, 3])(config), config["sampling"].update(frames=65536)),
            "65,536 frames of 16384 x 12 pixels take 38,654,705,664 bytes a clip",
        ),
        (arguments(classes=[]), "a list of 1 to 100000 labels"),
        (arguments(classes=["a", "a", "b"]), "classes has a label twice"),
        (arguments(classes=["a", "b", "\x1b[2J"]), "it must be printable text"),
        (arguments(classes=["a", "b"]), "classifier"),
        (tensor_train(name="__import__"), "no format '__import__'"),
        (tensor_train(rank=10**12), "rank of input_format is 1000000000000"),
        (tensor_train(in_modes=[1] * 100), "in_modes of input_format has more than 64 numbers"),
        (tensor_train(in_modes=[24, 25]), "no model can be built.*multiply to 600"),
        (tensor_train(in_modes="abc"), "in_modes is 'abc'"),
    ],
)  # fmt: skip
def test_other_configs(saved: Path, change: Change, message: str) -> None:
    change_config(saved, change)
    refused(saved, message)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "not plain JSON"),
        (b"\xff\xfe{}", "not plain JSON"),
        (b"[]", "this is no model of htzoo"),
        (b'{"config_version": NaN}', "not plain JSON"),
        (b'{"config_version": 1, "config_version": 1}', "an object has a key twice"),
        (b'{"config_version": ' + b"9" * 50_000 + b"}", "not plain JSON"),
        (b"[" * 10_000 + b"]" * 10_000, "nested deeper than 32 levels"),
        (b'{"a":' * 200 + b"1" + b"}" * 200, "nested deeper than 32 levels"),
    ],
    ids=["empty", "utf-16", "list", "nan", "twice", "long number", "10,000 deep", "200 deep"],
)
def test_other_json(saved: Path, text: bytes, message: str) -> None:
    (saved / "config.json").write_bytes(text)
    refused(saved, message)


def test_config_of_100_megabytes(saved: Path) -> None:
    with (saved / "config.json").open("ab") as file:
        file.truncate(100_000_000)
    refused(saved, "is larger than 1,048,576 bytes")


def test_memory_is_bounded(saved: Path) -> None:
    """A config that asks for far more than there is, in a process that may have little more than torch takes."""
    change_config(saved, arguments(hidden_size=65536, num_layers=64, input_format=None, frame_size=[8192, 8192, 3]))
    code = f"""
import resource, torch, htzoo.hub.open_model as hub
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    hub.from_pretrained({str(saved)!r})
except ValueError as error:
    print(str(error))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    message, grown = result.stdout.splitlines()
    assert "and config.json asks for" in message or "is missing" in message
    assert int(grown) < 200_000  # kB; the weights would be 220 TB


@pytest.mark.parametrize("name", ["../somewhere", "/etc", "~/x/y", "a/b/c", "moving_digits", ""])
def test_names_that_are_none(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=r"no model|cannot be read"):
        htzoo.from_pretrained(name)
