"""Products by either library are the plain ones."""

import pytest
import torch

from htzoo.formats.matmul import _has_onednn, _is_for_onednn, add_matmul, matmul


@pytest.mark.parametrize(
    ("rows", "inner", "columns", "transposed"),
    [
        (1600, 720, 80, False),  # many rows, a narrow matrix
        (80, 1600, 720, True),  # the gradient of that matrix
        (16, 256, 1024, False),  # one step of a recurrence
        (1024, 96, 4096, True),  # wide and short: not for oneDNN
        (4, 5, 6, False),  # too little
    ],
)
def test_is_the_plain_product(rows: int, inner: int, columns: int, transposed: bool) -> None:
    a = torch.randn(inner, rows).T if transposed else torch.randn(rows, inner)
    b = torch.randn(inner, columns)
    with torch.no_grad():
        product, added = matmul(a, b), add_matmul(torch.ones(rows, columns), a, b)
    exact = a.double() @ b.double()
    torch.testing.assert_close(product.double(), exact, rtol=0, atol=1e-5 * inner**0.5)
    torch.testing.assert_close(added.double(), exact + 1, rtol=0, atol=1e-5 * inner**0.5)


def test_is_plain_where_only_that_is_right() -> None:
    a, b = torch.randn(1600, 720), torch.randn(720, 80)
    with torch.no_grad():
        assert _is_for_onednn(a, b) == _has_onednn()
        assert not _is_for_onednn(a.double(), b.double())
        assert not _is_for_onednn(a.bfloat16(), b.bfloat16())
        assert not _is_for_onednn(a.to("meta"), b.to("meta"))
        batched = torch.vmap(lambda one: matmul(one, b))(torch.stack([a, -a]))
    torch.testing.assert_close(batched[1], -(a @ b), rtol=1e-4, atol=1e-3)
    b.requires_grad_()
    matmul(a, b).sum().backward()  # with gradients on it is differentiable
    torch.testing.assert_close(b.grad, a.sum(0)[:, None].expand(720, 80), rtol=1e-4, atol=1e-3)
