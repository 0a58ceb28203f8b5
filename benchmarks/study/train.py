"""One small trainer for all datasets of the study: sequences in memory, AdamW, one-cycle learning rate."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from htzoo.formats import Format
from htzoo.nn import GRU, LSTM


@dataclass(frozen=True)
class Sequences:
    """Labelled sequences.

    Args:
        features: (N, T, F), float32, zero beyond a sequence's length.
        lengths: (N,) steps of every sequence.
        labels: (N,) class numbers.
        groups: (N,) what must not stand on both sides of a split (scene, person, speaker).
    """

    features: Tensor
    lengths: Tensor
    labels: Tensor
    groups: Tensor

    def take(self, rows: Tensor) -> Sequences:
        """The sequences with the given numbers, or where a mask is true."""
        return Sequences(self.features[rows], self.lengths[rows], self.labels[rows], self.groups[rows])


@dataclass(frozen=True)
class Settings:
    """How a model is trained; what a trial of the tuning changes stands first."""

    learning_rate: float = 3e-3
    dropout: float = 0.3
    weight_decay: float = 0.01
    epochs: int = 30
    batch_size: int = 32


class Classifier(nn.Module):
    """A recurrent layer, the last or the mean hidden state, a linear classifier."""

    def __init__(
        self,
        features: int,
        classes: int,
        hidden_size: int,
        cell: Literal["LSTM", "GRU"] = "LSTM",
        pooling: Literal["last", "mean"] = "last",
        dropout: float = 0.0,
        **formats: Format | None,
    ) -> None:
        super().__init__()
        layer = {"LSTM": LSTM, "GRU": GRU}[cell]
        self.recurrent = layer(features, hidden_size, batch_first=True, **formats)
        self.pooling = pooling
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(hidden_size, classes)

    def forward(self, features: Tensor, lengths: Tensor) -> Tensor:
        """Logits (N, classes) of features (N, T, F)."""
        full = bool((lengths == features.shape[1]).all())
        rows = features if full else pack_padded_sequence(features, lengths, batch_first=True, enforce_sorted=False)
        output, state = self.recurrent(rows)
        if self.pooling == "mean":
            states = output if full else pad_packed_sequence(output, batch_first=True)[0]
            pooled = states.sum(1) / lengths[:, None]
        else:
            pooled = (state[0] if isinstance(state, tuple) else state)[-1]
        return self.classifier(self.dropout(pooled))

    def count(self, part: str = "") -> int:
        """Parameters whose name starts with ``part``."""
        return sum(value.numel() for name, value in self.named_parameters() if name.startswith(part))


def fit(model: nn.Module, data: Sequences, settings: Settings, seed: int) -> float:
    """Train a model; return the seconds of processor time it took, which other work on the machine hardly changes."""
    start = time.process_time()
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(model.parameters(), settings.learning_rate, weight_decay=settings.weight_decay)
    batches = max(1, len(data.labels) // settings.batch_size)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, settings.learning_rate, total_steps=settings.epochs * batches
    )
    model.train()
    for _ in range(settings.epochs):
        order = torch.randperm(len(data.labels), generator=generator)
        for rows in order[: batches * settings.batch_size].split(settings.batch_size):
            features, lengths = data.features[rows], data.lengths[rows]
            loss = nn.functional.cross_entropy(model(features, lengths), data.labels[rows])
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
    return time.process_time() - start


@torch.no_grad()
def predict(model: nn.Module, data: Sequences, batch_size: int = 256) -> Tensor:
    """Logits of all sequences."""
    model.eval()
    pieces = torch.arange(len(data.labels)).split(batch_size)
    return torch.cat([model(data.features[rows], data.lengths[rows]) for rows in pieces])


def accuracy(model: nn.Module, data: Sequences) -> float:
    """Share of the sequences that get their label."""
    return (predict(model, data).argmax(1) == data.labels).float().mean().item()
