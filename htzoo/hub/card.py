"""The model card: README.md with the metadata that the Hub reads, and what a person wants to know."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
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
from htzoo.nn.layer_arguments import formats_in
from htzoo.report.markdown import code, code_block, escape, link
from htzoo.report.parameter_table import parameter_table
from htzoo.report.summary import RunSummary, class_table, outcome, training_table

CARD_NAME = "README.md"
_MARK = "<!-- Written by htzoo. You can edit it: an edited card is never overwritten. sha256 of the text above: "
_ADDRESS = re.compile(r'(?<=from_pretrained\()"(?:[^"\\]|\\.)*"')  # a string of JSON, and of Python
_MAX_LABELS = 200  # listed in the card
# The Hub's identifiers of the licences of the datasets. Weights have the licence of the data that they were trained on.
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
        licence: its licence, in words; "not stated" if nobody knows it.
        plots: name in the folder of the model -> file of the run.
    """

    summary: RunSummary
    dataset: str
    title: str = ""
    homepage: str = ""
    licence: str = "not stated"
    plots: Mapping[str, Path] = field(default_factory=dict)


def model_card(config: ModelConfig, module: nn.Module, training: Training | None, load_as: str) -> str:
    """The text of a card; the same model has always the same card.

    Names, labels and all other texts that come with a model are escaped: they cannot add HTML, links or images.

    Args:
        config: the content of config.json.
        module: the model, whose parameters are counted.
        training: facts about its training, if known.
        load_as: the name that the card loads the model by.
    """
    metadata = yaml.safe_dump(_metadata(config, training), sort_keys=False, allow_unicode=True)
    body = "\n".join(_body(config, module, training, load_as))
    return _marked(f"---\n{metadata}---\n\n{body}\n\n")


def _marked(text: str) -> str:
    return f"{text}{_MARK}{_digest(text)} -->\n"


def is_ours(path: Path) -> bool:
    """Whether a card may be replaced: it is missing, or as htzoo wrote it."""
    if not path.is_file():
        return True
    text, mark, rest = path.read_text(encoding="utf-8", errors="replace").rpartition(_MARK)
    return bool(mark) and rest.strip() == f"{_digest(text)} -->"


def readdressed(card: str, load_as: str) -> str:
    """A card as htzoo wrote it, for a model that has moved to where :func:`htzoo.from_pretrained` finds ``load_as``."""
    text = card.rpartition(_MARK)[0]
    found = _ADDRESS.search(text)
    if found is None:
        return card
    old = str(json.loads(found[0]))
    text = f"{text[: found.start()]}{_quoted(load_as)}{text[found.end() :]}"
    return _marked(text.replace(_command(old), _command(load_as), 1))


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _command(load_as: str) -> str:
    return code(f"htzoo classify {shlex.quote(load_as)} clip.mp4")


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
    if training is None or training.licence == "not stated":
        return "unknown"
    return next((ours for words, ours in _LICENCES.items() if words in training.licence), "other")


def _formats(config: ModelConfig) -> list[str]:
    found = (config.arguments.get(key) for key in ("input_format", "hidden_format", "joint_format"))
    return sorted({str(form["name"]) for value in found for form in formats_in(value)})


def _body(config: ModelConfig, module: nn.Module, training: Training | None, load_as: str) -> Iterator[str]:
    yield f"# {escape(config.name or config.kind)}"
    yield ""
    yield _description(config)
    yield ""
    yield from _use(config, load_as)
    yield ""
    yield "## Parameters"
    yield ""
    yield from parameter_table(count_parameters(module), count_parameters(module, dense=True))
    if config.result is not None or training is not None:
        yield ""
        yield from _training(config, training)
    for plot in training.plots if training is not None else ():
        yield ""
        yield f"![{Path(plot).stem}]({plot})"
    if training is not None and training.summary.per_class:
        yield ""
        yield from class_table(training.summary)
    yield ""
    yield from _citation(config, training)


