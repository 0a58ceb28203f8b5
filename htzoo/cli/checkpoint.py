"""Look at a checkpoint before it is used."""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch import LightningDataModule

from htzoo.data.datamodule import VideoDataModule
from htzoo.hub.config import plain
from htzoo.hub.training_run import read_checkpoint
from htzoo.tasks import VideoClassification

FORMATS = ("input_format", "hidden_format", "joint_format")


def note_differences(path: str, asked: Mapping[str, Any], linked: Collection[str]) -> None:
    """Say on standard error where the configuration differs from what the checkpoint was trained with; it wins.

    Args:
        path: the checkpoint.
        asked: arguments of the task, as configured.
        linked: arguments that follow from the data, and are not known yet.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not a checkpoint.
    """
    saved = read_checkpoint(Path(path))["hyper_parameters"]
    chosen = FORMATS if asked.get("budget") is not None else ()  # the model chooses them
    for key in sorted((saved.keys() & asked.keys()) - {*linked, *chosen}):
        if plain(saved[key]) != plain(asked[key]):
            print(f"htzoo: note: {key} is {asked[key]} as asked, and was {saved[key]} in {path}", file=sys.stderr)


def check_checkpoint(path: str, task: VideoClassification) -> None:
    """Make sure that the checkpoint fits the model: its labels, its frames, and the shape of every weight.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not a checkpoint, or is one of another model.
    """
    content = read_checkpoint(Path(path))
    _compare(path, content["hyper_parameters"], content["state_dict"], task)


def is_published(path: str) -> bool:
    """Whether a checkpoint is meant as a name that :func:`htzoo.from_pretrained` knows, which can only be measured."""
    return not path.endswith(".ckpt") and not Path(path).is_file()


def load_published(name: str, task: VideoClassification, data: LightningDataModule) -> None:
    """Give a task the weights of a published model.

    Where the model was trained for another split of these data, whose test clips it may have seen, standard error says
    so.

    Args:
        name: of the model.
        task: what gets the weights.
        data: what it will be measured on.

    Raises:
        ValueError: there is no such model, or it is another one.
    """
    from htzoo.hub.classifier import ZooClassifier
    from htzoo.hub.open_model import open_model

    model = open_model(name, ZooClassifier)
    state = {f"model.{key}": value for key, value in model.state_dict().items()}
    _compare(name, model.config.arguments, state, task)
    task.load_state_dict(state)
    result = model.config.result
    if result is None or not isinstance(data, VideoDataModule) or result.dataset != data.dataset_name:
        return
    if f"(split {data.split_rule})" not in result.split:
        print(
            f"htzoo: note: {name} was trained for {result.split}, and is measured on split {data.split_rule}, some of "
            "whose clips it may have been trained on",
            file=sys.stderr,
        )


def _compare(path: str, arguments: Mapping[str, Any], saved: Mapping[str, Any], task: VideoClassification) -> None:
    for key in ("classes", "frame_size"):
        there, here = plain(arguments.get(key)), plain(getattr(task.model, key))
        if there is not None and there != here:
            raise ValueError(
                f"ckpt_path is {path!r}, a checkpoint of another model: {key} is {there} there and {here} here"
            )
    own = task.state_dict()
    for key in [*own, *saved]:
        shapes = [tuple(state[key].shape) if key in state else "nothing" for state in (saved, own)]
        if shapes[0] != shapes[1]:
            raise ValueError(
                f"ckpt_path is {path!r}, a checkpoint of another model: {key} has shape {shapes[0]} there and "
                f"{shapes[1]} in the model that is configured; give the configuration in the folder of its run"
            )
