"""Tables of models for the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from htzoo.formats import find_format
from htzoo.nn.layer_arguments import formats_in
from htzoo.report.parameter_table import PARTS, fewer, first_parameters, layer_parameters

_WEIGHTS = {"input_format": "input to hidden", "hidden_format": "hidden to hidden", "joint_format": "both, joint"}


def format_name(design: Mapping[str, Any]) -> str:
    """Short names of a model's formats: ``HT``, ``HT + HT`` (both weights), ``joint HT``, ``dense``."""
    given = {key: design[key] for key in _WEIGHTS if design[key] is not None}
    names = [
        ("joint " if key == "joint_format" else "") + "/".join(dict.fromkeys(map(_label, formats_in(value))))
        for key, value in given.items()
    ]
    return " + ".join(names) if names else "dense"


def _label(values: Mapping[str, Any]) -> str:
    return find_format(values["name"]).label()


def models_table(designs: Sequence[Mapping[str, Any]], measured: Mapping[str, float], pretrained: Sequence[str]) -> str:
    """One line per model: name, dataset, cell, format, parameters, ratio, accuracies, weights."""
    figures = ("input weight", "ratio", "layer", "model", "published", "measured")
    head = ("name", "dataset", "cell", "format", *figures, "weights")
    rows = [head, *(_row(d, measured.get(d["name"]), d["name"] in pretrained) for d in designs)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    left = {0, 1, 2, 3, 10}
    lines = [
        "  ".join(
            cell.ljust(width) if column in left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    return "\n".join(lines)


def _row(design: Mapping[str, Any], measured: float | None, has_weights: bool) -> tuple[str, ...]:
    ours, dense = design["parameters"], design["dense_parameters"]
    published = (design["published"] or {}).get("accuracy")
    return (
        design["name"],
        design["dataset"] or "",
        design["cell"],
        format_name(design),
        f"{first_parameters(ours):,}",
        fewer(first_parameters(dense), first_parameters(ours)),
        f"{layer_parameters(ours):,}",
        f"{ours['total']:,}",
        *("" if accuracy is None else f"{accuracy:.3f}" for accuracy in (published, measured)),
        "yes" if has_weights else "",
    )


def info_sheet(design: Mapping[str, Any]) -> str:
    """All facts about one model, as text."""
    return "\n".join(_sheet(design))


def _sheet(design: Mapping[str, Any]) -> Iterator[str]:
    height, width, channels = design["frame_size"]
    frames = f"frames of {width} x {height} x {channels}"
    through = f" through {design['backbone']}" if design["backbone"] else ""
    dataset = f"{design['dataset']}, " if design["dataset"] else ""
    yield design["name"]
    yield f"  {dataset}{design['classes']} classes, {frames}{through}"
    layers = f"{design['num_layers']} layers of " if design["num_layers"] > 1 else ""
    yield f"  {layers}{design['cell']} {design['input_size']:,} -> {design['hidden_size']:,}"
    for key, words in _WEIGHTS.items():
        if design[key] is not None:
            yield f"  {words}: {_formats_text(design[key])}"
    yield ""
    yield f"  {'parameters':<18}{'this model':>15}{'dense':>15}{'ratio':>11}"
    ours, dense = design["parameters"], design["dense_parameters"]
    for part in PARTS:
        if dense[part]:
            yield _line(part.replace("_", " "), ours[part], dense[part])
        if part == "bias":
            yield _line("recurrent layer", layer_parameters(ours), layer_parameters(dense))
    macs = design["macs_per_frame"]
    yield ""
    yield "  MACs per frame of the input-to-hidden weight"
    yield _line("", macs["input_to_hidden"], macs["dense_input_to_hidden"])
    published = design["published"]
    if published is not None:
        yield ""
        yield f"  published: {published['source']}"
        yield from _published(published)


def _line(name: str, ours: int, dense: int) -> str:
    return f"  {name:<18}{ours:>15,}{dense:>15,}{fewer(dense, ours):>11}"


def _formats_text(values: Any) -> str:
    if not isinstance(values, list):
        return _format_text(values)
    layers = ("dense" if value is None else _format_text(value) for value in values)
    return "; ".join(f"layer {number}: {text}" for number, text in enumerate(layers, 1))


def _format_text(values: Mapping[str, Any]) -> str:
    def text(value: Any) -> str:
        return " x ".join(map(str, value)) if isinstance(value, list) and _is_flat(value) else str(value)

    rest = (f"{key.replace('_', ' ')} {text(value)}" for key, value in values.items() if key != "name" and value)
    return f"{values['name']}, {', '.join(rest)}"


def _is_flat(values: Sequence[Any]) -> bool:
    return all(isinstance(value, int) for value in values)


def _published(published: Mapping[str, Any]) -> Iterator[str]:
    if published["parameters"] is not None:
        corrected = f" (correctly {published['corrected']:,})" if published["corrected"] else ""
        ratio = f", {published['ratio']:,}x fewer" if published["ratio"] else ""
        yield f"    {published['parameters']:,} input-to-hidden parameters{corrected}{ratio}, {published['trust']}"
    if published["model_parameters"] is not None:
        yield f"    {published['model_parameters']} million in the whole model, LSTM bias not counted"
    if published["accuracy"] is not None:
        yield f"    accuracy {published['accuracy']:.3f}"
    if published["note"]:
        yield f"    {published['note']}"
