"""Read what a training run left: the model of a checkpoint, and what its card says of it."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any
from zipfile import is_zipfile

import torch
import yaml

import htzoo.data
from htzoo.data.clips.frame_sampler import FrameSampler
from htzoo.hub.card import Training
from htzoo.hub.classifier import PublishedClassifier
from htzoo.hub.config import MODELS, ModelConfig, Result
from htzoo.messages import first_line
from htzoo.report.summary import read_summary

PICTURES = ("curves.png", "confusion.png")


@dataclass(frozen=True)
class Run:
    """A trained model and where it comes from.

    Attributes:
        model: the model, in evaluation mode.
        config: what goes into config.json.
        training: what goes into the card; None where the run was not tested with this checkpoint.
        pictures: name -> file in the folder of the run.
    """

    model: PublishedClassifier
    config: ModelConfig
    training: Training | None = None
    pictures: dict[str, Path] = field(default_factory=dict)


def is_of_run(checkpoint: Path) -> bool:
    """Whether a checkpoint lies where a run of htzoo puts it."""
    return any(checkpoint.resolve().parent.parent.glob("*.yaml"))


def read_run(checkpoint: Path) -> Run:
    """Read a checkpoint in the folder of its run.

    Args:
        checkpoint: ``RUN/checkpoints/best.ckpt``.

    Raises:
        FileNotFoundError: there is no such file, or no configuration in the folder of the run.
        ValueError: it is no checkpoint of htzoo.
    """
    content = read_checkpoint(checkpoint)
    folder = checkpoint.resolve().parent.parent
    settings = _settings(checkpoint, folder)
    data = settings.get("data", {})
    given = content["hyper_parameters"]
    arguments = {key: given[key] for key in MODELS["VideoClassifier"] if key in given}
    prefix = "model."
    state = {key.removeprefix(prefix): v for key, v in content["state_dict"].items() if key.startswith(prefix)}
    name = settings["name"]
    training = _training(folder, checkpoint, data)
    result = None if training is None else _result(training)
    multilabel = str(settings.get("model", {}).get("class_path", "")).endswith("MultiLabelClassification")
    config = ModelConfig("VideoClassifier", arguments, _sampling(data), multilabel, name, result)
    try:
        model = PublishedClassifier(config)
        model.load_state_dict(state)
    except (RuntimeError, TypeError, ValueError) as error:
        raise _damaged(checkpoint, error) from error
    pictures = {name: folder / name for name in PICTURES if training is not None and (folder / name).is_file()}
    return Run(model.eval(), config, training, pictures)


def read_checkpoint(path: Path, device: str = "cpu") -> dict[str, Any]:
    """What a checkpoint holds: ``state_dict``, ``hyper_parameters`` and more, as Lightning names it; no code is run.

    Args:
        path: the file.
        device: where its tensors are put; ``meta`` for their shapes alone.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no checkpoint of htzoo.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} is no file: give a checkpoint, such as RUN/checkpoints/best.ckpt")
    if not is_zipfile(path):
        raise _damaged(path, ValueError("it is no whole file of torch.save"))
    try:
        content: dict[str, Any] = torch.load(path, map_location=device, weights_only=True, mmap=True)
        if not (isinstance(content["state_dict"], dict) and isinstance(content["hyper_parameters"], dict)):
            raise TypeError("state_dict and hyper_parameters are no dictionaries")
    except Exception as error:  # whatever torch says to a file of another kind
        raise _damaged(path, error) from error
    return content


def _damaged(checkpoint: Path, error: Exception) -> ValueError:
    reason = f"there is no {error} in it" if isinstance(error, KeyError) else first_line(error)
    return ValueError(
        f"{checkpoint} is not a checkpoint of htzoo, or is damaged ({reason}): give RUN/checkpoints/best.ckpt"
    )


def _sampling(data: dict[str, Any]) -> FrameSampler:
    """What the data set was told of it; in a resolved configuration all is there."""
    given = data.get("init_args", {})
    known = {item.name for item in fields(FrameSampler)} - {"seed"}
    return FrameSampler(**{key: value for key, value in given.items() if key in known})


def _settings(checkpoint: Path, folder: Path) -> dict[str, Any]:
    """The configuration of the run, as plain data, with its name."""
    found = sorted(folder.glob("*.yaml"))
    if len(found) != 1:
        raise FileNotFoundError(
            f"{folder} has {len(found) or 'no'} configuration files beside {checkpoint.name}, and the model cannot be "
            "described without one: give a checkpoint in the folder of its run, RUN/checkpoints/best.ckpt"
        )
    values = yaml.safe_load(found[0].read_text(encoding="utf-8"))
    return {**(values if isinstance(values, dict) else {}), "name": found[0].stem}


def _training(folder: Path, checkpoint: Path, data: dict[str, Any]) -> Training | None:
    """What the run says of itself, if it was this checkpoint that it tested."""
    path = folder / "summary.json"
    if not path.is_file():
        return None
    summary = read_summary(path)
    if summary.checkpoint != checkpoint.name:
        return None
    name = str(data.get("class_path", "")).rpartition(".")[2]
    cls = getattr(htzoo.data, name) if name in htzoo.data.__all__ else None
    texts = {key: str(getattr(cls, key, "")) for key in ("title", "homepage", "licence")}
    return Training(summary, getattr(cls, "dataset_name", None) or name or "unknown", **texts)


def _result(training: Training) -> Result | None:
    summary = training.summary
    if summary.test_accuracy is None:
        return None
    split = summary.splits.get("test", "test clips")
    return Result(training.dataset, split, summary.test_accuracy, summary.test_clips, summary.seed)
