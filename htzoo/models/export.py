"""A model as one file for other runtimes: ONNX, or PyTorch's own exported program."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from htzoo.files import replacing
from htzoo.messages import first_line
from htzoo.models.pixel_scaling import scale_pixels
from htzoo.models.video_classifier import VideoClassifier
from htzoo.nn import Weight
from htzoo.nn.recurrent_layer import Recurrent
from htzoo.nn.weight import Prepared

SUFFIXES = (".onnx", ".pt2")
_MOST_CLIPS, _MOST_FRAMES = 4096, 65536
_MOST_DIFFERENCE = 1e-3  # of a logit, where rounding makes some 1e-6


class ExportError(RuntimeError):
    """A model that cannot be exported; the message says why and what to do."""


def export(model: VideoClassifier, output: Path, frames: int, metadata: Mapping[str, str]) -> float:
    """Write a model, and run what was written beside it.

    The one input ``video`` is uint8 (batch, time, height, width, 3), pixels 0 to 255, of any batch and time; the output
    ``logits`` is (batch, classes).

    Args:
        model: the model.
        output: a file that ends in ``.onnx`` or ``.pt2``.
        frames: how many frames a clip usually has.
        metadata: texts that the file holds as well.

    Returns:
        The largest difference of a logit between the file, run by its runtime, and the model.

    Raises:
        ValueError: the file's name ends otherwise.
        ExportError: a package is missing, something in the model has no counterpart, or the file's logits are others.
    """
    if output.suffix not in SUFFIXES:
        raise ValueError(f"output is {str(output)!r}: give a file that ends in {' or '.join(SUFFIXES)}")
    model = model.cpu().eval()
    program = _exported(model, frames)
    facts = dict(metadata)
    with replacing(output) as temporary:
        if output.suffix == ".onnx":
            _write_onnx(program, temporary, facts)
            difference = _difference(model, frames, lambda video: _run_onnx(temporary, video))
        else:
            with _calm(), temporary.open("wb") as file:
                torch.export.save(program, file, extra_files=facts)
            with _calm(), temporary.open("rb") as file:
                loaded = torch.export.load(file).module()
            difference = _difference(model, frames, lambda video: loaded(video))
        if not difference < _MOST_DIFFERENCE:  # nor is what is no number
            raise ExportError(
                f"the file's logits and the model's differ by {difference:.1e}, more than {_MOST_DIFFERENCE:g}: "
                "it is not kept"
            )
    return difference


class _Exportable(nn.Module):
    """The same computation with the time as one operation, which a file can hold for any number of frames.

    The cores of the input-to-hidden weight are merged beforehand, as for a clip of as many frames as the model is used
    with. The hidden-to-hidden weight becomes its full matrix: the loop of the file holds plain products only.
    """

    def __init__(self, model: VideoClassifier, frames: int) -> None:
        super().__init__()
        self.model = model
        self.products = nn.ModuleList()
        for suffix in _suffixes(model.recurrent):
            (weight, columns), (hidden, hidden_columns) = model.recurrent._weights(suffix)
            self.products.append(_Product(weight, columns, frames))
            matrix = hidden.to_dense()[:, slice(*(hidden_columns or (None,)))]
            self.register_buffer(f"hidden_{suffix}", matrix.detach().clone())

    def forward(self, video: Tensor) -> Tensor:
        model = self.model
        if model.backbone is None:
            features = scale_pixels(video, None, model.pixels, model.pixel_scale)
        else:
            features = model.backbone(video.flatten(0, 1)).unflatten(0, video.shape[:2])
        data = model.normalized(features).transpose(0, 1)
        layer = model.recurrent
        for product, suffix in zip(self.products, _suffixes(layer), strict=True):
            bias = getattr(layer, f"bias_{suffix}")
            gates = product(data) if bias is None else product(data) + bias
            data = _recur(layer, gates, getattr(self, f"hidden_{suffix}"), suffix)
        logits: Tensor = model.classifier(data.mean(0) if model.pooling == "mean" else data[-1])
        return logits


class _Product(nn.Module):
    """A weight whose cores are merged."""

    def __init__(self, weight: Weight, columns: tuple[int, int] | None, rows: int) -> None:
        super().__init__()
        with torch.no_grad():
            prepared = weight.prepare(rows, input_gradient=False, columns=columns)
        self.chain, self.padding = prepared.chain, prepared.padding
        self.count = len(prepared.matrices)
        for k, matrix in enumerate(prepared.matrices):
            self.register_buffer(f"matrix_{k}", matrix.detach().clone())

    def forward(self, x: Tensor) -> Tensor:
        matrices = tuple(getattr(self, f"matrix_{k}") for k in range(self.count))
        flat: Tensor = Prepared(self.chain, matrices, self.padding)(x.flatten(0, 1))
        return flat.reshape(x.shape[0], x.shape[1], flat.shape[-1])


def _recur(layer: Recurrent, gates: Tensor, hidden: Tensor, suffix: str) -> Tensor:
    """Hidden states (time, batch, hidden) from the input part of the pre-activations."""
    from torch._higher_order_ops.scan import scan  # no public name yet; tests run it in both runtimes

    hidden_bias = layer._hidden_bias(suffix)
    start = tuple(gates.new_zeros(gates.shape[1], layer.hidden_size) for _ in range(layer.cell.states))

    def step(state: tuple[Tensor, ...], x_part: Tensor) -> tuple[tuple[Tensor, ...], Tensor]:
        h_part = state[0] @ hidden.T
        after, _ = layer.cell.step(x_part, h_part if hidden_bias is None else h_part + hidden_bias, state)
        return tuple(after), after[0].clone()

    _, outputs = scan(step, start, gates)
    return outputs  # type: ignore[no-any-return]


def _suffixes(layer: Recurrent) -> list[str]:
    if layer.bidirectional:
        raise ExportError("a bidirectional layer cannot be exported: the file would have to read its clip backward")
    return [suffix for _, suffix in layer._cells()]


def _exported(model: VideoClassifier, frames: int) -> ExportedProgram:
    dynamic = {0: Dim("batch", min=1, max=_MOST_CLIPS), 1: Dim("time", min=1, max=_MOST_FRAMES)}
    try:
        with _calm(), torch.no_grad():
            wrapped = _Exportable(model, frames).eval()
            return torch.export.export(wrapped, (_clips(model, 2, 3),), dynamic_shapes={"video": dynamic})
    except ExportError:
        raise
    except ImportError as error:
        raise ExportError(f"torch {torch.__version__} is too old to export a loop over time: install 2.9") from error
    except Exception as error:
        raise ExportError(f"the model cannot be exported: {first_line(error)}") from error


def _write_onnx(program: ExportedProgram, output: Path, facts: dict[str, str]) -> None:
    try:
        import onnx  # noqa: F401  (asked for here, so that the message names what is missing)
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise ExportError(f"{error.name} is not installed: pip install 'htzoo[export]'") from error
    try:
        with _calm():
            made = torch.onnx.export(
                program, (), dynamo=True, input_names=["video"], output_names=["logits"], verbose=False
            )
    except Exception as error:
        raise ExportError(f"the model has no ONNX counterpart: {first_line(error)}") from error
    assert made is not None
    made.model.metadata_props.update(facts)
    with _calm():
        made.save(str(output))


def _run_onnx(path: Path, video: Tensor) -> Tensor:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors only
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return torch.from_numpy(session.run(["logits"], {"video": video.numpy()})[0])


def _clips(model: VideoClassifier, batch: int, time: int) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (batch, time, *model.frame_size), dtype=torch.uint8, generator=generator)


@torch.no_grad()
def _difference(model: VideoClassifier, frames: int, run: Any) -> float:
    """The largest difference over clips of other sizes than the one that was traced."""
    clips = [_clips(model, *size) for size in ((1, 1), (2, 3), (3, min(frames, 16)))]
    return max(float((run(video) - model(video)).abs().max()) for video in clips)


@contextmanager
def _calm() -> Iterator[None]:
    """Without the exporters' own warnings about each other."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
