"""Save, load, the same outputs to the bit: every format, every cell, every model of the zoo."""

import inspect
import json
import math
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import htzoo
from htzoo.data import MovingDigits, count_frames, read_frames, uniform_indices
from htzoo.data.clips.frame_sampler import FrameSampler
from htzoo.formats import Format, HierarchicalTucker, LowRank, TensorTrain, format_classes
from htzoo.hub.config import ModelConfig, Result, read_config
from htzoo.hub.kinds import ARGUMENTS, describe
from htzoo.hub.save import save_pretrained
from htzoo.models import VideoClassifier
from htzoo.nn import GRU, LSTM, RNN
from tests.cli.command import ROOT
from tests.configs.selection import all_names
from tests.hub.conftest import SAMPLING, small_model

JOINT = {"name": "HierarchicalTucker", "in_modes": [4, 8, 8], "out_modes": [2, 2, 4], "leaf_rank": 2, "inner_rank": 2}


EXAMPLE_SIZES = {"frame_size": (4, 5, 3), "hidden_size": 24}  # for the examples of all formats


def check(model: VideoClassifier, folder: Path, frames: int = 4) -> None:
    """Save and load, and compare on random clips, one of them padded."""
    model.eval()
    loaded = htzoo.from_pretrained(save_pretrained(model, folder, sampling=FrameSampler(frames=frames)))
    video = torch.randint(0, 256, (2, frames, *model.frame_size), dtype=torch.uint8)
    lengths = torch.tensor([frames, frames - 1])
    with torch.no_grad():
        assert torch.equal(model(video, lengths), loaded(video, lengths))
    assert describe(model) == describe(loaded)
    assert all(torch.equal(value, loaded.state_dict()[key]) for key, value in model.state_dict().items())


@pytest.mark.parametrize("cls", format_classes().values())
def test_formats(cls: type[Format], tmp_path: Path) -> None:
    check(small_model(input_format=cls.example().to_dict(), **EXAMPLE_SIZES), tmp_path)


@pytest.mark.parametrize("cell", ["LSTM", "GRU", "RNN"])
@pytest.mark.parametrize("form", [None, HierarchicalTucker.example().to_dict(), LowRank(3).to_dict()])
def test_cells(form: dict[str, object] | None, cell: str, tmp_path: Path) -> None:
    check(small_model(input_format=form, cell=cell, **EXAMPLE_SIZES), tmp_path)


def test_other_arguments(tmp_path: Path) -> None:
    hidden = {"name": "TensorTrain", "in_modes": [4, 4], "out_modes": [4, 4], "rank": 2}
    check(small_model(hidden_format=hidden, num_layers=2, dropout=0.3, input_dropout=0.2), tmp_path / "a")
    check(small_model(input_format=None, joint_format=JOINT, frame_size=(8, 10, 3), bias=False), tmp_path / "b")
    check(small_model(pixels="centered", pixel_scale=0.1, feature_norm=True, pooling="mean"), tmp_path / "c")
    check(small_model(hidden_format=[hidden, None], num_layers=2), tmp_path / "d")


@pytest.mark.parametrize("frozen", [True, False])
def test_with_a_cnn_that_is_never_downloaded(frozen: bool, tmp_path: Path) -> None:
    model = small_model(
        backbone="test_resnet", backbone_frozen=frozen, frame_size=(24, 32, 3), input_format=None, feature_norm=True
    )
    check(model, tmp_path)


@pytest.mark.parametrize("cls", [LSTM, GRU, RNN])
def test_layers(cls: type[LSTM], tmp_path: Path) -> None:
    form = TensorTrain((24, 24), (4, 4), 3)
    layer = cls(576, 16, 2, batch_first=True, bidirectional=True, dropout=0.1, input_format=form)
    layer.eval()
    loaded = htzoo.from_pretrained(save_pretrained(layer, tmp_path))
    x = torch.randn(2, 3, 576)
    assert type(loaded) is cls
    assert torch.equal(layer(x)[0], loaded(x)[0])


