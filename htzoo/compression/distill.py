"""Distillation without labels: the small model learns to do what the original does, on inputs alone."""

from __future__ import annotations

import hashlib
import io
import logging
import math
import shutil
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, NamedTuple

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torch.utils.hooks import RemovableHandle

from htzoo.compression.calibration import call, checked_batches, outputs_of, relative_difference, tensors_in
from htzoo.compression.compress_layer import Layer

_PATIENCE = 8  # validations without a better one
_VALIDATIONS = 40  # in the whole training, at most
_IDENTITY = "identity.txt"
_DIVERGED = "distillation diverged, its outputs are not finite any more: give a lower learning rate"


class Distilled(NamedTuple):
    """What distillation brought.

    Attributes:
        before: relative error of the outputs on the held-out inputs before.
        after: the same with the best weights, which the model has now.
        steps: steps that were made.
    """

    before: float
    after: float
    steps: int


def distill(
    student: nn.Module,
    teacher: nn.Module,
    batches: Iterable[Any],
    *,
    steps: int = 1000,
    learning_rate: float = 1e-3,
    held_out: float = 0.2,
    checkpoints: Path | None = None,
    progress: bool = True,
    seed: int = 0,
) -> Distilled:
    """Train the compressed layers of ``student`` until its outputs, and theirs, are those of ``teacher``.

    The loss is the squared error over the squared norm, of the model's outputs and of the compressed layers' (Romero et
    al., "FitNets", ICLR 2015). Nothing but the compressed layers is trained, and dropout is off. A part of the inputs
    is held out: the weights of the best validation are kept, and training stops when nothing got better for a while.

    Args:
        student: the compressed model; trained in place, and left as it was where training fails.
        teacher: the original, a copy from before it was compressed.
        batches: batches of the model's inputs: tensors, tuples of arguments, or mappings of keyword arguments.
        steps: maximum number of optimiser steps, one batch each.
        learning_rate: of Adam; it falls to 0 along a cosine.
        held_out: share of the batches that is held out; one at least.
        checkpoints: a folder that training saves itself to at every validation, and goes on from when it is run again;
            removed at the end. Without it an interrupted training starts again.
        progress: whether to show a bar.
        seed: of the choice and the order of the batches.

    Returns:
        Errors on the held-out inputs, before and after.

    Raises:
        ValueError: there are fewer than two batches, they have values that are not finite or do not fit the model, the
            teacher's outputs are not finite, no layer is compressed, or the training diverges.
    """
    kept = checked_batches(batches, "distill")
    if len(kept) < 2:
        raise ValueError("distill has one batch: give at least two, as one is held out")
    if steps < 1:
        raise ValueError(f"steps is {steps}: give at least 1")
    names = [name for name, module in student.named_modules() if isinstance(module, Layer)]
    if not names:
        raise ValueError(f"student is a {type(student).__name__} without compressed layers: compress it first")
    order = torch.randperm(len(kept), generator=torch.Generator().manual_seed(seed)).tolist()
    count = min(max(1, round(held_out * len(kept))), len(kept) - 1)
    validation, training = ([kept[k] for k in part] for part in (order[:count], order[count:]))
    reference = outputs_of(teacher, validation, "distill")
    before = relative_difference(outputs_of(student, validation, "distill"), reference)
    saved = {key: value.clone() for key, value in student.state_dict().items()}
    trained_before = {name: parameter.requires_grad for name, parameter in student.named_parameters()}
    was_training = student.training
    folder = Path(mkdtemp()) if checkpoints is None else checkpoints
    best = ModelCheckpoint(folder, "best", monitor="held_out", save_last=True, enable_version_counter=False)
    task = _Imitation(student, teacher, names, validation, reference, steps, learning_rate)
    shuffled: DataLoader[Any] = DataLoader(
        training,  # type: ignore[arg-type]
        batch_size=None,
        shuffle=True,
        generator=torch.Generator().manual_seed(seed),
    )
    last = folder / "last.ckpt"
    identity = _identity(student, kept, steps, learning_rate, held_out, seed)
    if last.is_file() and not _is_of(folder, identity):
        shutil.rmtree(folder)  # of another model, other inputs or other settings
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _IDENTITY).write_text(identity, encoding="utf-8")
    try:
        with _quiet():
            trainer = pl.Trainer(
                max_steps=steps,
                val_check_interval=max(1, math.ceil(steps / _VALIDATIONS)),
                check_val_every_n_epoch=None,
                callbacks=[best, EarlyStopping("held_out", patience=_PATIENCE)],
                accelerator="cpu" if next(student.parameters()).device.type == "cpu" else "auto",
                devices=1,
                logger=False,
                enable_progress_bar=progress,
                enable_model_summary=False,
                num_sanity_val_steps=0,
                gradient_clip_val=1.0,
            )
            trainer.fit(
                task,
                shuffled,
                DataLoader([0], batch_size=None),  # type: ignore[arg-type]
                ckpt_path=str(last) if last.is_file() else None,
                weights_only=True,
            )
        if best.best_model_path:
            task.load_state_dict(torch.load(best.best_model_path, "cpu", weights_only=True)["state_dict"])
        after = relative_difference(outputs_of(student, validation, "distill"), reference)
        if not after < before:
            student.load_state_dict(saved)
            after = before
    except BaseException as error:
        student.load_state_dict(saved)
        if isinstance(error, ValueError):  # it would diverge again from there
            shutil.rmtree(folder, ignore_errors=True)
        raise
    finally:
        task.let_go()
        for name, parameter in student.named_parameters():
            parameter.requires_grad_(trained_before[name])
        student.train(was_training)
        if checkpoints is None:
            shutil.rmtree(folder, ignore_errors=True)
    if trainer.interrupted:
        raise KeyboardInterrupt
    shutil.rmtree(folder, ignore_errors=True)
    return Distilled(before, after, trainer.global_step)


