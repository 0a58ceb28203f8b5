"""``htzoo demo``: a local web page to try models on."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event
from time import perf_counter
from typing import TYPE_CHECKING, Any

from htzoo.cli.arguments import Parser

if TYPE_CHECKING:
    import gradio

    from htzoo.hub.classifier import ZooClassifier

DESCRIPTION = """\
Open a page in the browser: upload a video or click an example clip, and see the frames that a model reads, its labels,
how long it took, and a diagram of its tensor networks. Needs: pip install 'htzoo[demo]'

Everything stays on this machine. Uploads have at most {size} MB and {minutes} minutes, and are deleted when the command
ends (Ctrl-C).

examples:
  htzoo demo
  htzoo demo --model runs/moving_digits_ht/TIME/checkpoints/best.ckpt
  htzoo demo --host 0.0.0.0 --port 8080 --no-browser     for other machines of the network too
"""
_TOP = 5
_MAX_MEGABYTES, _MAX_MINUTES = 200, 10
_MAX_RATE = 240  # frames a second, of a file that does not say
_FIRST = "moving_digits_ht"  # the model that the example clips are for


def run(words: Sequence[str]) -> None:
    """Serve the page until Ctrl-C.

    Args:
        words: the command line, without ``htzoo``.

    Raises:
        FileNotFoundError: Gradio is not installed.
        ValueError: there is no such model.
        OSError: the address cannot be listened on.
    """
    parser = Parser("demo", DESCRIPTION.format(size=_MAX_MEGABYTES, minutes=_MAX_MINUTES))
    parser.add_argument("--model", metavar="NAME", help="start with this model: folder, ORG/REPO, or training run")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: this machine only)")
    parser.add_argument("--port", type=int, help="port to listen on (default: the first free one from 7860)")
    parser.add_argument("--no-browser", action="store_true", help="print the address, and open nothing")
    given = parser.parse_args(words[1:])
    if given.port is not None and not 0 < given.port < 1 << 16:
        parser.error(f"--port is {given.port}: give a number from 1 to 65535")

    _check_address(given.host, given.port)

    from htzoo.hub.packaged_weights import pretrained_names

    names = list(dict.fromkeys([*([given.model] if given.model else []), _FIRST, *pretrained_names()]))
    with TemporaryDirectory(prefix="htzoo-demo-") as folder:
        os.environ["GRADIO_TEMP_DIR"] = folder  # read when Gradio is imported
        page = _page(names, Path(folder))
        _, address, _ = page.launch(
            server_name=given.host,
            server_port=given.port,
            max_file_size=f"{_MAX_MEGABYTES}mb",
            inbrowser=not given.no_browser,
            prevent_thread_lock=True,
            quiet=True,
            share=False,
            ssr_mode=False,
            footer_links=[],
            theme=_theme(),
        )
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # uploads are deleted then too
        print(f"{address}  (Ctrl-C ends it)", flush=True)
        with suppress(KeyboardInterrupt):
            Event().wait()
        page.close(verbose=False)


def _check_address(host: str, port: int | None) -> None:
    """Report at once what Gradio would report after half a minute."""
    try:
        socket.create_server((host, port or 0)).close()
    except OSError as error:
        where = f"--host is {host!r}" if port is None else f"--host is {host!r}, --port is {port}"
        raise OSError(
            f"{where}: nothing can listen there ({os.strerror(error.errno) if error.errno else error})"
        ) from error


def _page(names: Sequence[str], folder: Path) -> gradio.Blocks:
    """The page, with the first of the models open."""
    try:
        import gradio
    except ImportError:
        raise FileNotFoundError("gradio is not installed: pip install 'htzoo[demo]'") from None
    from htzoo.data import VideoError
    from htzoo.report.markdown import escape

    opened = cache(_opened)
    opened(names[0])

    def show(name: str) -> tuple[str, str]:
        return _describe(opened(name), folder / f"network{names.index(name)}.png")

    def look(name: str, video: str | None) -> tuple[dict[str, float], list[Any], str]:
        if video is None:
            return {}, [], ""
        try:
            return _look(opened(name), video)
        except (VideoError, OSError) as error:
            return {}, [], escape(str(error).replace(video, Path(video).name))

    page = gradio.Blocks(title="htzoo", analytics_enabled=False)
    with page:
        gradio.Markdown("# htzoo\nRecurrent video models whose weights are tensor networks.")
        with gradio.Row():
            with gradio.Column():
                model = gradio.Dropdown(list(names), value=names[0], label="model")
                words = gradio.Markdown()
                video = gradio.File(label="video", height=180)  # a player would refuse what browsers cannot show
                gradio.Examples([[str(clip)] for clip in _example_clips(folder)], video, label=f"clips for {_FIRST}")
            with gradio.Column():
                labels = gradio.Label(label="label", num_top_classes=_TOP)
                times = gradio.Markdown()
        frames = gradio.Gallery(
            label="the frames that the model reads", columns=8, height=200, object_fit="contain", format="png"
        )
        network = gradio.Image(label="tensor networks", show_label=False, interactive=False, format="png")
        gradio.on([page.load, model.change], show, model, [words, network], api_name="show")
        gradio.on([model.change, video.change], look, [model, video], [labels, frames, times], api_name="look")
    return page


def _opened(name: str) -> ZooClassifier:
    """A model that has labelled a clip already: the first time includes planning the contraction."""
    import numpy as np

    from htzoo.hub.classifier import ZooClassifier
    from htzoo.hub.open_model import open_model

    model = open_model(name, ZooClassifier)
    height, width, channels = model.frame_size
    model.label(np.zeros((model.sampling.frames * model.sampling.per_segment, height, width, channels), np.uint8))
    return model


def _example_clips(folder: Path) -> list[Path]:
    """One short clip of each class of the moving digits, made here."""
    from htzoo.data import make_moving_digits

    made = folder / "examples"
    make_moving_digits(made, seed=1, groups=1, clips=1)  # other clips than the model was trained on
    return [clip.rename(made / f"{clip.parents[1].name}.mp4") for clip in sorted(made.rglob("*.mp4"))]


def _describe(model: ZooClassifier, diagram: Path) -> tuple[str, str]:
    """A model in words, and a diagram of its networks."""
    from htzoo.models.model_info import first_layer_weights, model_info
    from htzoo.report.markdown import escape
    from htzoo.report.network_diagram import plot_design

    facts = model_info(model, model.config.name or "model", None, None)
    if not diagram.is_file():
        plot_design(facts, first_layer_weights(model), model.recurrent.cell.gates, diagram)
    ours, dense = facts["parameters"]["total"], facts["dense_parameters"]["total"]
    labels = ", ".join(map(escape, model.classes))
    return f"{ours:,} parameters; the dense equivalent has {dense:,}. Labels: {labels}.", str(diagram)


def _look(model: ZooClassifier, video: str) -> tuple[dict[str, float], list[Any], str]:
    """Labels, the frames that were read, and how long it took."""
    _check_length(video)
    start = perf_counter()
    frames = model.read(video)
    read = perf_counter()
    labels = dict(model.label(frames, _TOP))
    end = perf_counter()
    times = f"reading {1000 * (read - start):.0f} ms, model {1000 * (end - read):.1f} ms"
    return labels, list(model.sampling.pictures(frames)), times


def _check_length(video: str) -> None:
    """Refuse a video that is too long, without decoding it to its end.

    Raises:
        VideoError: it is too long, damaged, or not a video.
    """
    from htzoo.data import VideoError
    from htzoo.data.video.video_file import VideoFile

    with VideoFile(video) as file:
        limit = round(60 * _MAX_MINUTES * (file.rate or _MAX_RATE))
        frames = sum(1 for _ in islice(file.frames(), limit + 1))
    if frames > limit:
        raise VideoError(f"{video} is longer than {_MAX_MINUTES} minutes: cut it, or label it with htzoo classify")


def _theme() -> gradio.themes.Base:
    """Gradio's own look with the fonts of the machine; its own ones come from the net."""
    import gradio

    return gradio.themes.Default(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"])