@torch.no_grad()
def filled(model: VideoClassifier) -> VideoClassifier:
    """The model with numbers in place of none: drawing them takes far longer, and networks need no good ones here."""
    for count, (name, value) in enumerate(model.state_dict(keep_vars=True).items()):
        numbers = (torch.arange(value.numel(), dtype=torch.float32) * 0.618 + 0.1 * count).frac_().reshape(value.shape)
        module, _, last = name.rpartition(".")
        owner = model.get_submodule(module)
        if isinstance(value, torch.nn.Parameter):
            spread = 2 / math.sqrt(max(1, value[0].numel()))
            setattr(owner, last, torch.nn.Parameter((numbers - 0.5) * spread, requires_grad=value.requires_grad))
        else:
            setattr(owner, last, (numbers + 0.5).to(value.dtype))  # variances among them
    return model.eval()


@pytest.mark.parametrize("name", all_names())
def test_every_model_of_the_zoo(name: str, tmp_path: Path) -> None:
    with torch.device("meta"):
        model = htzoo.create_model(name, backbone_weights=None)
    filled(model)
    try:
        loaded = htzoo.from_pretrained(save_pretrained(model, tmp_path / "model", sampling=SAMPLING))
    finally:
        shutil.rmtree(tmp_path / "model")  # up to 240 MB, which pytest would keep
    assert describe(loaded) == describe(model)
    state = loaded.state_dict()
    assert all(torch.equal(value, state.pop(key)) for key, value in model.state_dict().items()) and not state
    with torch.no_grad():
        video = torch.randint(0, 256, (1, 2, *model.frame_size), dtype=torch.uint8)
        if model.backbone is not None:  # one frame will do
            assert torch.equal(model.backbone(video[0, :1]), loaded.backbone(video[0, :1]))
        features = torch.randn(2, 3, model.recurrent.input_size)
        outputs = [m(video) if model.backbone is None else m.classify_features(features) for m in (model, loaded)]
    assert outputs[0].isfinite().all() and outputs[0].std() > 0
    assert torch.equal(*outputs)


def test_the_constructors_are_the_only_list_of_arguments() -> None:
    """What a config may hold, what is saved, and what the classes take are one list."""
    given = set(inspect.signature(VideoClassifier).parameters) - {"backbone_weights"}  # weights come from the file
    assert set(ARGUMENTS["VideoClassifier"]) == set(describe(small_model())[1]) == given
    for cls in (LSTM, GRU, RNN):
        kind, arguments = describe(cls(4, 4))
        assert set(ARGUMENTS[kind]) == set(arguments) == set(inspect.signature(cls).parameters) - {"device", "dtype"}
        assert arguments["input_size"] == 4


def test_what_is_known_of_a_model_stays(tmp_path: Path) -> None:
    result = Result("moving_digits", "220 clips, groups 21 to 25", 0.995, 220, 3)
    config = ModelConfig("VideoClassifier", {}, SAMPLING, False, "small", result)
    first = save_pretrained(small_model(), tmp_path / "a", config)
    loaded = htzoo.from_pretrained(first)
    second = loaded.save_pretrained(tmp_path / "b")
    for name in ("config.json", "model.safetensors"):
        assert (first / name).read_bytes() == (second / name).read_bytes()
    assert read_config(second / "config.json").result == result
    assert "**Test accuracy 0.995** (219 of 220 clips)" in (second / "README.md").read_text()


def test_saving_leaves_nothing_half_written(tmp_path: Path) -> None:
    model = small_model()
    with torch.no_grad():
        model.classifier.bias[0] = torch.nan
    with pytest.raises(ValueError, match=r"classifier\.bias has values that are not finite"):
        save_pretrained(model, tmp_path / "new", sampling=SAMPLING)
    assert not (tmp_path / "new").exists()
    with pytest.raises(ValueError, match="sampling is None"):
        save_pretrained(small_model(), tmp_path / "new")
    with pytest.raises(ValueError, match="module is a Linear"):
        save_pretrained(torch.nn.Linear(2, 2), tmp_path / "new")


def test_card_edited_by_hand_is_kept(saved: Path) -> None:
    card = saved / "README.md"
    card.write_text(card.read_text().replace("Use it", "Use it well"))
    edited = card.read_text()
    save_pretrained(small_model(1), saved, sampling=SAMPLING)
    assert card.read_text() == edited


def test_loading_leaves_the_random_numbers_alone(saved: Path) -> None:
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    htzoo.from_pretrained(saved)
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize(
    "call", ["from_pretrained('moving_digits_ht')", "from_pretrained('fight_cnn_ht')", "create_model('ucf11_ht')"]
)
def test_opening_a_model_imports_nothing_that_takes_seconds(call: str) -> None:
    heavy = "{'torch._dynamo', 'sympy', 'lightning', 'timm', 'torchvision'} & {*sys.modules}"
    code = f"import sys, htzoo; htzoo.{call}; print({heavy})"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert result.stdout == "set()\n"


