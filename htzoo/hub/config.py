"""config.json: everything about a published model but its weights, as plain data that is checked before any use."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, get_args

from htzoo.data.clips.frame_sampler import FrameSampler, Sampling
from htzoo.hub.errors import ModelError
from htzoo.hub.kinds import ARGUMENTS, MODELS
from htzoo.hub.value_checks import (
    Check,
    WrongError,
    boolean,
    choice,
    integer,
    number,
    only,
    or_none,
    table_of,
    text,
)
from htzoo.messages import first_line

VERSION = 1
CONFIG_NAME = "config.json"
MAX_BYTES = 1 << 20  # ten thousand labels fit
MAX_DEPTH = 32
MAX_CLIP = 1 << 30  # bytes of the frames of one clip


@dataclass(frozen=True)
class Result:
    """The test result that the card reports.

    Attributes:
        dataset: name of the dataset.
        split: the clips of the test split, in words.
        accuracy: from 0 to 1.
        clips: number of test clips.
        seed: random seed of the training.
    """

    dataset: str
    split: str
    accuracy: float
    clips: int
    seed: int | None = None


@dataclass(frozen=True)
class ModelConfig:
    """A model without its weights.

    Attributes:
        kind: name of the class, one of :data:`htzoo.hub.kinds.ARGUMENTS`.
        arguments: arguments of its constructor.
        sampling: which frames of a clip the model reads; None for a bare layer.
        multilabel: whether a clip may have several labels, each with its own probability.
        name: name of the configuration that the model was trained with.
        result: its test result; None if it was not tested.
        weights_sha256: digest of the model.safetensors that belongs to it; None if unknown, as in folders that early
            versions of htzoo wrote.
    """

    kind: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    sampling: FrameSampler | None = None
    multilabel: bool = False
    name: str | None = None
    result: Result | None = None
    weights_sha256: str | None = None

    def to_json(self) -> str:
        """The text of config.json."""
        values = {
            "config_version": VERSION,
            "name": self.name,
            "model": self.kind,
            "arguments": plain(self.arguments),
            "sampling": None if self.sampling is None else asdict(self.sampling),
            "multilabel": self.multilabel,
            "result": None if self.result is None else asdict(self.result),
            "weights_sha256": self.weights_sha256,
        }
        return json.dumps(values, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def read_config(path: Path) -> ModelConfig:
    """Read and check a config.json. Nothing in it is imported or run, and nothing large is built from it.

    Args:
        path: the file.

    Raises:
        ModelError: it is missing, too large, nested too deep, not JSON, or has an unknown entry or a value of a wrong
            type.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ModelError(f"{path} cannot be read ({error.strerror}): give a folder that htzoo saved") from error
    if len(content) > MAX_BYTES:
        raise ModelError(f"{path} is larger than {MAX_BYTES:,} bytes, which no config of a model is: it is not used")
    try:
        return _checked(_parsed(content))
    except WrongError as error:
        raise ModelError(f"{path}: {error}") from None


def _parsed(content: bytes) -> Any:
    try:
        values = json.loads(content, parse_constant=_no_constant, object_pairs_hook=_no_repeats)
    except RecursionError:
        raise WrongError(f"nested deeper than {MAX_DEPTH} levels: it is not used") from None
    except ValueError as error:  # includes UnicodeDecodeError, and integers of thousands of digits
        raise WrongError(f"not plain JSON ({first_line(error)}): it is not used") from None
    level = [values]
    for _ in range(MAX_DEPTH):
        level = [item for value in level for item in _items(value)]
        if not level:
            return values
    raise WrongError(f"nested deeper than {MAX_DEPTH} levels: it is not used")


def _items(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _no_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        raise ValueError("an object has a key twice")
    return values


def _checked(values: Any) -> ModelConfig:
    if not isinstance(values, dict) or "config_version" not in values:
        raise WrongError("no config_version, so this is no model of htzoo")
    if values["config_version"] != VERSION:
        raise WrongError(
            f"config_version is {repr(values['config_version'])[:100]} and this htzoo reads {VERSION}: "
            "install the htzoo that wrote it"
        )
    values = {key: value for key, value in values.items() if key != "config_version"}
    only(values, {"name", "model", "arguments", "sampling", "multilabel", "result", "weights_sha256"}, "config")
    kind = values.get("model")
    if not isinstance(kind, str) or kind not in ARGUMENTS:
        raise WrongError(f"model is {str(kind)[:100]!r}: known models are {', '.join(ARGUMENTS)}")
    arguments = values.get("arguments")
    if not isinstance(arguments, dict):
        raise WrongError("arguments is not an object")
    table = ARGUMENTS[kind]
    only(arguments, table, "arguments")
    for key, value in arguments.items():
        table[key](key, value)
    name, multilabel, digest = values.get("name"), values.get("multilabel", False), values.get("weights_sha256")
    or_none(text)("name", name)
    or_none(text)("weights_sha256", digest)
    boolean("multilabel", multilabel)
    sampling = table_of("sampling", values.get("sampling"), _SAMPLING)
    if kind in MODELS and sampling is None:
        raise WrongError("sampling is missing")
    try:
        sampler = None if sampling is None else FrameSampler(**sampling)
    except ValueError as error:
        raise WrongError(f"sampling: {error}") from None
    if sampler is not None and kind in MODELS:
        _clip_fits(sampler, arguments.get("frame_size", [1, 1, 3]))
    result = table_of("result", values.get("result"), _RESULT)
    return ModelConfig(kind, arguments, sampler, multilabel, name, None if result is None else Result(**result), digest)


def _clip_fits(sampler: FrameSampler, frame: list[int]) -> None:
    frames = sampler.frames * (1 if sampler.sampling == "all" else sampler.per_segment)
    size = frames * math.prod(frame)
    if size > MAX_CLIP:
        raise WrongError(
            f"{frames:,} frames of {frame[1]} x {frame[0]} pixels take {size:,} bytes a clip: the limit is {MAX_CLIP:,}"
        )


_SAMPLING: dict[str, Check] = {
    "sampling": choice(*get_args(Sampling)),
    "frames": integer(1, 1 << 16),
    "every": integer(1, 1 << 16),
    "views": integer(1, 1 << 10),
    "seed": integer(0, 1 << 64),
    "motion": boolean,
}
_RESULT: dict[str, Check] = {
    "dataset": text,
    "split": text,
    "accuracy": number(0, 1),
    "clips": integer(0),
    "seed": or_none(integer(0, 1 << 64)),
}


def plain(value: Any) -> Any:
    """Nested mappings and sequences as dictionaries and lists, the types that JSON has."""
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list | tuple) else value
