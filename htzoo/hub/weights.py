"""model.safetensors: its header is checked before anything is built, then it is loaded strictly."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from htzoo.hub.errors import ModelError
from htzoo.messages import first_line

WEIGHTS_NAME = "model.safetensors"
_TYPES = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "I64": torch.int64}


def check_header(path: Path, expected: Mapping[str, Tensor]) -> None:
    """Make sure that a file holds exactly the expected tensors. Reads only its header.

    Args:
        path: the file.
        expected: name -> tensor of the right shape and type, on the meta device.

    Raises:
        ModelError: the file is no safetensors file, or a tensor is missing, unknown, or of another shape or type.
    """
    try:
        with safe_open(path, framework="pt") as file:
            found = set(file.keys())
            missing, extra = sorted(expected.keys() - found), sorted(found - expected.keys())
            if missing or extra:
                name, what = (missing[0], "is missing") if missing else (extra[0][:100], "does not belong to the model")
                raise ModelError(f"{path}: the tensor {name!r} {what}; the file does not belong to its config.json")
            for name, tensor in expected.items():
                part = file.get_slice(name)
                shape, kind = tuple(part.get_shape()), _TYPES.get(part.get_dtype())
                if shape != tuple(tensor.shape) or kind != tensor.dtype:
                    raise ModelError(
                        f"{path}: {name} is {part.get_dtype()} {shape}, and config.json asks for "
                        f"{str(tensor.dtype).removeprefix('torch.')} {tuple(tensor.shape)}"
                    )
    except (SafetensorError, OSError) as error:
        raise _unreadable(path, error) from None


def read_weights(path: Path) -> dict[str, Tensor]:
    """Every tensor of a file that passed :func:`check_header`, in its own memory.

    Raises:
        ModelError: a tensor cannot be read, or has values that are not finite.
    """
    try:
        with safe_open(path, framework="pt") as file:
            state = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118 (no dictionary)
    except (SafetensorError, OSError) as error:
        raise _unreadable(path, error) from None
    for name, tensor in state.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise ModelError(f"{path}: {name} has values that are not finite: the weights are damaged")
    return state


def _unreadable(path: Path, error: Exception) -> ModelError:
    return ModelError(f"{path} is no complete safetensors file ({first_line(error)}): download or save it again")
