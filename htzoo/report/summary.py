"""The summary of a run: what a person wants to know of it, on one page of Markdown."""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from htzoo.files import replacing
from htzoo.report.markdown import code_block, escape
from htzoo.report.parameter_table import PARTS, fewer, parameter_table


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
        mean_average_precision: from 0 to 1, over all classes of the test clips; where a clip may show several classes,
            and there is no accuracy.
        f1_macro: unweighted mean over the classes of the F1 score of the test clips; None if not measured.
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
    mean_average_precision: float | None = None
    f1_macro: float | None = None

    def __post_init__(self) -> None:
        """Refuse figures that contradict one another, rather than print them side by side.

        Raises:
            ValueError: a part is missing from the parameters, or the per-class counts do not add up to `test_clips` and
                `test_accuracy`.
        """
        for counts in (self.parameters, self.dense_parameters):
            missing = [part for part in PARTS if part not in counts]
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


def outcome(summary: RunSummary) -> str:
    """What the test said, in words; empty where there was none."""
    if summary.test_accuracy is not None:
        correct = round(summary.test_accuracy * summary.test_clips)
        return f"test accuracy {summary.test_accuracy:.3f} ({correct:,} of {summary.test_clips:,} clips)"
    if summary.mean_average_precision is not None:
        return f"test mean average precision {summary.mean_average_precision:.3f} ({summary.test_clips:,} clips)"
    return ""


def training_table(summary: RunSummary) -> Iterator[str]:
    """Lines of Markdown: the clips, the training and what it ran on."""
    yield "| training | |"
    yield "|---|---|"
    for name, text in _facts(summary):
        yield f"| {escape(name)} | {escape(text)} |"


def _facts(summary: RunSummary) -> Iterator[tuple[str, str]]:
    yield from summary.splits.items()
    if summary.epochs:
        best = "" if summary.best_epoch is None else f", the best is {summary.best_epoch:,}"
        yield "epochs", f"{summary.epochs:,}{best}"
    if summary.val_accuracy is not None:
        yield "validation accuracy", f"{summary.val_accuracy:.3f}"
    if summary.f1_macro is not None:
        yield "test macro F1", f"{summary.f1_macro:.3f}"
    if summary.train_seconds:
        yield "time", _duration(summary.train_seconds)
    if summary.loader_fps is not None:
        yield "loader", f"{summary.loader_fps:,.0f} frames a second"
    if summary.step_fps is not None:
        yield "training step", f"{summary.step_fps:,.0f} frames a second"
    if summary.seed is not None:
        yield "seed", str(summary.seed)
    if summary.machine:
        yield "machine", summary.machine
    if summary.versions:
        yield "software", ", ".join(f"{package} {version}" for package, version in summary.versions.items())


def class_table(summary: RunSummary) -> Iterator[str]:
    """Lines of Markdown: the test accuracy of every class, lowest first; classes without clips come last."""
    yield "| class | accuracy | correct | clips |"
    yield "|---|---:|---:|---:|"

    def accuracy_of(item: tuple[str, tuple[int, int]]) -> float:
        correct, total = item[1]
        return correct / total if total else math.inf

    for name, (correct, total) in sorted(summary.per_class.items(), key=accuracy_of):
        accuracy = f"{correct / total:.3f}" if total else "-"
        yield f"| {escape(name)} | {accuracy} | {correct:,} | {total:,} |"


def _lines(summary: RunSummary) -> Iterator[str]:
    yield f"# {escape(summary.name)}"
    yield ""
    yield _headline(summary)
    yield ""
    yield from parameter_table(summary.parameters, summary.dense_parameters)
    yield ""
    yield from training_table(summary)
    for picture in summary.pictures:
        yield ""
        yield f"![{Path(picture).stem}]({picture})"
    if summary.per_class:
        yield ""
        yield "## Test accuracy per class, lowest first"
        yield ""
        yield from class_table(summary)
    yield ""
    yield "## Run it again"
    yield ""
    yield code_block(summary.command, "sh")


def _headline(summary: RunSummary) -> str:
    if found := outcome(summary):
        text = f"**{found.capitalize()}**"
    elif summary.val_accuracy is not None:
        text = f"**Validation accuracy {summary.val_accuracy:.3f}**; not tested"
    else:
        text = "**Trained; neither validated nor tested**"
    part = "joint" if summary.parameters["joint"] else "input_to_hidden"
    ours, dense = summary.parameters[part], summary.dense_parameters[part]
    name = part.replace("_", "-")
    if ours == dense:
        return f"{text}, with dense {name} weights."
    whole = fewer(summary.dense_parameters["total"], summary.parameters["total"])
    return (
        f"{text}, with {ours:,} {name} parameters in place of {dense:,}: "
        f"{fewer(dense, ours)} fewer there, {whole} fewer in the whole model."
    )


def _duration(seconds: float) -> str:
    whole = round(seconds)
    hours, minutes = whole // 3600, whole // 60 % 60
    if hours:
        return f"{hours:,} h {minutes:02d} min"
    return f"{minutes} min {whole % 60:02d} s" if minutes else f"{whole} s"
