"""Small models learn from the original, without labels."""

import copy
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_sequence

import htzoo
from htzoo.compression.distill import distill
from htzoo.compression.record import read_recorded
from tests.compression.models import Tagger, trained, words


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def pair() -> tuple[nn.Module, nn.Module]:
    teacher = trained(Tagger())
    teacher.gru.requires_grad_(False)
    student = htzoo.compress(copy.deepcopy(teacher), budget="8x", to="lowrank", layers=["encoder.*", "gru", "head.*"])
    return student, teacher


def test_outputs_come_closer_on_inputs_held_out() -> None:
    student, teacher = pair()
    others = {key: value.clone() for key, value in student.state_dict().items() if key.startswith(("norm", "emb"))}
    result = distill(student, teacher, words(10), steps=40, learning_rate=1e-2, progress=False)
    assert result.after < 0.8 * result.before and result.steps <= 40
    new = words(14)[10:]
    error = sum((student(x) - teacher(x)).square().sum() for x in new) / sum(teacher(x).square().sum() for x in new)
    assert error.item() ** 0.5 < result.before
    assert all(torch.equal(student.state_dict()[key], value) for key, value in others.items())
    assert not student.training
    assert student.norm.weight.requires_grad and not any(p.requires_grad for p in student.gru.parameters())


def test_one_call_compresses_and_distils() -> None:
    teacher = trained(Tagger())
    batches = words(8)
    torch.manual_seed(1)
    plain = htzoo.compress(copy.deepcopy(teacher), budget="8x", to="lowrank", calibration=batches)
    small = htzoo.compress(copy.deepcopy(teacher), budget="8x", to="lowrank", distill=iter(batches), steps=25)
    errors = [sum((model(x) - teacher(x)).norm() for x in batches).item() for model in (plain, small)]
    assert errors[1] < errors[0]


def test_an_interrupted_training_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    student, teacher = pair()
    before = copy.deepcopy(student.state_dict())
    calls = []
    forward = teacher.forward

    def interrupted(x: torch.Tensor) -> torch.Tensor:
        calls.append(x)
        if len(calls) == 30:
            raise RuntimeError("power cut")
        return forward(x)

    monkeypatch.setattr(teacher, "forward", interrupted)
    with pytest.raises(RuntimeError, match="power cut"):
        distill(student, teacher, words(6), steps=40, checkpoints=tmp_path / "state", progress=False)
    assert all(torch.equal(value, before[key]) for key, value in student.state_dict().items())
    saved = torch.load(tmp_path / "state" / "last.ckpt", weights_only=True)["global_step"]
    assert 20 < saved < 30
    calls.clear()
    calls.extend([None] * 100)
    result = distill(student, teacher, words(6), steps=40, checkpoints=tmp_path / "state", progress=False)
    assert len(calls) - 100 - 1 == 40 - saved  # one for the reference, and the steps that were left
    assert result.after < result.before and not (tmp_path / "state").exists()


def test_a_training_of_other_settings_starts_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    student, teacher = pair()
    folder = tmp_path / "state"
    monkeypatch.setattr("htzoo.compression.distill.shutil.rmtree", lambda *_, **__: None)  # as if it was killed there
    distill(student, teacher, words(3), steps=4, checkpoints=folder, progress=False)
    monkeypatch.undo()
    assert (folder / "last.ckpt").is_file()
    other = htzoo.compress(copy.deepcopy(teacher), budget="4x", to="lowrank", layers=["encoder.*", "gru", "head.*"])
    assert distill(other, teacher, words(3), steps=6, checkpoints=folder, progress=False).steps == 6


def test_no_hook_stays(tmp_path: Path) -> None:
    student, teacher = pair()
    distill(student, teacher, words(3), steps=4, progress=False)
    for model in (student, teacher):
        assert not any(module._forward_hooks for module in model.modules())
    torch.save(student, tmp_path / "student.pt")


def test_bad_requests_are_refused() -> None:
    student, teacher = pair()
    for batches, options, message in (
        ([], {}, "distill is empty"),
        (words(1), {}, "distill has one batch: give at least two"),
        (words(2), {"steps": 0}, "steps is 0: give at least 1"),
        ([torch.zeros(2, 3, 5)] * 3, {}, "distill: the model fails on batch 0"),
    ):
        with pytest.raises(ValueError, match=message):
            distill(student, teacher, batches, **options)
    with pytest.raises(ValueError, match="is a Tagger without compressed layers"):
        distill(teacher, teacher, words(2))
    teacher.norm.weight.data.fill_(torch.nan)
    with pytest.raises(ValueError, match="outputs for batch 0 are not finite"):
        distill(student, teacher, words(2))


def test_a_training_that_diverges_leaves_the_model() -> None:
    student, teacher = pair()
    before = copy.deepcopy(student.state_dict())
    with pytest.raises(ValueError, match=r"diverged, .* give a lower learning rate"):
        distill(student, teacher, words(4), steps=20, learning_rate=1e30, progress=False)
    assert all(torch.equal(value, before[key]) for key, value in student.state_dict().items())


def test_recorded_inputs(tmp_path: Path) -> None:
    model = Tagger().eval()
    batches = words(3)
    kept = htzoo.record(model, batches, tmp_path / "in.safetensors", layers=["enc*", "gru"])
    assert torch.equal(kept["encoder.lstm"][1], model.embedding(batches[1]))
    (first, *_rest) = read_recorded(tmp_path / "in.safetensors", ["encoder.lstm", "gru"])
    assert torch.equal(first["gru"], model.encoder["lstm"](first["encoder.lstm"])[0])
    with pytest.raises(ValueError, match=r"has no inputs of layer 'head\.0', it has 'encoder.lstm', 'gru'"):
        read_recorded(tmp_path / "in.safetensors", ["head.0"])
    layer = nn.GRU(3, 4, batch_first=True)
    packed = htzoo.record(layer, [pack_sequence([torch.ones(4, 3), torch.ones(2, 3)])])[""]
    assert [tuple(part.shape) for part in packed] == [(1, 4, 3), (1, 2, 3)]
    with pytest.raises(ValueError, match=r"give a file that ends in \.safetensors"):
        htzoo.record(model, batches, tmp_path / "in.pt")
    with pytest.raises(FileNotFoundError, match=r"is not a file: give what htzoo\.record"):
        read_recorded(tmp_path / "absent.npy", [""])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.safetensors"]
