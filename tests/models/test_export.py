"""Exported files give the model's logits for other batches and lengths than the one that was traced."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

import htzoo
from htzoo.formats import format_classes
from htzoo.models import export as export_module
from htzoo.models.export import ExportError, export
from tests.hub.conftest import small_model
from tests.hub.test_round_trip import EXAMPLE_SIZES, JOINT

HIDDEN = {"name": "TensorTrain", "in_modes": [4, 4], "out_modes": [4, 4], "rank": 2}
CNN = {"backbone": "test_resnet", "frame_size": (24, 32, 3), "input_format": None}
MODELS: dict[str, dict[str, Any]] = {
    **{name: {"input_format": cls.example().to_dict(), **EXAMPLE_SIZES} for name, cls in format_classes().items()},
    "GRU": {"cell": "GRU", "hidden_format": HIDDEN},
    "RNN": {"cell": "RNN", "num_layers": 2, "bias": False},
    "joint": {"input_format": None, "joint_format": JOINT, "frame_size": (8, 10, 3)},
    "mean": {"pooling": "mean", "pixels": "centered", "feature_norm": True},
    "frozen CNN": {**CNN, "backbone_frozen": True, "feature_norm": True},
    "CNN": CNN,
}
QUICK = ("HierarchicalTucker", "GRU", "RNN", "joint", "mean")  # the others run in CI
SIZES = ((1, 1), (3, 8), (4, 2))


def check(model: htzoo.models.VideoClassifier, output: Path) -> None:
    assert export(model, output, {"classes": json.dumps(model.classes)}) < 1e-4
    if output.suffix == ".onnx":
        import onnxruntime

        session = onnxruntime.InferenceSession(str(output))
        (video,), (logits,) = session.get_inputs(), session.get_outputs()
        assert video.shape == ["batch", "time", *model.frame_size] and video.name == "video"
        assert logits.shape == ["batch", len(model.classes)] and logits.name == "logits"
        texts = session.get_modelmeta().custom_metadata_map

        def run(clips: torch.Tensor) -> torch.Tensor:
            return torch.from_numpy(session.run(None, {"video": clips.numpy()})[0])
    else:
        texts = {"classes": ""}
        program = torch.export.load(output, extra_files=texts)
        assert "htzoo" not in str(program.graph)  # PyTorch's own operations only
        run = program.module()
    assert json.loads(texts["classes"]) == list(model.classes)
    for batch, time in SIZES:
        clips = torch.randint(0, 256, (batch, time, *model.frame_size), dtype=torch.uint8)
        with torch.no_grad():
            torch.testing.assert_close(run(clips), model(clips), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in MODELS]
)
def test_program(name: str, tmp_path: Path) -> None:
    check(small_model(**MODELS[name]), tmp_path / "model.pt2")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name == "mean" else pytest.mark.slow) for name in MODELS]
)
def test_onnx(name: str, tmp_path: Path) -> None:
    for package in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(package)
    check(small_model(**MODELS[name]), tmp_path / "model.onnx")


@pytest.mark.slow
@pytest.mark.parametrize("name", htzoo.list_models(pretrained=True))
def test_every_trained_model(name: str, tmp_path: Path) -> None:
    check(htzoo.from_pretrained(name), tmp_path / "model.pt2")


def test_a_program_needs_no_htzoo(tmp_path: Path) -> None:
    export(small_model(), tmp_path / "model.pt2", {})
    code = """
import sys, torch
model = torch.export.load("model.pt2").module()
print(tuple(model(torch.zeros(2, 9, 12, 16, 3, dtype=torch.uint8)).shape), "htzoo" in sys.modules)
"""
    result = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert result.stdout == "(2, 3) False\n"


def test_a_file_with_other_logits_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = export_module._write_program
    monkeypatch.setattr(export_module, "_write_program", lambda *given: lambda video: write(*given)(video) + 0.01)
    with pytest.raises(ExportError, match=r"differ by 1\.0e-02, more than 0\.001: the file is not kept"):
        export(small_model(), tmp_path / "model.pt2", {})
    assert not list(tmp_path.iterdir())


def test_other_endings_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"give a file that ends in \.onnx or \.pt2"):
        export(small_model(), tmp_path / "model.pb", {})
