"""Facts about a format."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from htzoo.formats import Format


def format_info(cls: type[Format]) -> dict[str, Any]:
    """A format as plain data: names, first line of its description, paper, arguments, and an example.

    The example is for a weight of 24 rows and 60 columns.
    """
    example = cls.example()
    network = example.network(60, 24)
    required = {field.name: field.default is dataclasses.MISSING for field in dataclasses.fields(cls)}  # type: ignore[arg-type]  # all are dataclasses
    return {
        "name": cls.__name__,
        "short_name": cls.short_name,
        "description": (cls.__doc__ or "").splitlines()[0],
        "paper": cls.paper or None,
        "arguments": required,
        "example": {
            "format": example.to_dict(),
            "cores": {core.name: dict(zip(core.edges, core.shape, strict=True)) for core in network.cores},
            "parameters": network.num_parameters,
            "dense_parameters": network.in_features * network.out_features,
        },
    }


def format_sheet(info: Mapping[str, Any]) -> str:
    """The same as text."""
    arguments = (name if required else f"{name} (optional)" for name, required in info["arguments"].items())
    example = info["example"]
    values = ", ".join(f"{key}: {value}" for key, value in example["format"].items() if value is not None)
    lines = [f"{info['name']} ({info['short_name']})", f"  {info['description']}"]
    if info["paper"]:
        lines.append(f"  {info['paper']}")
    lines += [f"  arguments: {', '.join(arguments) or 'none'}", "", "  example, a weight of 24 rows and 60 columns:"]
    lines.append(f"    {{{values}}}")
    width = max(map(len, example["cores"]))
    for name, edges in example["cores"].items():
        lines.append(f"    {name:<{width}}  {' x '.join(f'{edge}={size}' for edge, size in edges.items())}")
    lines.append(f"    {example['parameters']:,} parameters; dense {example['dense_parameters']:,}")
    return "\n".join(lines)
