"""The summary of a run: what a person wants to know of it, on one page of Markdown."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from htzoo.files import replacing

_PARTS = {
    "input_to_hidden": "input to hidden",
    "hidden_to_hidden": "hidden to hidden",
    "joint": "input and hidden to hidden, joint",
    "bias": "bias",
    "classifier": "classifier",
    "backbone": "backbone",
    "total": "**whole model**",
}


@dataclass(frozen=True)
class RunSummary:
    """What the summary of a run shows.

    Attributes:
        name: the name of the run or its config, such as `moving_digits_ht`.
        command: the command line that repeats the run.
        epochs: epochs trained.
        train_seconds: seconds the training took.
        parameters: part -> number of parameters; parts `input_to_hidden`, `hidden_to_hidden`, `joint`, `bias`,
            `classifier`, `backbone` and `total`.
        dense_parameters: the same parts for the model with dense weights.
        seed: random seed, None if none was set.
        splits: what the clips were split into, in words: `{"train": "880 clips", "test": "220 clips, by group"}`.
        best_epoch: epoch of the lowest validation loss, counted from 1; None if there was no validation.
        test_accuracy: from 0 to 1, over all test clips alike; None if the model was not tested.
        test_clips: number of clips it was tested on.
        val_accuracy: from 0 to 1, at the best epoch; None if there was no validation.
        per_class: class -> (correct, total) test clips.
        loader_fps: frames a second between the steps (waiting, transfer, augmentation); None if not measured.
        step_fps: frames a second within the training steps; None if not measured.
        versions: package -> version.
        machine: what it ran on, in words.
        pictures: files beside the summary to show in it.
        checkpoint: name of the file that was tested, None if there was none.
    """

    name: str
    command: str
    epochs: int
    train_seconds: float
    parameters: Mapping[str, int]
    dense_parameters: Mapping[str, int]
    seed: int | None = None
    splits: Mapping[str, str] = field(default_factory=dict)
    best_epoch: int | None = None
    test_accuracy: float | None = None
    test_clips: int = 0
    val_accuracy: float | None = None
    per_class: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    loader_fps: float | None = None
    step_fps: float | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    machine: str = ""
    pictures: tuple[str, ...] = ("curves.png", "confusion.png")
    checkpoint: str | None = None

    def __post_init__(self) -> None:
        """Refuse figures that contradict one another, rather than print them side by side.

        Raises:
            ValueError: a part is missing from the parameters, or the per-class counts do not add up to `test_clips` and
                `test_accuracy`.
        """
        for counts in (self.parameters, self.dense_parameters):
            missing = [part for part in _PARTS if part not in counts]
            if missing:
                raise ValueError(f"parameters without {', '.join(missing)}")
        if not self.per_class:
            return
        correct = sum(right for right, _ in self.per_class.values())
        total = sum(clips for _, clips in self.per_class.values())
        if total != self.test_clips:
            raise ValueError(f"per_class has {total} clips, test_clips is {self.test_clips}")
        if self.test_accuracy is not None and total and abs(correct / total - self.test_accuracy) > 5e-4:
            raise ValueError(
                f"per_class gives accuracy {correct / total:.4f}, test_accuracy is {self.test_accuracy:.4f}"
            )


def write_summary(summary: RunSummary, output: Path) -> None:
    """Write the summary as Markdown, and beside it as JSON for programs; each whole or not at all.

    Args:
        summary: what to write.
        output: the Markdown file, usually `summary.md` in the folder of the run; pictures are linked relative to it.

    Raises:
        OSError: the file cannot be written.
    """
    text = "\n".join(_lines(summary)) + "\n"
    with replacing(output) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")
    with replacing(output.with_suffix(".json")) as temporary:
        temporary.write_text(json.dumps(asdict(summary), indent=2) + "\n", encoding="utf-8", newline="\n")


def read_summary(path: Path) -> RunSummary:
    """Read the JSON that :func:`write_summary` wrote.

    Args:
        path: usually `summary.json` in the folder of the run.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is no summary, or its figures contradict one another.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        values["per_class"] = {name: (correct, total) for name, (correct, total) in values["per_class"].items()}
        return RunSummary(**{**values, "pictures": tuple(values["pictures"])})
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is no summary of a run: test the checkpoint again") from error


