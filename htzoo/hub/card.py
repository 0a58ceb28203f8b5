"""The model card: README.md with the metadata that the Hub reads, and what a person wants to know."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from torch import nn

from htzoo.data.clips.frame_sampler import FrameSampler
from htzoo.formats import find_format
from htzoo.hub.config import ModelConfig
from htzoo.models import count_parameters
from htzoo.report.parameter_table import parameter_table
from htzoo.report.summary import RunSummary, class_table, outcome, training_table

CARD_NAME = "README.md"
_MARK = "<!-- Made by htzoo; edit it freely, it is then never overwritten. sha256 of the text above: "
# What the Hub calls the licences of the data sets; weights trained on data that restrict their use carry the same.
_LICENCES = {
    "MIT": "mit",
    "Apache-2.0": "apache-2.0",
    "CC BY 4.0": "cc-by-4.0",
    "CC BY-SA 4.0": "cc-by-sa-4.0",
    "CC BY-NC-SA 4.0": "cc-by-nc-sa-4.0",
}
_JOINT = (
    "Yin et al.: Towards Extremely Compact RNNs for Video Recognition with Fully Decomposed Hierarchical Tucker "
    "Structure, CVPR 2021"
)


@dataclass(frozen=True)
class Training:
    """What a card says about how a model was trained.

    Attributes:
        summary: the summary of the run.
        dataset: short name of the dataset.
        title: full name of the dataset.
        homepage: web page of the dataset.
        licence: its licence, in words.
        plots: name in the folder of the model -> file of the run.
    """

    summary: RunSummary
    dataset: str
    title: str = ""
    homepage: str = ""
    licence: str = ""
    plots: Mapping[str, Path] = field(default_factory=dict)


def model_card(config: ModelConfig, module: nn.Module, training: Training | None, load_as: str) -> str:
    """The text of a card, the same for the same model.

    Args:
        config: what config.json says.
        module: the model, to count its parameters.
        training: what is known of its training.
        load_as: what :func:`htzoo.from_pretrained` is to be given.
    """
    metadata = yaml.safe_dump(_metadata(config, training), sort_keys=False, allow_unicode=True)
    body = "\n".join(_body(config, module, training, load_as))
    return _marked(f"---\n{metadata}---\n\n{body}\n\n")


def _marked(text: str) -> str:
    return f"{text}{_MARK}{_digest(text)} -->\n"


def is_ours(path: Path) -> bool:
    """Whether a card may be replaced: there is none, or it is as htzoo wrote it."""
    if not path.is_file():
        return True
    text, mark, rest = path.read_text(encoding="utf-8", errors="replace").rpartition(_MARK)
    return bool(mark) and rest.strip() == f"{_digest(text)} -->"


def readdressed(card: str, load_as: str) -> str:
    """A card as htzoo wrote it, for a model that has moved to where :func:`htzoo.from_pretrained` finds ``load_as``."""
    text, _, _ = card.rpartition(_MARK)
    text = re.sub(r'(?<=from_pretrained\(")[^"]*', lambda _: load_as, text, count=1)
    return _marked(re.sub(r"(?<=`htzoo classify )\S+", lambda _: load_as, text, count=1))


def _digest(text: str) -> str:
    return hashlib.sha256(text.replace("\r\n", "\n").encode()).hexdigest()


def _metadata(config: ModelConfig, training: Training | None) -> dict[str, Any]:
    values: dict[str, Any] = {"library_name": "htzoo"}
    if config.kind == "VideoClassifier":
        values["pipeline_tag"] = "video-classification"
    values["license"] = _licence(training)
    values["tags"] = ["tensor-network", "compression", *_formats(config)]
    result = config.result
    if result is None:
        return values
    title = training.title if training is not None and training.title else result.dataset
    values["model-index"] = [
        {
            "name": config.name or config.kind,
            "results": [
                {
                    "task": {"type": "video-classification", "name": "Video classification"},
                    "dataset": {"type": result.dataset, "name": title, "split": result.split},
                    "metrics": [{"type": "accuracy", "name": "Test accuracy", "value": round(result.accuracy, 4)}],
                }
            ],
        }
    ]
    return values


def _licence(training: Training | None) -> str:
    if training is None or not training.licence:
        return "apache-2.0"
    return next((ours for words, ours in _LICENCES.items() if words in training.licence), "other")


def _formats(config: ModelConfig) -> list[str]:
    found = (config.arguments.get(key) for key in ("input_format", "hidden_format", "joint_format"))
    return sorted({str(value["name"]) for value in found if value is not None})


def _body(config: ModelConfig, module: nn.Module, training: Training | None, load_as: str) -> Iterator[str]:
    name = config.name or config.kind
    yield f"# {name}"
    yield ""
    yield _what(config)
    yield ""
    yield from _use(config, load_as)
    yield ""
    yield "## Parameters"
    yield ""
    yield from parameter_table(count_parameters(module), count_parameters(module, dense=True))
    if config.result is not None or training is not None:
        yield ""
        yield from _training(config, training)
    for picture in training.plots if training is not None else ():
        yield ""
        yield f"![{Path(picture).stem}]({picture})"
    if training is not None and training.summary.per_class:
        yield ""
        yield from class_table(training.summary)
    yield ""
    yield from _citation(config, training)


def _what(config: ModelConfig) -> str:
    arguments = config.arguments
    weights = " and ".join(_formats(config)) or "dense"
    if config.kind != "VideoClassifier":
        size = f"{arguments['input_size']:,} inputs, {arguments['hidden_size']:,} hidden units"
        return f"A recurrent layer (torch.nn.{config.kind}: {size}) with {weights} weights."
    height, width, _ = arguments["frame_size"]
    assert config.sampling is not None
    motion = " as pictures of what moves" if config.sampling.motion else ""
    through = f", through {arguments['backbone']}" if arguments.get("backbone") else ""
    return (
        f"A video classifier: {arguments.get('cell', 'LSTM')} with {weights} weights and {arguments['hidden_size']} "
        f"hidden units. It reads {_frames(config.sampling)} at {width} x {height} pixels{motion}{through}, and tells "
        f"{len(arguments['classes'])} classes apart."
    )


def _frames(sampling: FrameSampler) -> str:
    if sampling.sampling == "all":
        often = "every frame" if sampling.every == 1 else f"one frame in {sampling.every}"
        return f"{often} of a clip, up to {sampling.frames} of them,"
    views = f", {sampling.views} times over," if sampling.views > 1 else ""
    how = "random" if sampling.sampling == "fixed_random" else "evenly spaced"
    return f"{sampling.frames} {how} frames of a clip{views}"


def _use(config: ModelConfig, load_as: str) -> Iterator[str]:
    yield "## Use it"
    yield ""
    yield "```python"
    yield "import htzoo"
    yield ""
    if config.kind == "VideoClassifier":
        yield f'model = htzoo.from_pretrained("{load_as}")'
        yield 'model.classify("clip.mp4", top=5)  # [(label, probability), ...]'
        yield "```"
        yield ""
        yield f"or `htzoo classify {load_as} clip.mp4`. Labels: " + ", ".join(config.arguments["classes"][:200]) + "."
    else:
        yield f'layer = htzoo.from_pretrained("{load_as}")'
        yield f"output, state = layer(x)  # takes the place of torch.nn.{config.kind}"
        yield "```"


def _training(config: ModelConfig, training: Training | None) -> Iterator[str]:
    yield "## Results and training"
    yield ""
    result = config.result
    if result is not None:
        right = round(result.accuracy * result.clips)
        dataset = training.title if training is not None and training.title else result.dataset
        seed = "" if result.seed is None else f", seed {result.seed}"
        apart = "; no group (a scene, a person) is on both sides" if "(split group" in result.split else ""
        yield (
            f"**Test accuracy {result.accuracy:.3f}** ({right:,} of {result.clips:,} clips) on {dataset}; "
            f"test split: {result.split}{seed}; one run{apart}."
        )
    elif training is not None and (words := outcome(training.summary)):
        yield f"**{words.capitalize()}** on {training.title or training.dataset}; one run."
    if training is None:
        return
    source = f"[{training.title}]({training.homepage})" if training.homepage else training.title
    yield ""
    yield from training_table(training.summary, {"data set": source} if source else None)
    yield ""
    yield "```sh"
    yield training.summary.command
    yield "```"


def _citation(config: ModelConfig, training: Training | None) -> Iterator[str]:
    yield "## Licence and citation"
    yield ""
    if training is None or not training.licence:
        yield "Apache-2.0, as htzoo."
    else:
        yield f"The data set's licence is {training.licence}, and so is that of the weights. The code is Apache-2.0."
    papers = [paper for name in _formats(config) if (paper := find_format(name).paper)]
    if config.arguments.get("joint_format") is not None:
        papers.append(_JOINT)
    if papers:
        yield ""
        yield "If you use it, cite the data set and the paper of the format:"
        yield ""
        yield from (f"- {paper}." for paper in papers)
