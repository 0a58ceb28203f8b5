"""config.json: what a published model is, in plain data that is checked against the tables below before any use."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, get_args

from htzoo.data.sampling import FrameSampler, Sampling
from htzoo.formats import format_from_dict
from htzoo.hub.errors import ModelError

VERSION = 1
CONFIG_NAME = "config.json"
MAX_BYTES = 1 << 20  # ten thousand labels fit
MAX_DEPTH = 32
MAX_INTEGER = 1 << 31
MAX_MODES = 64
MAX_LABELS = 100_000
MAX_TEXT = 10_000
MAX_CLIP = 1 << 30  # bytes of the frames that one clip is read into


@dataclass(frozen=True)
class Result:
    """What the card claims, so that it can be measured again.

    Attributes:
        dataset: name of the data set.
        split: which clips were tested, in words.
        accuracy: from 0 to 1.
        clips: how many clips were tested.
        seed: seed of the training.
    """

    dataset: str
    split: str
    accuracy: float
    clips: int
    seed: int | None = None


@dataclass(frozen=True)
class ModelConfig:
    """A published model but for its weights.

    Attributes:
        kind: name of the class, one of :data:`ARGUMENTS`.
        arguments: what its constructor is given.
        sampling: which frames of a clip the model reads; None for a bare layer.
        multilabel: whether a clip may have several labels, each with a probability of its own.
        name: name of the configuration that it was trained by.
        result: what it reached; None where it was not tested.
        weights_sha256: of the model.safetensors that it was saved with; None in folders of htzoo before it was kept.
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
            "arguments": _plain(self.arguments),
            "sampling": None if self.sampling is None else asdict(self.sampling),
            "multilabel": self.multilabel,
            "result": None if self.result is None else asdict(self.result),
            "weights_sha256": self.weights_sha256,
        }
        return json.dumps(values, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def read_config(path: Path) -> ModelConfig:
    """Read and check a config.json; nothing in it is imported or run, and nothing large is built from it.

    Args:
        path: the file.

    Raises:
        ModelError: it is missing, too large, nested too deep, not JSON, or says what the tables here do not know.
    """
    try:
        with path.open("rb") as file:
            text = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ModelError(f"{path} cannot be read ({error.strerror}): give a folder that htzoo saved") from error
    if len(text) > MAX_BYTES:
        raise ModelError(f"{path} is larger than {MAX_BYTES:,} bytes, which no config of a model is: it is not used")
    try:
        return _checked(_parsed(text))
    except _WrongError as error:
        raise ModelError(f"{path}: {error}") from None


class _WrongError(Exception):
    """A reason without the name of the file."""


def _parsed(text: bytes) -> Any:
    try:
        values = json.loads(text, parse_constant=_no_constant, object_pairs_hook=_no_repeats)
    except RecursionError:
        raise _WrongError(f"nested deeper than {MAX_DEPTH} levels: it is not used") from None
    except ValueError as error:  # also UnicodeDecodeError, and a number of thousands of digits
        raise _WrongError(f"not plain JSON ({str(error).splitlines()[0][:200]}): it is not used") from None
    level = [values]
    for _ in range(MAX_DEPTH):
        level = [item for value in level for item in _items(value)]
        if not level:
            return values
    raise _WrongError(f"nested deeper than {MAX_DEPTH} levels: it is not used")


def _items(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number of JSON")


def _no_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        raise ValueError("a key stands twice in one object")
    return values


def _checked(values: Any) -> ModelConfig:
    if not isinstance(values, dict) or "config_version" not in values:
        raise _WrongError("no config_version, so this is no model of htzoo")
    if values["config_version"] != VERSION:
        raise _WrongError(
            f"config_version is {repr(values['config_version'])[:100]} and this htzoo reads {VERSION}: "
            "install the htzoo that wrote it"
        )
    values = {key: value for key, value in values.items() if key != "config_version"}
    _only(values, {"name", "model", "arguments", "sampling", "multilabel", "result", "weights_sha256"}, "config")
    kind = values.get("model")
    if not isinstance(kind, str) or kind not in ARGUMENTS:
        raise _WrongError(f"model is {str(kind)[:100]!r}: known models are {', '.join(ARGUMENTS)}")
    arguments = values.get("arguments")
    if not isinstance(arguments, dict):
        raise _WrongError("arguments is not an object")
    table = ARGUMENTS[kind]
    _only(arguments, table, "arguments")
    for key, value in arguments.items():
        table[key](key, value)
    name, multilabel, digest = values.get("name"), values.get("multilabel", False), values.get("weights_sha256")
    _or_none(_text)("name", name)
    _or_none(_text)("weights_sha256", digest)
    _boolean("multilabel", multilabel)
    sampling = _table_of("sampling", values.get("sampling"), _SAMPLING)
    if kind in MODELS and sampling is None:
        raise _WrongError("sampling is missing")
    try:
        sampler = None if sampling is None else FrameSampler(**sampling)
    except ValueError as error:
        raise _WrongError(f"sampling: {error}") from None
    if sampler is not None and kind in MODELS:
        _clip_fits(sampler, arguments.get("frame_size", [1, 1, 3]))
    result = _table_of("result", values.get("result"), _RESULT)
    reached = None if result is None else Result(**result)
    return ModelConfig(kind, arguments, sampler, multilabel, name, reached, digest)


def _table_of(key: str, values: Any, table: Mapping[str, Check]) -> dict[str, Any] | None:
    """An object that has every entry of a table, or None."""
    if values is None:
        return None
    if not isinstance(values, dict):
        raise _wrong(key, values, "an object")
    _only(values, table, key)
    for part, check in table.items():
        if part not in values:
            raise _WrongError(f"{key} has no {part}")
        check(f"{part} of {key}", values[part])
    return values


def _clip_fits(sampler: FrameSampler, frame_size: list[int]) -> None:
    frames = sampler.frames * (1 if sampler.sampling == "all" else sampler.per_segment)
    size = frames * math.prod(frame_size)
    if size > MAX_CLIP:
        raise _WrongError(
            f"{frames:,} frames of {frame_size[1]} x {frame_size[0]} pixels take {size:,} bytes a clip, and more than "
            f"{MAX_CLIP:,} are not read"
        )


Check = Callable[[str, Any], None]


def _only(values: Mapping[str, Any], known: Any, where: str) -> None:
    unknown = sorted(values.keys() - set(known))
    if unknown:
        raise _WrongError(f"{where} has {unknown[0][:100]!r}, which is unknown: known are {', '.join(sorted(known))}")


def _wrong(key: str, value: Any, wanted: str) -> _WrongError:
    return _WrongError(f"{key} is {repr(value)[:100]}: it must be {wanted}")


def _text(key: str, value: Any) -> None:
    # Printable, so that a label cannot steer the terminal that shows it.
    if not isinstance(value, str) or not value or len(value) > MAX_TEXT or not value.isprintable():
        raise _wrong(key, value, "printable text")


def _boolean(key: str, value: Any) -> None:
    if not isinstance(value, bool):
        raise _wrong(key, value, "true or false")


def _integer(least: int, most: int = MAX_INTEGER) -> Check:
    def check(key: str, value: Any) -> None:
        if type(value) is not int or not least <= value <= most:
            raise _wrong(key, value, f"a whole number from {least} to {most}")

    return check


def _number(least: float, most: float) -> Check:
    def check(key: str, value: Any) -> None:
        if type(value) not in (int, float) or not math.isfinite(value) or not least <= value <= most:
            raise _wrong(key, value, f"a number from {least:g} to {most:g}")

    return check


def _choice(*words: str) -> Check:
    def check(key: str, value: Any) -> None:
        if not isinstance(value, str) or value not in words:
            raise _wrong(key, value, f"one of {', '.join(words)}")

    return check


def _or_none(other: Check) -> Check:
    def check(key: str, value: Any) -> None:
        if value is not None:
            other(key, value)

    return check


def _labels(key: str, value: Any) -> None:
    if not isinstance(value, list) or not 0 < len(value) <= MAX_LABELS:
        raise _wrong(key, value, f"a list of 1 to {MAX_LABELS} labels")
    for label in value:
        _text(f"a label in {key}", label)
    if len(set(value)) < len(value):
        raise _WrongError(f"{key} has a label twice")


def _frame_size(key: str, value: Any) -> None:
    if not isinstance(value, list) or len(value) != 3 or value[2] != 3:
        raise _wrong(key, value, "[height, width, 3]")
    for size in value[:2]:
        _integer(1, 1 << 14)(key, size)


def _format(key: str, value: Any) -> None:
    if not isinstance(value, dict):
        raise _wrong(key, value, "an object with the name of a format")
    for part, entry in value.items():
        for number in _numbers(entry):
            _integer(1)(f"{part} of {key}", number)
        if len(_numbers(entry)) > MAX_MODES:
            raise _WrongError(f"{part} of {key} has more than {MAX_MODES} numbers")
    try:
        format_from_dict(value)
    except ValueError as error:
        raise _WrongError(f"{key}: {error}") from None


def _numbers(value: Any) -> list[Any]:
    """What stands in nested lists, text apart."""
    if isinstance(value, list):
        return [number for item in value for number in _numbers(item)]
    return [] if value is None or isinstance(value, str) else [value]


_LAYER: dict[str, Check] = {
    "input_size": _integer(1, 1 << 26),
    "hidden_size": _integer(1, 1 << 16),
    "num_layers": _integer(1, 64),
    "bias": _boolean,
    "batch_first": _boolean,
    "dropout": _number(0, 1),
    "bidirectional": _boolean,
    "input_format": _or_none(_format),
    "hidden_format": _or_none(_format),
    "joint_format": _or_none(_format),
}
LAYERS: dict[str, dict[str, Check]] = {
    "LSTM": _LAYER,
    "GRU": _LAYER,
    "RNN": {**_LAYER, "nonlinearity": _choice("tanh", "relu")},
}
MODELS: dict[str, dict[str, Check]] = {
    "VideoClassifier": {
        "classes": _labels,
        "frame_size": _frame_size,
        "hidden_size": _integer(1, 1 << 16),
        "num_layers": _integer(1, 64),
        "input_format": _or_none(_format),
        "hidden_format": _or_none(_format),
        "joint_format": _or_none(_format),
        "cell": _choice("LSTM", "GRU", "RNN"),
        "bias": _boolean,
        "backbone": _or_none(_text),
        "backbone_frozen": _boolean,
        "feature_norm": _boolean,
        "pixels": _choice("standardized", "centered"),
        "pixel_scale": _number(-1e6, 1e6),
        "input_dropout": _number(0, 1),
        "dropout": _number(0, 1),
        "pooling": _choice("last", "mean"),
    },
}
_SAMPLING: dict[str, Check] = {
    "sampling": _choice(*get_args(Sampling)),
    "frames": _integer(1, 1 << 16),
    "every": _integer(1, 1 << 16),
    "views": _integer(1, 1 << 10),
    "seed": _integer(0, 1 << 64),
    "motion": _boolean,
}
_RESULT: dict[str, Check] = {
    "dataset": _text,
    "split": _text,
    "accuracy": _number(0, 1),
    "clips": _integer(0),
    "seed": _or_none(_integer(0, 1 << 64)),
}
ARGUMENTS = {**MODELS, **LAYERS}  # every class that a config may name, and what it may say of it


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value
