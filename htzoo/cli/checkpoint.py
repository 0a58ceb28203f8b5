"""Look at a checkpoint before it is used."""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import torch

from htzoo.tasks import VideoClassification


def _read(path: str) -> dict[str, Any]:
    if not Path(path).is_file():
        example = "RUN/checkpoints/best.ckpt"
        raise FileNotFoundError(f"ckpt_path is {path!r}, which is no file: give a checkpoint, such as {example}")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except Exception as error:  # whatever the reader stumbles over in a file of another kind
        raise ValueError(f"ckpt_path is {path!r}, which is not a checkpoint of htzoo, or is damaged") from error
    if not isinstance(content, dict) or "state_dict" not in content:
        raise ValueError(f"ckpt_path is {path!r}, which is not a checkpoint of htzoo: it has no state_dict")
    return content


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
    saved = _read(path).get("hyper_parameters", {})
    for key in sorted((saved.keys() & asked.keys()) - set(linked)):
        if _plain(saved[key]) != _plain(asked[key]):
            print(f"htzoo: note: {key} is {asked[key]} as asked, and was {saved[key]} in {path}", file=sys.stderr)


def check_checkpoint(path: str, task: VideoClassification) -> None:
    """Make sure that the checkpoint fits the model: its labels, its frames, and the shape of every weight.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not a checkpoint, or is one of another model.
    """
    content = _read(path)
    for key in ("classes", "frame_size"):
        there, here = _plain(content.get("hyper_parameters", {}).get(key)), _plain(getattr(task.model, key))
        if there is not None and there != here:
            raise ValueError(
                f"ckpt_path is {path!r}, a checkpoint of another model: {key} is {there} there and {here} here"
            )
    saved, own = content["state_dict"], task.state_dict()
    for key in [*own, *saved]:
        shapes = [tuple(state[key].shape) if key in state else "nothing" for state in (saved, own)]
        if shapes[0] != shapes[1]:
            raise ValueError(
                f"ckpt_path is {path!r}, a checkpoint of another model: {key} has shape {shapes[0]} there and "
                f"{shapes[1]} in the model that is configured; give the configuration in the folder of its run"
            )


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value
