"""Embedding with a tensorized table."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from htzoo.formats import Dense, Format, ModeFormat
from htzoo.formats.contract import merge
from htzoo.formats.network import Network
from htzoo.nn.errors import InputError
from htzoo.nn.weight import Weight, explain_dense_matrix


class Embedding(nn.Module):
    """Drop-in for :class:`torch.nn.Embedding` whose table is a tensor network (Hrinchuk et al., EMNLP Findings 2020).

    The input modes of the format are those of the vocabulary, the output modes those of a vector. A vocabulary is
    seldom a product of small numbers: input modes may multiply to more than ``num_embeddings``, and what is beyond is
    never looked up. A lookup takes the slices of the cores that belong to each index and contracts them; the table is
    not built.

    Args:
        num_embeddings: size of the vocabulary.
        embedding_dim: size of a vector.
        padding_idx: index whose vector is 0 and gets no gradient.
        max_norm: largest norm of a vector, with a dense table.
        norm_type: p of that norm.
        scale_grad_by_freq: whether gradients are divided by how often an index occurs, with a dense table.
        sparse: whether gradients are sparse, with a dense table.
        device: where the parameters live.
        dtype: floating-point type of the parameters.
        format: format of the table, transposed: a matrix of (embedding_dim, num_embeddings); None is dense.

    Raises:
        ValueError: the format does not fit the sizes, the padding index is outside the vocabulary, or an option needs a
            dense table.
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        *,
        format: Format | None = None,
    ) -> None:
        super().__init__()
        self.register_load_state_dict_pre_hook(explain_dense_matrix)  # type: ignore[no-untyped-call]
        if padding_idx is not None and not -num_embeddings <= padding_idx < num_embeddings:
            raise ValueError(f"padding_idx is {padding_idx}: give an index of the {num_embeddings:,} embeddings")
        self.num_embeddings = num_embeddings
        self.embedding_dim = embedding_dim
        self.padding_idx = None if padding_idx is None else padding_idx % num_embeddings
        self.max_norm = max_norm
        self.norm_type = norm_type
        self.scale_grad_by_freq = scale_grad_by_freq
        self.sparse = sparse
        self.weight: Weight | nn.Parameter
        if format is None or isinstance(format, Dense):
            self.weight = nn.Parameter(torch.empty(num_embeddings, embedding_dim, device=device, dtype=dtype))
        else:
            for name, value in {
                "max_norm": max_norm,
                "scale_grad_by_freq": scale_grad_by_freq,
                "sparse": sparse,
            }.items():
                if value:
                    raise ValueError(f"{name} is {value}, which needs a dense table: leave out either it or the format")
            columns = math.prod(format.in_modes) if isinstance(format, ModeFormat) else num_embeddings
            if columns < num_embeddings:
                raise ValueError(
                    f"{type(format).__name__}: the in_modes multiply to {columns:,}, which is less than the "
                    f"{num_embeddings:,} embeddings: give larger in_modes"
                )
            self.weight = Weight(format, columns, embedding_dim, device=device, dtype=dtype)
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Draw the table again, of mean square 1; the vector of a padding index is 0."""
        if isinstance(self.weight, Weight):
            self.weight.reset_parameters(variance=1.0)
            return
        self.weight.normal_()
        if self.padding_idx is not None:
            self.weight[self.padding_idx].zero_()

    def forward(self, input: Tensor) -> Tensor:
        """Vectors (..., embedding_dim) of indices of any shape.

        Raises:
            InputError: ``input`` holds no integers (a ValueError and a RuntimeError).
            IndexError: an index is outside the vocabulary.
        """
        if input.dtype not in (torch.int64, torch.int32):
            raise InputError(f"input is {input.dtype}: give indices, int64 or int32")
        if not isinstance(self.weight, Weight):
            options = (self.padding_idx, self.max_norm, self.norm_type, self.scale_grad_by_freq, self.sparse)
            return nn.functional.embedding(input, self.weight, *options)
        flat = input.reshape(-1).long()
        if input.numel() and not input.is_meta and not torch.compiler.is_compiling():
            low, high = (int(value) for value in flat.aminmax())
            if low < 0 or high >= self.num_embeddings:
                raise IndexError(f"input has index {low if low < 0 else high}: give 0 to {self.num_embeddings - 1:,}")
        vectors = _columns(self.weight.network, self.weight.cores, flat)
        if self.padding_idx is not None:
            vectors = vectors.masked_fill((flat == self.padding_idx)[:, None], 0)
        return vectors.reshape(*input.shape, self.embedding_dim)

    @torch.no_grad()
    def set_dense(self, table: Tensor) -> float:
        """Set the table to the closest to ``table`` (num_embeddings, embedding_dim), and return the relative error."""
        if not isinstance(self.weight, Weight):
            self.weight.copy_(table)
            return 0.0
        return self.weight.set_dense(nn.functional.pad(table.T, (0, self.weight.in_features - self.num_embeddings)))

    @torch.no_grad()
    def to_dense(self) -> nn.Embedding:
        """A :class:`torch.nn.Embedding` with the rebuilt table, which gives equal outputs."""
        table = self.weight
        values = table.to_dense().T[: self.num_embeddings] if isinstance(table, Weight) else table
        dense = nn.Embedding(
            self.num_embeddings,
            self.embedding_dim,
            self.padding_idx,
            self.max_norm,
            self.norm_type,
            self.scale_grad_by_freq,
            self.sparse,
            device=values.device,
            dtype=values.dtype,
        )
        dense.weight.copy_(values)
        if self.padding_idx is not None and isinstance(table, Weight):
            dense.weight[self.padding_idx].zero_()
        return dense.train(self.training)

    def extra_repr(self) -> str:
        """Shown when the module is printed."""
        padding = "" if self.padding_idx is None else f", padding_idx={self.padding_idx}"
        return f"{self.num_embeddings}, {self.embedding_dim}{padding}"


def _columns(network: Network, cores: Sequence[Tensor], index: Tensor) -> Tensor:
    """Columns of a network's matrix, as rows (index, out_features). Gradient flows to the cores."""
    places = {}
    rest = index
    for edge in reversed(network.inputs):  # the last varies fastest
        places[edge] = rest % network.sizes[edge]
        rest = rest.div(network.sizes[edge], rounding_mode="floor")
    tensors, labels = [], []
    for core, tensor in zip(network.cores, cores, strict=True):
        inputs = [edge for edge in core.edges if edge in places]
        others = [edge for edge in core.edges if edge not in places]
        if inputs:
            axes = [core.edges.index(edge) for edge in (*inputs, *others)]
            tensor = tensor.permute(axes)[tuple(places[edge] for edge in inputs)]
        tensors.append(tensor)
        labels.append((*(("index",) if inputs else ()), *others))
    return merge(tensors, labels, ("index", *network.outputs)).reshape(len(index), network.out_features)