def _description(config: ModelConfig) -> str:
    arguments = config.arguments
    weights = " and ".join(_formats(config)) or "dense"
    if config.kind != "VideoClassifier":
        size = f"{arguments['input_size']:,} inputs, {arguments['hidden_size']:,} hidden units"
        return f"A recurrent layer (torch.nn.{config.kind}: {size}) with {weights} weights."
    height, width, _ = arguments["frame_size"]
    assert config.sampling is not None
    motion = " as motion images" if config.sampling.motion else ""
    through = f", through {escape(arguments['backbone'])}" if arguments.get("backbone") else ""
    return (
        f"A video classifier: {arguments.get('cell', 'LSTM')} with {weights} weights and {arguments['hidden_size']} "
        f"hidden units. It reads {_frames(config.sampling)} at {width} x {height} pixels{motion}{through}, and "
        f"distinguishes {len(arguments['classes'])} classes."
    )


def _frames(sampling: FrameSampler) -> str:
    if sampling.sampling == "all":
        often = "every frame" if sampling.every == 1 else f"one frame in {sampling.every}"
        return f"{often} of a clip, up to {sampling.frames} of them,"
    views = f", {sampling.views} times over," if sampling.views > 1 else ""
    how = "random" if sampling.sampling == "fixed_random" else "evenly spaced"
    return f"{sampling.frames} {how} frames of a clip{views}"


def _use(config: ModelConfig, load_as: str) -> Iterator[str]:
    yield "## How to use it"
    yield ""
    yield "```python"
    yield "import htzoo"
    yield ""
    if config.kind == "VideoClassifier":
        labels = config.arguments["classes"]
        more = f" and {len(labels) - _MAX_LABELS:,} more" if len(labels) > _MAX_LABELS else ""
        yield f"model = htzoo.from_pretrained({_quoted(load_as)})"
        yield 'model.classify("clip.mp4", top=5)  # [(label, probability), ...]'
        yield "```"
        yield ""
        yield f"or {_command(load_as)}. Labels: {', '.join(map(escape, labels[:_MAX_LABELS]))}{more}."
    else:
        yield f"layer = htzoo.from_pretrained({_quoted(load_as)})"
        yield f"output, state = layer(x)  # a drop-in for torch.nn.{config.kind}"
        yield "```"


def _training(config: ModelConfig, training: Training | None) -> Iterator[str]:
    yield "## Results and training"
    yield ""
    result = config.result
    if result is not None:
        correct = round(result.accuracy * result.clips)
        dataset = training.title if training is not None and training.title else result.dataset
        seed = "" if result.seed is None else f", seed {result.seed}"
        apart = "; training and test clips share no group (scene, person)" if "(split group" in result.split else ""
        yield (
            f"**Test accuracy {result.accuracy:.3f}** ({correct:,} of {result.clips:,} clips) on {escape(dataset)}; "
            f"test split: {escape(result.split)}{seed}; one run{apart}."
        )
    elif training is not None and (words := outcome(training.summary)):
        yield f"**{words.capitalize()}** on {escape(training.title or training.dataset)}; one run."
    if training is None:
        return
    yield ""
    yield from training_table(training.summary)
    if training.title:
        yield ""
        yield f"Dataset: {link(training.title, training.homepage)}."
    yield ""
    yield code_block(training.summary.command, "sh")


def _citation(config: ModelConfig, training: Training | None) -> Iterator[str]:
    yield "## Licence and citation"
    yield ""
    if training is None or training.licence == "not stated":
        yield "Licence: not stated. The code of htzoo is Apache-2.0."
    else:
        yield (
            f"Licence: {escape(training.licence)}, that of the dataset, applies to the weights too. The code of htzoo "
            "is Apache-2.0."
        )
    papers = [paper for name in _formats(config) if (paper := find_format(name).paper)]
    if config.arguments.get("joint_format") is not None:
        papers.append(_JOINT)
    if papers:
        yield ""
        yield "If you use it, cite the dataset and the paper of the format:"
        yield ""
        yield from (f"- {paper}." for paper in papers)
