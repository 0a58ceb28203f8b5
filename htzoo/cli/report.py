"""``htzoo report``: the plots of a run that ended, was stopped, or still goes on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from htzoo.cli.arguments import Parser

DESCRIPTION = """\
Draw the plots of a run again, and print how far it came. `htzoo fit` draws them itself when it ends; this is for a
run that was stopped or still goes on (curves.png, from metrics.csv), and for one of `htzoo predict` (confusion.png,
from predictions.csv).

examples:
  htzoo report runs/moving_digits_ht/TIME
"""


def run(words: Sequence[str]) -> None:
    """Run the command.

    Args:
        words: the command line, without ``htzoo``.

    Raises:
        FileNotFoundError: the folder holds nothing that can be drawn.
        ValueError: a file in it is not what a run writes.
    """
    parser = Parser("report", DESCRIPTION)
    parser.add_argument("run", type=Path, metavar="RUN", help="folder of a run")
    folder: Path = parser.parse_args(words[1:]).run
    lines = [*_curves(folder), *_confusion(folder)]
    if not lines:
        raise FileNotFoundError(
            f"{folder} holds neither metrics.csv nor predictions.csv: give the folder of a run, runs/NAME/TIME"
        )
    print("\n".join(lines))


def _curves(folder: Path) -> Iterator[str]:
    metrics = folder / "metrics.csv"
    if not metrics.is_file():
        return
    from htzoo.report.curves import plot_curves
    from htzoo.report.metrics_csv import best_epoch, read_metrics

    picture = folder / "curves.png"
    plot_curves(metrics, picture, folder.resolve().parent.name)
    found = read_metrics(metrics)
    if losses := found.get("train/loss"):
        yield f"{len(losses)} epochs trained"
    epoch, values = best_epoch(found)
    if epoch is not None:
        yield f"best epoch {epoch}: {_text(values, 'val/')}"
    if tested := _text({key: series[-1][1] for key, series in found.items()}, "test/"):
        yield f"test: {tested}"
    yield str(picture)


def _text(values: Mapping[str, float], prefix: str) -> str:
    return ", ".join(
        f"{key.removeprefix(prefix).replace('_', ' ')} {value:.3f}"
        for key, value in values.items()
        if key.startswith(prefix)
    )


def _confusion(folder: Path) -> Iterator[str]:
    predictions = folder / "predictions.csv"
    if not predictions.is_file():
        return
    from htzoo.report.confusion import plot_confusion, read_predictions

    picture = folder / "confusion.png"
    plot_confusion(*read_predictions(predictions), picture, folder.resolve().parent.name)
    yield str(picture)