def _identity(student: nn.Module, batches: Sequence[Any], *settings: float) -> str:
    """What a training that goes on must have in common with the one before, as a digest."""
    digest = hashlib.sha256(repr(settings).encode())
    for key, value in student.state_dict().items():
        digest.update(repr((key, tuple(value.shape), value.dtype)).encode())
    content = io.BytesIO()
    torch.save(list(batches), content)
    digest.update(content.getbuffer())
    return digest.hexdigest()


def _is_of(folder: Path, identity: str) -> bool:
    path = folder / _IDENTITY
    return path.is_file() and path.read_text(encoding="utf-8") == identity


class _Imitation(pl.LightningModule):
    """The loop: a batch passes both models, and the outputs are compared."""

    def __init__(
        self,
        student: nn.Module,
        teacher: nn.Module,
        names: Sequence[str],
        validation: Sequence[Any],
        reference: Sequence[Tensor],
        steps: int,
        learning_rate: float,
    ) -> None:
        super().__init__()
        self.student = student
        self.steps, self.learning_rate = steps, learning_rate
        self._held_out = validation, reference
        self._models = [student, teacher.eval()]  # in a list, so that the teacher is not saved
        self._seen: list[list[Tensor]] = [[], []]
        self._hooks: list[RemovableHandle] = []
        student.requires_grad_(False)
        for name in names:
            student.get_submodule(name).requires_grad_(True)
            for model, seen in zip(self._models, self._seen, strict=True):
                self._hooks.append(model.get_submodule(name).register_forward_hook(_keeper(seen)))

    def let_go(self) -> None:
        """Leave both models without a trace of the training."""
        for hook in self._hooks:
            hook.remove()

    def train(self, mode: bool = True) -> _Imitation:
        """Stay in evaluation mode: dropout is noise here, and statistics of other layers are kept."""
        return super().train(False)

    def training_step(self, batch: Any, _: int) -> Tensor:
        results = []
        for model, seen in zip(self._models, self._seen, strict=True):
            seen.clear()
            with torch.set_grad_enabled(model is self.student):
                results.append([*tensors_in(call(model, batch)), *seen])
        losses = [
            (a - b).square().sum() / b.square().sum().clamp_min(torch.finfo(b.dtype).tiny)
            for a, b in zip(*results, strict=True)
            if a.requires_grad
        ]
        loss = torch.stack([one.float() for one in losses]).mean()
        if not bool(torch.isfinite(loss)):
            raise ValueError(_DIVERGED)
        return loss

    def validation_step(self, *_: Any) -> None:
        batches, reference = self._held_out
        try:
            error = relative_difference(outputs_of(self.student, batches, "distill"), reference)
        except ValueError as failure:  # they were finite before
            raise ValueError(_DIVERGED) from failure
        finally:
            self._seen[0].clear()
        self.log("held_out", error, prog_bar=True, batch_size=1)

    def configure_optimizers(self) -> Any:
        trained = [parameter for parameter in self.student.parameters() if parameter.requires_grad]
        optimizer = torch.optim.Adam(trained, self.learning_rate)
        cosine = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, self.steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": cosine, "interval": "step"}}


def _keeper(seen: list[Tensor]) -> Any:
    def keep(_: nn.Module, __: Any, output: Any) -> None:
        seen.extend(tensors_in(output[0] if isinstance(output, tuple) and len(output) == 2 else output))

    return keep


@contextmanager
def _quiet() -> Iterator[None]:
    """Without Lightning's remarks on loaders of one process, devices, and folders that are not empty."""
    log = logging.getLogger("lightning.pytorch")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)
