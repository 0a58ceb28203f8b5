"""What a training run left: its checkpoints, its settings, and the facts that a model card reports."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any
from zipfile import is_zipfile

import torch
import yaml

from htzoo.data.clips.frame_sampler import FrameSampler
from htzoo.data.datasets.registry import class_names, find_dataset
from htzoo.hub.card import Training
from htzoo.hub.config import ModelConfig, Result
from htzoo.hub.kinds import ARGUMENTS
from htzoo.messages import first_line
from htzoo.report.summary import read_summary

BEST = Path("checkpoints") / "best.ckpt"  # in the folder of a run
PLOTS = ("curves.png", "confusion.png")


def is_of_run(checkpoint: Path) -> bool:
    """Whether a checkpoint lies in the folder of a run of htzoo."""
    return any(checkpoint.resolve().parent.parent.glob("*.yaml"))


def read_checkpoint(path: Path, device: str = "cpu") -> dict[str, Any]:
    """The content of a checkpoint: ``state_dict``, ``hyper_parameters`` and more, as Lightning saves it.

    No code in the file is run.

    Args:
        path: the file.
        device: where the tensors are put; on ``meta`` they have shapes and no values.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not a checkpoint of htzoo.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} is no file: give a checkpoint, such as RUN/checkpoints/best.ckpt")
    if not is_zipfile(path):
        raise _damaged(path, ValueError("it is no complete file of torch.save"))
    try:
        content: dict[str, Any] = torch.load(path, map_location=device, weights_only=True, mmap=True)
        if not (isinstance(content["state_dict"], dict) and isinstance(content["hyper_parameters"], dict)):
            raise TypeError("state_dict and hyper_parameters are no dictionaries")
    except Exception as error:  # whatever torch raises for a file of another kind
        raise _damaged(path, error) from error
    return content


def read_run(checkpoint: Path, device: str = "cpu") -> tuple[ModelConfig, dict[str, torch.Tensor]]:
    """The config and the weights of the model in a checkpoint.

    Args:
        checkpoint: ``RUN/checkpoints/best.ckpt``, in the folder of its run.
        device: where the weights are put; on ``meta`` they have shapes and no values.

    Raises:
        FileNotFoundError: there is no such file, or no configuration in the folder of the run.
        ValueError: it is not a checkpoint of htzoo.
    """
    content = read_checkpoint(checkpoint, device)
    settings = _settings(checkpoint)
    given = content["hyper_parameters"]
    arguments = {key: given[key] for key in ARGUMENTS["VideoClassifier"] if key in given}
    prefix = "model."
    state = {key.removeprefix(prefix): v for key, v in content["state_dict"].items() if key.startswith(prefix)}
    multilabel = str(settings.get("model", {}).get("class_path", "")).endswith("MultiLabelClassification")
    sampling = frame_sampler(settings.get("data", {}))
    training = read_training(checkpoint)
    result = None if training is None else _result(training)
    return ModelConfig("VideoClassifier", arguments, sampling, multilabel, settings["name"], result), state


def read_training(checkpoint: Path) -> Training | None:
    """What a run reports of its training, with its plots; None unless it tested this checkpoint.

    Args:
        checkpoint: ``RUN/checkpoints/best.ckpt``, in the folder of its run.

    Raises:
        FileNotFoundError: there is no configuration in the folder of the run.
        ValueError: the summary of the run is damaged.
    """
    folder = _folder(checkpoint)
    path = folder / "summary.json"
    if not path.is_file():
        return None
    summary = read_summary(path)
    if summary.checkpoint != checkpoint.name:
        return None
    name = str(_settings(checkpoint).get("data", {}).get("class_path", "")).rpartition(".")[2]
    cls = find_dataset(class_names()[name]) if name in class_names() else None
    texts = {key: str(getattr(cls, key)) for key in ("title", "homepage", "licence") if getattr(cls, key, None)}
    plots = {name: folder / name for name in PLOTS if (folder / name).is_file()}
    return Training(summary, getattr(cls, "dataset_name", None) or name or "unknown", plots=plots, **texts)


def frame_sampler(data: dict[str, Any]) -> FrameSampler:
    """Which frames of a clip are read, from the ``data`` section of a configuration."""
    given = data.get("init_args", {})
    known = {item.name for item in fields(FrameSampler)} - {"seed"}
    return FrameSampler(**{key: value for key, value in given.items() if key in known})


def _damaged(checkpoint: Path, error: Exception) -> ValueError:
    reason = f"there is no {error} in it" if isinstance(error, KeyError) else first_line(error)
    return ValueError(
        f"{checkpoint} is not a checkpoint of htzoo, or is damaged ({reason}): give RUN/checkpoints/best.ckpt"
    )


def _folder(checkpoint: Path) -> Path:
    return checkpoint.resolve().parent.parent


def _settings(checkpoint: Path) -> dict[str, Any]:
    """The configuration of the run, as plain data, with its name."""
    folder = _folder(checkpoint)
    found = sorted(folder.glob("*.yaml"))
    if len(found) != 1:
        raise FileNotFoundError(
            f"{folder} has {len(found) or 'no'} configuration files beside {checkpoint.name}, and the model cannot be "
            "described without one: give a checkpoint in the folder of its run, RUN/checkpoints/best.ckpt"
        )
    values = yaml.safe_load(found[0].read_text(encoding="utf-8"))
    return {**(values if isinstance(values, dict) else {}), "name": found[0].stem}


def _result(training: Training) -> Result | None:
    summary = training.summary
    if summary.test_accuracy is None:
        return None
    split = summary.splits.get("test", "test clips")
    return Result(training.dataset, split, summary.test_accuracy, summary.test_clips, summary.seed)
