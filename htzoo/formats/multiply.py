"""Multiply a batch of inputs with a network, by its plan."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from htzoo.formats.merge import merge
from htzoo.formats.network import Network
from htzoo.formats.plan import CPU, GPU, Plan, plan


def multiply(network: Network, cores: Sequence[Tensor], x: Tensor) -> Tensor:
    """``x @ W.T`` without building W.

    Args:
        network: how the cores are joined.
        cores: one tensor a core, of the network's shapes.
        x: inputs of shape (rows, in_features).

    Returns:
        Outputs of shape (rows, out_features). Gradients flow to ``x`` and to the cores.
    """
    rows = x.shape[0]
    machine = CPU if x.device.type == "cpu" else GPU
    # Plans differ little between neighbouring batch sizes; powers of two keep the cache small.
    chain = plan(network, 1 << max(rows - 1, 0).bit_length(), input_gradient=x.requires_grad, machine=machine)
    if chain.split is None:
        return _follow(chain, network, cores, x)
    count = network.sizes[chain.split]
    slices = [
        torch.split(core, 1, held.edges.index(chain.split)) if chain.split in held.edges else (core,) * count
        for held, core in zip(network.cores, cores, strict=True)
    ]
    one = network.slice(chain.split)
    first, *rest = zip(*slices, strict=True)
    return sum((_follow(chain, one, parts, x) for parts in rest), _follow(chain, one, first, x))


def _follow(chain: Plan, network: Network, cores: Sequence[Tensor], x: Tensor) -> Tensor:
    """The product by one chain."""
    rows = x.shape[0]
    layout = network.inputs
    for product in chain.products:
        if product.permutation is not None:
            x = _permute(x.reshape(rows, *(network.sizes[edge] for edge in layout)), product.permutation)
            layout = tuple(layout[k] for k in product.permutation)
        first = layout.index(product.contracted[0])
        inner, outer = network.size(product.contracted), network.size(product.new)
        tensors = [cores[k] for k in product.group]
        edges = [network.cores[k].edges for k in product.group]
        new = tuple(_twin(edge) if edge in product.contracted else edge for edge in product.new)
        for edge in product.contracted:
            if edge in product.new:
                tensors.append(torch.eye(network.sizes[edge], dtype=x.dtype, device=x.device))
                edges.append((edge, _twin(edge)))
        if product.after == 1:
            matrix = merge(tensors, edges, (*product.contracted, *new)).reshape(inner, outer)
            x = x.reshape(-1, inner) @ matrix
        else:
            matrix = merge(tensors, edges, (*new, *product.contracted)).reshape(outer, inner)
            x = x.reshape(-1, inner, product.after)
            x = torch.bmm(matrix.expand(x.shape[0], outer, inner), x)
        layout = (*layout[:first], *product.new, *layout[first + len(product.contracted) :])
    if chain.permutation is not None:
        x = _permute(x.reshape(rows, *(network.sizes[edge] for edge in layout)), chain.permutation)
    return x.reshape(rows, network.out_features)


def _twin(edge: str) -> str:
    """The label of an edge behind a block-diagonal matrix."""
    return f"{edge}'"


def _permute(x: Tensor, permutation: Sequence[int]) -> Tensor:
    """Reorder all axes but the first, which holds the rows."""
    return x.permute(0, *(k + 1 for k in permutation))
