"""A model as one file for other runtimes: ONNX, or PyTorch's own exported program."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor
from torch.export import Dim, ExportedProgram

from htzoo.files import replacing
from htzoo.messages import first_line
from htzoo.models.video_classifier import VideoClassifier

SUFFIXES = (".onnx", ".pt2")
_MAX_BATCH, _MAX_TIME = 4096, 65536
_MAX_DIFFERENCE = 1e-3  # of a logit; rounding makes some 1e-6
# Batch and time of the clips that a file is compared on: other ones than the model is traced with.
_TRACED, _COMPARED = (2, 3), ((1, 1), (3, 2), (2, 9))


class ExportError(RuntimeError):
    """A model that cannot be exported; the message says why and what to do."""


def export(model: VideoClassifier, output: Path, metadata: Mapping[str, str]) -> float:
    """Write a model to a file, then run the file and compare it with the model.

    The input ``video`` is uint8 (batch, time, height, width, 3), pixels 0 to 255, with any batch and time; the output
    ``logits`` is (batch, classes).

    Args:
        model: the model.
        output: a file that ends in ``.onnx`` or ``.pt2``.
        metadata: texts that are stored in the file.

    Returns:
        The maximum difference of a logit between the file, run by its runtime, and the model.

    Raises:
        ValueError: the file name has another ending.
        ExportError: a package is missing, an operation cannot be exported, or the file computes other logits.
    """
    if output.suffix not in SUFFIXES:
        raise ValueError(f"output is {str(output)!r}: give a file that ends in {' or '.join(SUFFIXES)}")
    model = model.cpu().eval()
    program = _trace(model)
    write = _write_onnx if output.suffix == ".onnx" else _write_program
    with replacing(output) as temporary:
        run = write(program, temporary, metadata)
        difference = _difference(model, run)
        if not difference < _MAX_DIFFERENCE:  # also refuses NaN
            raise ExportError(
                f"the logits of the file and of the model differ by {difference:.1e}, more than {_MAX_DIFFERENCE:g}: "
                "the file is not kept"
            )
    return difference


def _trace(model: VideoClassifier) -> ExportedProgram:
    dynamic = {0: Dim("batch", min=1, max=_MAX_BATCH), 1: Dim("time", min=1, max=_MAX_TIME)}
    try:
        with _no_warnings(), torch.no_grad():
            return torch.export.export(model, (_clips(model, *_TRACED),), dynamic_shapes={"video": dynamic})
    except ImportError as error:
        raise ExportError(f"torch {torch.__version__} is too old to export a loop over time: install 2.9") from error
    except Exception as error:
        raise ExportError(f"the model cannot be exported: {first_line(error)}") from error


def _write_program(program: ExportedProgram, output: Path, metadata: Mapping[str, str]) -> Callable[[Tensor], Tensor]:
    with _no_warnings():
        with output.open("wb") as file:
            torch.export.save(program, file, extra_files=dict(metadata))
        with output.open("rb") as file:
            loaded: Callable[[Tensor], Tensor] = torch.export.load(file).module()
    return loaded


def _write_onnx(program: ExportedProgram, output: Path, metadata: Mapping[str, str]) -> Callable[[Tensor], Tensor]:
    try:
        import onnx  # noqa: F401  (imported here so that the message names the package that is missing)
        import onnxruntime
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise ExportError(f"{error.name} is not installed: pip install 'htzoo[export]'") from error
    try:
        with _no_warnings():
            made = torch.onnx.export(
                program,
                (),
                dynamo=True,
                input_names=["video"],
                output_names=["logits"],
                dynamic_shapes={"video": {0: "batch", 1: "time"}},
                verbose=False,
            )
    except Exception as error:
        raise ExportError(f"the model cannot be written as ONNX: {first_line(error)}") from error
    assert made is not None
    made.model.metadata_props.update(metadata)
    with _no_warnings():
        made.save(str(output))
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors only
    session = onnxruntime.InferenceSession(str(output), options, providers=["CPUExecutionProvider"])
    return lambda video: torch.from_numpy(session.run(["logits"], {"video": video.numpy()})[0])


def _clips(model: VideoClassifier, batch: int, time: int) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (batch, time, *model.frame_size), dtype=torch.uint8, generator=generator)


@torch.no_grad()
def _difference(model: VideoClassifier, run: Callable[[Tensor], Tensor]) -> float:
    clips = [_clips(model, *size) for size in _COMPARED]
    return max(float((run(video) - model(video)).abs().max()) for video in clips)


@contextmanager
def _no_warnings() -> Iterator[None]:
    """Without the exporters' warnings about each other."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