def _lines(summary: RunSummary) -> Iterator[str]:
    yield f"# {summary.name}"
    yield ""
    yield _headline(summary)
    yield ""
    yield from _parameters(summary)
    yield ""
    yield from _training(summary)
    for picture in summary.pictures:
        yield ""
        yield f"![{Path(picture).stem}]({picture})"
    if summary.per_class:
        yield ""
        yield from _classes(summary)
    yield ""
    yield "## Run it again"
    yield ""
    yield "```sh"
    yield summary.command
    yield "```"
    if summary.versions:
        yield ""
        yield "With " + ", ".join(f"{package} {version}" for package, version in summary.versions.items()) + "."


def _headline(summary: RunSummary) -> str:
    if summary.test_accuracy is not None:
        counted = sum(right for right, _ in summary.per_class.values())
        correct = counted if summary.per_class else round(summary.test_accuracy * summary.test_clips)
        count = f" ({correct:,} of {summary.test_clips:,} clips)" if summary.test_clips else ""
        text = f"**Test accuracy {summary.test_accuracy:.3f}{count}**"
    elif summary.val_accuracy is not None:
        text = f"**Validation accuracy {summary.val_accuracy:.3f}**; not tested"
    else:
        text = "**Trained; neither validated nor tested**"
    part = "joint" if summary.parameters["joint"] else "input_to_hidden"
    ours, dense = summary.parameters[part], summary.dense_parameters[part]
    name = part.replace("_", "-")
    if ours == dense:
        return f"{text}, with dense {name} weights."
    whole = _ratio(summary.dense_parameters["total"], summary.parameters["total"])
    return (
        f"{text}, with {ours:,} {name} parameters in place of {dense:,}: "
        f"{_ratio(dense, ours)} fewer there, {whole} fewer in the whole model."
    )


def _parameters(summary: RunSummary) -> Iterator[str]:
    yield "| parameters | this model | dense | ratio |"
    yield "|---|---:|---:|---:|"
    for part, words in _PARTS.items():
        ours, dense = summary.parameters[part], summary.dense_parameters[part]
        if ours or dense:  # most models have no backbone
            yield f"| {words} | {ours:,} | {dense:,} | {_ratio(dense, ours)} |"


def _training(summary: RunSummary) -> Iterator[str]:
    yield "| training | |"
    yield "|---|---|"
    best = "" if summary.best_epoch is None else f", the best is {summary.best_epoch:,}"
    if summary.epochs:
        yield f"| epochs | {summary.epochs:,}{best} |"
    if summary.val_accuracy is not None:
        yield f"| validation accuracy | {summary.val_accuracy:.3f} |"
    yield f"| time | {_duration(summary.train_seconds)} |"
    if summary.loader_fps is not None:
        yield f"| loader | {summary.loader_fps:,.0f} frames a second |"
    if summary.step_fps is not None:
        yield f"| training step | {summary.step_fps:,.0f} frames a second |"
    for name, words in summary.splits.items():
        yield f"| {_cell(name)} | {_cell(words)} |"
    if summary.seed is not None:
        yield f"| seed | {summary.seed} |"
    if summary.machine:
        yield f"| machine | {_cell(summary.machine)} |"


def _classes(summary: RunSummary) -> Iterator[str]:
    def lowest_first(item: tuple[str, tuple[int, int]]) -> float:
        correct, total = item[1]
        return correct / total if total else 2.0  # classes without clips come last

    yield "## Test accuracy per class, lowest first"
    yield ""
    yield "| class | accuracy | correct | clips |"
    yield "|---|---:|---:|---:|"
    for name, (correct, total) in sorted(summary.per_class.items(), key=lowest_first):
        accuracy = f"{correct / total:.3f}" if total else "-"
        yield f"| {_cell(name)} | {accuracy} | {correct:,} | {total:,} |"


def _ratio(dense: int, ours: int) -> str:
    if not ours:
        return "-"
    ratio = dense / ours
    return f"{ratio:,.0f}x" if ratio >= 100 else f"{ratio:.1f}x" if ratio >= 1 else f"{ratio:.2g}x"


def _duration(seconds: float) -> str:
    whole = round(seconds)
    hours, minutes = whole // 3600, whole // 60 % 60
    if hours:
        return f"{hours:,} h {minutes:02d} min"
    return f"{minutes} min {whole % 60:02d} s" if minutes else f"{whole} s"


def _cell(text: str) -> str:
    """Keep a text inside its table cell."""
    return " ".join(text.split()).replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;")
