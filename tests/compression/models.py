"""Small models of the kinds that people have."""

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations


class Tagger(nn.Module):
    """Embedding (of a prime vocabulary), two bidirectional LSTM layers, a GRU in a container, two linear layers."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(101, 16)
        self.encoder = nn.ModuleDict({"lstm": nn.LSTM(16, 12, 2, bidirectional=True, batch_first=True)})
        self.gru = nn.GRU(24, 16, batch_first=True)
        self.norm = nn.LayerNorm(16)
        self.head = nn.Sequential(nn.Linear(16, 24), nn.ReLU(), nn.Linear(24, 7))

    def forward(self, words: Tensor) -> Tensor:
        hidden = self.encoder["lstm"](self.embedding(words))[0]
        return self.head(self.norm(self.gru(hidden)[0]))


class Shared(nn.Module):
    """One LSTM in two places, and a head whose weight is the embedding's table."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(30, 12)
        self.first = self.second = nn.LSTM(12, 12, batch_first=True)
        self.head = nn.Linear(12, 30, bias=False)
        self.head.weight = self.table.weight

    def forward(self, words: Tensor) -> Tensor:
        hidden = self.first(self.table(words))[0]
        return self.head(self.second(hidden)[0])


class Normed(nn.Module):
    """Weight norm on two weights, a projection, and an attention layer, which reads its children's weights."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = parametrizations.weight_norm(nn.LSTM(8, 16, proj_size=6, batch_first=True), "weight_hh_l0")
        self.attention = nn.TransformerEncoderLayer(6, 2, 12, batch_first=True)
        self.head = parametrizations.weight_norm(nn.Linear(6, 24))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.attention(self.lstm(x)[0]))


def trained(model: nn.Module, scale: float = 2.0) -> nn.Module:
    """Weights with a few large directions, as training makes them."""
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 2:
                u, s, v = torch.linalg.svd(parameter.float(), full_matrices=False)
                decay = scale * torch.exp(-0.4 * torch.arange(len(s)))
                parameter.copy_(u @ torch.diag(s * decay) @ v)
    return model.eval()


def words(count: int = 6, batch: int = 4, size: int = 101) -> list[Tensor]:
    """Batches of sequences in which a few words are frequent."""
    generator = torch.Generator().manual_seed(1)
    return [(size * torch.rand(batch, 9, generator=generator) ** 3).long() for _ in range(count)]
