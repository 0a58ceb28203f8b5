"""Modes and ranks for a frame size, and the losses of classes of unequal size."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from htzoo.formats import format_from_dict
from htzoo.tasks import VideoClassification
from htzoo.tasks.budget import within_budget

HT = {"name": "HierarchicalTucker", "in_modes": [8, 10, 10, 9, 8], "out_modes": [4, 4, 2, 4, 2], "leaf_rank": 4}
ARGUMENTS: dict[str, Any] = {"classes": ("a", "b"), "frame_size": (24, 32, 3), "hidden_size": 64}


@pytest.mark.parametrize("budget", ["40x", "3000"])
@pytest.mark.parametrize("key", ["input_format", "joint_format"])
def test_a_budget_is_kept(budget: str, key: str) -> None:
    task = VideoClassification(**ARGUMENTS, budget=budget, **{key: {**HT, "inner_rank": 5}})
    form = format_from_dict(task.hparams[key])
    columns = 24 * 32 * 3 + (64 if key == "joint_format" else 0)
    parameters = form.network(columns, 64, 4).num_parameters
    allowed = columns * 64 * 4 / 40 if budget == "40x" else 3000
    assert allowed / 2 < parameters <= allowed
    assert task.model(torch.zeros(1, 2, 24, 32, 3)).shape == (1, 2)


def test_a_budget_makes_a_dense_model_small_and_the_hidden_weight_too() -> None:
    assert within_budget("50x", ARGUMENTS)["input_format"]["name"] == "HierarchicalTucker"
    both = {**ARGUMENTS, "input_format": {**HT, "inner_rank": 5}, "hidden_format": {"name": "TensorTrain"}}
    found = within_budget("10x", both)
    assert format_from_dict(found["hidden_format"]).network(64, 64, 4).num_parameters <= 64 * 64 * 4 / 10


@pytest.mark.parametrize("budget", ["much", "0", "-3x", "1", "1e3"])
def test_a_budget_that_cannot_be(budget: str) -> None:
    with pytest.raises(ValueError, match=r"--model\.budget is"):
        within_budget(budget, ARGUMENTS)


def test_the_error_of_wrong_modes_ends_with_the_right_ones() -> None:
    with pytest.raises(ValueError, match="multiply to 57,600, but the input has 2,304 features") as caught:
        VideoClassification(**ARGUMENTS, input_format={**HT, "inner_rank": 5})
    text = str(caught.value)
    assert text.count(": give ") == 1 and "give --model.budget 1245, or --model.input_format '{name: Hier" in text


def test_class_weights_and_smoothing_count_in_training_alone() -> None:
    task = VideoClassification(**ARGUMENTS, class_weights=[1.0, 3.0], label_smoothing=0.2)
    logits, labels = torch.randn(6, 2), torch.tensor([0, 0, 0, 0, 1, 1])
    weighted = nn.functional.cross_entropy(logits, labels, torch.tensor([1.0, 3.0]), label_smoothing=0.2)
    assert torch.equal(task.train().loss(logits, labels), weighted)
    assert torch.equal(task.eval().loss(logits, labels), nn.functional.cross_entropy(logits, labels))
    data: Any = SimpleNamespace(
        clips=[SimpleNamespace(label=label) for label in (0, 0, 0, 1, 1)], splits=["train"] * 4 + ["test"]
    )
    assert task.balanced_weights(data).tolist() == pytest.approx([4 / 6, 2.0])  # mean over the clips is 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"class_weights": [1.0]}, "class_weights has 1 numbers for 2 classes"),
        ({"label_smoothing": 1.5}, "label_smoothing is 1.5"),
        ({"classes": ("a",)}, "classes is .'a'., and a classifier needs two or more"),
    ],
)
def test_arguments_that_cannot_be(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        VideoClassification(**{**ARGUMENTS, **options})