def test_tables_that_a_cnn_computes_and_does_not_save(tmp_path: Path) -> None:
    check(small_model(backbone="test_vit_relpos", frame_size=(24, 32, 3), input_format=None), tmp_path)


def test_classify_a_clip_and_windows(few_root: Path, tmp_path: Path) -> None:
    data = MovingDigits(root=str(few_root))
    clip = data.list_clips()[0].path
    model = htzoo.from_pretrained(save_pretrained(small_model(), tmp_path, sampling=SAMPLING))
    labels = model.classify(clip, top=2)
    frames = read_frames(clip, uniform_indices(count_frames(clip), 4), (12, 16))
    with torch.no_grad():
        expected = model(torch.from_numpy(frames)[None])[0].softmax(-1)
    assert labels == [(model.classes[k], expected[k].item()) for k in expected.topk(2).indices.tolist()]
    assert sum(p for _, p in model.classify(clip)) == pytest.approx(1)
    with pytest.raises(ValueError, match="top is 0"):
        model.classify(clip, top=0)
    whole = list(model.classify_windows(clip, 1_000))
    assert [(window.start, window.labels) for window in whole] == [(0, model.classify(clip))]
    windows = list(model.classify_windows(clip, whole[0].end / 4))
    assert len(windows) == 4 and windows[-1].end == whole[0].end
    overlapping = list(model.classify_windows(clip, whole[0].end / 4, whole[0].end / 8))
    assert [window.labels for window in overlapping[:7:2]] == [window.labels for window in windows]


def test_classify_several_views(few_root: Path, tmp_path: Path) -> None:
    clip = MovingDigits(root=str(few_root)).list_clips()[0].path
    one = FrameSampler(frames=4)
    model = htzoo.from_pretrained(save_pretrained(small_model(), tmp_path, sampling=FrameSampler(frames=4, views=3)))
    frames = read_frames(clip, uniform_indices(count_frames(clip), 12), (12, 16))
    views = np.stack([frames[k::3] for k in range(3)])
    with torch.no_grad():
        expected = model(torch.from_numpy(views)).mean(0).softmax(-1)
    assert dict(model.classify(clip)) == pytest.approx(dict(zip(model.classes, expected.tolist(), strict=True)))
    assert one.frames == 4


def test_names(saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import htzoo.hub.open_model as pretrained
    import htzoo.hub.packaged_weights as shipped

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(shipped, "checkpoint_folder", lambda: tmp_path / "shipped")
    monkeypatch.setattr(pretrained, "checkpoint_folder", lambda: tmp_path / "shipped")
    save_pretrained(small_model(1), tmp_path / "shipped" / "moving_digits_ht", sampling=SAMPLING)
    bias = small_model(1).state_dict()["classifier.weight"]
    assert torch.equal(htzoo.from_pretrained("moving_digits_ht").classifier.weight, bias)
    assert htzoo.list_models(pretrained=True) == ["moving_digits_ht"]
    save_pretrained(small_model(2), tmp_path / "moving_digits_ht", sampling=SAMPLING)
    with pytest.raises(
        ValueError, match=r"both .* write zoo:moving_digits_ht .* or \./moving_digits_ht for the folder"
    ):
        htzoo.from_pretrained("moving_digits_ht")
    assert torch.equal(htzoo.from_pretrained("zoo:moving_digits_ht").classifier.weight, bias)
    assert not torch.equal(htzoo.from_pretrained("./moving_digits_ht").classifier.weight, bias)
    with pytest.raises(ValueError, match="did you mean moving_digits_ht"):
        htzoo.from_pretrained("moving_digit_ht")
    with pytest.raises(
        ValueError, match=r"'moving_digits_tt' has no trained weights: those with weights are moving_digits_ht"
    ):
        htzoo.from_pretrained("moving_digits_tt")
    with pytest.raises(ValueError, match="revision is 'main', but saved is a folder"):
        htzoo.from_pretrained("saved", revision="main")
    assert json.loads((saved / "config.json").read_text())["model"] == "VideoClassifier"
