"""Make docs/results.md from the configurations, the published figures and docs/measured.csv.

python benchmarks/results_page.py
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from tqdm import tqdm

from htzoo import list_models
from htzoo.files import replacing
from htzoo.hub.model_info import read_info
from htzoo.report.models_table import format_name
from htzoo.report.parameter_table import fewer, first_parameters, layer_parameters

DOCS = Path(__file__).parents[1] / "docs"
_INTRO = """\
# Results

Every row is a configuration: `htzoo fit --config NAME` trains it, `htzoo info NAME` shows it. This page is made by
`python benchmarks/results_page.py`, from the configurations, the published figures in
`htzoo/models/published_results.py`, and the measurements in `docs/measured.csv`; nothing in it is typed.

**UCF11, UCF50, HMDB51, YouTube Celebrities and Hollywood2 were not run here**: their archives cannot be downloaded on
the machines that these models were built on. Their configurations are tested on generated clips of the same layout, and
their parameters are counted; their accuracies are the papers'. A measured accuracy stands only where it was measured.

- *published*: input-to-hidden parameters and ratio. **stated** by the authors, **derived** by arithmetic
  from what they state, or **our reading** of a paper whose shapes are not public.
- *input weight*: the same, counted here (the joint weight of FDHT). *ratio*: dense parameters divided by them.
- *layer*: the whole recurrent layer with hidden-to-hidden weight and bias. *model*: everything, a CNN included.
- *multiply-adds*: of the input product, a frame, as it is computed here, in millions; dense in brackets.
- *accuracy*: as published (mean average precision on Hollywood2), then as measured here.

What the ratios do not say: they are about the input-to-hidden weight. The dense hidden-to-hidden weight and the
classifier stay, so that TT, BT, TR and HT are all some 222 times smaller than the dense model on raw frames, and a CNN
outweighs them all. Only rows with two formats or a joint one compress the hidden-to-hidden weight too.
"""
_HEAD = (
    "name", "cell", "format", "published", "ratio", "trust", "input weight", "ratio", "layer", "model",
    "multiply-adds", "published acc.", "measured acc.",
)  # fmt: skip


@dataclass(frozen=True)
class Measured:
    """A line of ``docs/measured.csv``.

    Attributes:
        name: the configuration.
        accuracy: on test clips, from 0 to 1; with several runs the mean.
        spread: standard deviation over the runs; empty with one.
        runs: how many runs, as in ``3 seeds`` or ``5 folds``.
        split: what was held out.
        seed: the seed or seeds.
        machine: what it ran on.
        command: how to repeat it.
    """

    name: str
    accuracy: str
    spread: str
    runs: str
    split: str
    seed: str
    machine: str
    command: str


def read_measured(path: Path) -> dict[str, Measured]:
    """Measurements by name.

    Raises:
        ValueError: a column is missing, or an accuracy is not between 0 and 1.
        OSError: the file cannot be read.
    """
    columns = [field.name for field in fields(Measured)]
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        if reader.fieldnames != columns:
            raise ValueError(f"{path} has columns {reader.fieldnames}: give {', '.join(columns)}")
        found = {row["name"]: Measured(**row) for row in reader}
    for row in found.values():
        if not 0 <= float(row.accuracy) <= 1:
            raise ValueError(f"{path}: accuracy of {row.name} is {row.accuracy}: give a number from 0 to 1")
    return found


def write_results(designs: Sequence[Mapping[str, Any]], measured: Mapping[str, Measured], output: Path) -> None:
    """Write the page, whole or not at all.

    Args:
        designs: what :func:`htzoo.hub.model_info.design` returns, one a row.
        measured: measurements by name.
        output: the Markdown file.

    Raises:
        ValueError: something was measured that is no row.
        OSError: the file cannot be written.
    """
    unknown = sorted(measured.keys() - {design["name"] for design in designs})
    if unknown:
        raise ValueError(f"measured are {', '.join(unknown)}, which no configuration is called")
    text = "\n".join([_INTRO, *_tables(designs, measured), *_measurements(measured), *_notes(designs)])
    with replacing(output) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def _tables(designs: Sequence[Mapping[str, Any]], measured: Mapping[str, Measured]) -> Iterator[str]:
    for dataset in sorted({design["dataset"] for design in designs}):
        yield f"## {dataset}\n"
        yield f"| {' | '.join(_HEAD)} |"
        yield "|---|---|---|---:|---:|---|---:|---:|---:|---:|---:|---:|---:|"
        for design in designs:
            if design["dataset"] == dataset:
                yield f"| {' | '.join(_cells(design, measured.get(design['name'])))} |"
        yield ""


def _cells(design: Mapping[str, Any], found: Measured | None) -> Iterator[str]:
    ours, dense = design["parameters"], design["dense_parameters"]
    published = design["published"] or dict.fromkeys(("parameters", "corrected", "ratio", "trust", "accuracy"))
    yield f"`{design['name']}`"
    yield design["cell"]
    yield format_name(design)
    count = "" if published["parameters"] is None else f"{published['parameters']:,}"
    yield count + (f" (true: {published['corrected']:,})" if published["corrected"] else "")
    yield "" if published["ratio"] is None else f"{published['ratio']:,}x"
    yield published["trust"] or ""
    yield f"{first_parameters(ours):,}"
    yield fewer(first_parameters(dense), first_parameters(ours))
    yield f"{layer_parameters(ours):,}"
    yield f"{ours['total']:,}"
    macs = design["macs_per_frame"]
    yield f"{macs['input_to_hidden'] / 1e6:.2f} ({macs['dense_input_to_hidden'] / 1e6:.2f})"
    yield "" if published["accuracy"] is None else f"{published['accuracy']:.3f}"
    yield "" if found is None else _accuracy(found)


def _accuracy(found: Measured) -> str:
    return f"{float(found.accuracy):.3f}" + (f" ± {float(found.spread):.3f}" if found.spread else "")


def _measurements(measured: Mapping[str, Measured]) -> Iterator[str]:
    yield "## Measured here\n"
    if not measured:
        yield "Nothing yet.\n"
        return
    yield "| name | accuracy | runs | split | seed | machine | command |"
    yield "|---|---:|---|---|---|---|---|"
    for row in sorted(measured.values(), key=lambda row: row.name):
        texts = (row.runs, row.split, row.seed, row.machine, f"`{row.command}`")
        yield f"| `{row.name}` | {_accuracy(row)} | {' | '.join(texts)} |"
    yield ""


def _notes(designs: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    yield "## Sources\n"
    for design in designs:
        if design["published"]:
            note = design["published"]["note"]
            yield f"- `{design['name']}`: {design['published']['source']}{f'; {note}' if note else ''}."
    yield ""


def main() -> None:
    """Write the page."""
    designs = [read_info(name)[0] for name in tqdm(list_models(), desc="counting", unit="model")]
    write_results(designs, read_measured(DOCS / "measured.csv"), DOCS / "results.md")


if __name__ == "__main__":
    main()
