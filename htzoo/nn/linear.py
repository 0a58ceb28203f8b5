"""Linear layer with a tensorized weight."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from htzoo.formats import Format
from htzoo.nn.weight import check_input, explain_dense_matrix, make_weight, matrix_of, reset_weight


class Linear(nn.Module):
    """Drop-in for :class:`torch.nn.Linear` whose weight is a tensor network.

    Args:
        in_features: size of the input.
        out_features: size of the output.
        bias: whether there is a bias; it starts at 0.
        device: where the parameters live.
        dtype: floating-point type of the parameters.
        format: format of the weight; None is dense, a plain parameter.

    Raises:
        ValueError: the format does not fit the features.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        *,
        format: Format | None = None,
    ) -> None:
        super().__init__()
        self.register_load_state_dict_pre_hook(explain_dense_matrix)  # type: ignore[no-untyped-call]
        self.in_features = in_features
        self.out_features = out_features
        self.weight = make_weight(format, in_features, out_features, device=device, dtype=dtype)
        self.bias = nn.Parameter(torch.zeros(out_features, device=device, dtype=dtype)) if bias else None

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Draw the weight again, of exact variance 1 / in_features, and set the bias to 0."""
        reset_weight(self.weight)
        if self.bias is not None:
            self.bias.zero_()

    def forward(self, input: Tensor) -> Tensor:
        """``input @ W.T + b`` for ``input`` of shape (..., in_features).

        Raises:
            InputError: the last axis has another size, or ``input`` another type than the parameters (a ValueError and
                a RuntimeError).
        """
        if isinstance(self.weight, Tensor):
            check_input(input, self.in_features, self.weight)
            return nn.functional.linear(input, self.weight, self.bias)
        y: Tensor = self.weight(input)
        return y if self.bias is None else y + self.bias.to(y.dtype)  # under autocast y is in the lower precision

    @torch.no_grad()
    def to_dense(self) -> nn.Linear:
        """A :class:`torch.nn.Linear` with the rebuilt weight, which gives equal outputs."""
        weight = matrix_of(self.weight).to_dense()
        has_bias = self.bias is not None
        dense = nn.Linear(self.in_features, self.out_features, has_bias, device=weight.device, dtype=weight.dtype)
        dense.weight.copy_(weight)
        if self.bias is not None:
            dense.bias.copy_(self.bias)
        return dense.train(self.training)

    def extra_repr(self) -> str:
        """Shown when the module is printed."""
        return f"{self.in_features}, {self.out_features}, bias={self.bias is not None}"
