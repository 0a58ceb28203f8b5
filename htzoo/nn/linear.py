"""Linear layer with a tensorized weight."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from htzoo.formats import Dense, Format
from htzoo.nn.weight import Weight


class Linear(nn.Module):
    """Drop-in for :class:`torch.nn.Linear` whose weight is a tensor network.

    Args:
        in_features: size of the input.
        out_features: size of the output.
        bias: whether there is a bias; it starts at 0.
        format: format of the weight; None is dense.
        device: where the parameters live.
        dtype: floating-point type of the parameters.

    Raises:
        ValueError: the format does not fit the features.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        *,
        format: Format | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.in_features = in_features
        self.out_features = out_features
        self.weight = Weight(format or Dense(), in_features, out_features, device=device, dtype=dtype)
        self.bias = nn.Parameter(torch.zeros(out_features, device=device, dtype=dtype)) if bias else None

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Draw the weight anew, of exact variance 1 / in_features, and set the bias to 0."""
        self.weight.reset_parameters()
        if self.bias is not None:
            self.bias.zero_()

    def forward(self, input: Tensor) -> Tensor:
        """``input @ W.T + b`` for ``input`` of shape (..., in_features).

        Raises:
            ValueError: the last axis has another size, or ``input`` another type than the parameters.
        """
        y: Tensor = self.weight(input)
        return y if self.bias is None else y + self.bias

    @torch.no_grad()
    def to_dense(self) -> nn.Linear:
        """A :class:`torch.nn.Linear` with the rebuilt weight, which gives equal outputs."""
        weight = self.weight.to_dense()
        has_bias = self.bias is not None
        dense = nn.Linear(self.in_features, self.out_features, has_bias, device=weight.device, dtype=weight.dtype)
        dense.weight.copy_(weight)
        if self.bias is not None:
            dense.bias.copy_(self.bias)
        return dense.train(self.training)
