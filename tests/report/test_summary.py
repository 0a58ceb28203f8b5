import dataclasses
import re

import pytest

from htzoo.report.summary import RunSummary, write_summary

PARTS = {
    "input_to_hidden": 1245,
    "hidden_to_hidden": 262144,
    "joint": 0,
    "bias": 1024,
    "classifier": 2827,
    "backbone": 0,
    "total": 267240,
}
SUMMARY = RunSummary(
    name="moving_digits_ht",
    command="htzoo fit --config moving_digits_ht --seed_everything 0",
    epochs=30,
    train_seconds=754.4,
    parameters=PARTS,
    dense_parameters={**PARTS, "input_to_hidden": 58982400, "total": 59248395},
    seed=0,
    splits={"train": "1,760 clips", "test": "220 clips, by | group"},
    best_epoch=24,
    test_accuracy=217 / 220,
    test_clips=220,
    val_accuracy=0.991,
    per_class={"right": (100, 100), "shake_x": (97, 100), "still": (20, 20), "gone": (0, 0)},
    loader_fps=15230.4,
    step_fps=8812.2,
    versions={"htzoo": "0.1.0", "torch": "2.9.0"},
    machine="2 CPU cores",
)


@pytest.fixture
def written(tmp_path):
    def written(**changes) -> str:
        write_summary(dataclasses.replace(SUMMARY, **changes), tmp_path / "summary.md")
        return (tmp_path / "summary.md").read_text()

    return written


def rows(text):
    """First cell -> the others, of all tables."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]
    return {first: others for first, *others in cells}


def test_headline(written):
    headline = written().splitlines()[2]
    assert headline.startswith("**Test accuracy 0.986 (217 of 220 clips)**")
    assert "1,245 input-to-hidden parameters in place of 58,982,400" in headline
    assert "47,375x fewer there, 222x fewer in the whole model" in headline


def test_parameters(written):
    table = rows(written())
    assert table["input to hidden"] == ["1,245", "58,982,400", "47,375x"]
    assert table["bias"] == ["1,024", "1,024", "1x"]
    assert table["**whole model**"] == ["267,240", "59,248,395", "222x"]
    assert "CNN" not in table


def test_training(written):
    table = rows(written())
    assert table["epochs"] == ["30, the best is 24"]
    assert table["validation accuracy"] == ["0.991"]
    assert table["time"] == ["12 min 34 s"]
    assert table["loader"] == ["15,230 frames a second"]
    assert table["training step"] == ["8,812 frames a second"]
    assert table["test"] == [r"220 clips, by \| group"]
    assert table["seed"] == ["0"]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.4, "0 s"), (59.6, "1 min 00 s"), (3599.7, "1 h 00 min"), (4325, "1 h 12 min"), (3.7e6, "1,027 h 46 min")],
)
def test_durations(written, seconds, words):
    assert rows(written(train_seconds=seconds))["time"] == [words]


def test_classes_lowest_first(written):
    text = written()
    assert rows(text)["shake_x"] == ["0.970", "97", "100"]
    assert rows(text)["gone"] == ["-", "0", "0"]
    places = [text.index(f"\n| {name} |") for name in ("shake_x", "right", "still", "gone")]
    assert places == sorted(places)


def test_pictures_and_command(written):
    text = written()
    assert re.findall(r"!\[.*?\]\((.*?)\)", text) == ["curves.png", "confusion.png"]
    assert f"```sh\n{SUMMARY.command}\n```" in text
    assert "htzoo 0.1.0, torch 2.9.0" in text
    assert re.findall(r"!\[.*?\]\((.*?)\)", written(pictures=("confusion.png",))) == ["confusion.png"]


def test_untested_run(written):
    text = written(test_accuracy=None, test_clips=0, per_class={})
    assert text.splitlines()[2].startswith("**Validation accuracy 0.991**; not tested, with")
    assert "per class" not in text
    text = written(test_accuracy=None, test_clips=0, per_class={}, val_accuracy=None, best_epoch=None)
    assert "neither validated nor tested" in text
    assert rows(text)["epochs"] == ["30"]


def test_several_classes_a_clip(written):
    text = written(test_accuracy=None, per_class={}, val_accuracy=None, mean_average_precision=0.5123)
    assert text.splitlines()[2].startswith("**Test mean average precision 0.512 (220 clips)**, with 1,245")


def test_dense_model(written):
    headline = written(parameters=SUMMARY.dense_parameters).splitlines()[2]
    assert headline.endswith("with dense input-to-hidden weights.")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"test_clips": 221}, "per_class has 220 clips, test_clips is 221"),
        ({"test_accuracy": 0.9}, "per_class gives accuracy 0.9864, test_accuracy is 0.9000"),
        ({"parameters": {"total": 1}}, "parameters without input_to_hidden"),
    ],
)
def test_contradictions_are_refused(changes, words):
    with pytest.raises(ValueError, match=words):
        dataclasses.replace(SUMMARY, **changes)
