"""``htzoo demo`` as a browser meets it: over HTTP."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import numpy as np
import pytest
from PIL import Image

import htzoo
from htzoo.cli.main import main
from htzoo.data import MovingDigits, write_video
from tests.cli.command import ROOT

gradio_client = pytest.importorskip("gradio_client")
NAME = "moving_digits_ht"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("demo")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "TMPDIR": str(folder)}
    words = [sys.executable, "-m", "htzoo", "demo", "--no-browser"]
    with subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, text=True, cwd=folder) as server:
        try:
            assert server.stdout is not None
            yield server.stdout.readline().split()[0]
        finally:
            server.send_signal(signal.SIGINT)
            assert server.wait(30) == 0
    assert not list(folder.iterdir())  # uploads are deleted


@pytest.fixture(scope="module")
def client(address: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[gradio_client.Client]:
    folder = tmp_path_factory.mktemp("got")
    client = gradio_client.Client(address, verbose=False, analytics_enabled=False, download_files=folder)
    yield client
    client.close()


def test_labels_frames_and_time_of_a_clip(client: gradio_client.Client, few_root: Path) -> None:
    clip = MovingDigits(root=str(few_root)).list_clips()[0].path
    labels, frames, times = client.predict(NAME, gradio_client.handle_file(clip), api_name="/look")
    model = htzoo.from_pretrained(NAME)
    found = {row["label"]: row["confidence"] for row in labels["confidences"]}
    assert found == pytest.approx(dict(model.classify(clip)), abs=1e-5)
    shown = []
    for frame in frames:
        with Image.open(frame["image"]) as picture:
            shown.append(np.asarray(picture))
    assert np.array_equal(shown, model.read(clip))
    assert times.startswith("reading ") and times.endswith(" ms")


def test_what_is_no_video_is_one_sentence(client: gradio_client.Client, tmp_path: Path) -> None:
    (tmp_path / "bad.mp4").write_text("no video")
    labels, frames, words = client.predict(NAME, gradio_client.handle_file(tmp_path / "bad.mp4"), api_name="/look")
    assert not labels and not frames
    assert words.startswith("bad.mp4 is not a readable video") and "\n" not in words


def test_diagram_and_words_of_a_model(client: gradio_client.Client) -> None:
    words, picture = client.predict(NAME, api_name="/show")
    assert words.startswith("267,240 parameters; the dense equivalent has 59,248,395. Labels: right, left")
    assert Path(picture).read_bytes().startswith(b"\x89PNG")


def test_it_starts_on_a_video_model_with_clips_to_click(client: gradio_client.Client) -> None:
    parts = {part["props"].get("label"): part["props"] for part in client.config["components"]}
    assert parts["model"]["value"] == NAME
    (examples,) = (part["props"] for part in client.config["components"] if part["type"] == "dataset")
    assert examples["label"] == f"clips for {NAME}"
    model = htzoo.from_pretrained(NAME)
    clips = [sample[0] for sample in examples["samples"]]
    assert sorted(clips) == sorted(f"{label}.mp4" for label in model.classes)
    for number in range(3):
        clip = client.predict(number, api_name="/load_example")["value"]  # what a click does
        labels, _, _ = client.predict(NAME, gradio_client.handle_file(clip), api_name="/look")
        assert f"{labels['label']}.mp4" == clips[number]


def test_uploads_are_limited(client: gradio_client.Client, address: str, tmp_path: Path) -> None:
    long = tmp_path / "_long_.mp4"
    write_video(long, np.zeros((606, 16, 16, 3), np.uint8), fps=1)
    labels, frames, words = client.predict(NAME, gradio_client.handle_file(long), api_name="/look")
    assert not labels and not frames
    assert words == "\\_long\\_.mp4 is longer than 10 minutes: cut it, or label it with htzoo classify"
    large = tmp_path / "large.mp4"
    with large.open("wb") as file:
        file.truncate(201 * 2**20)
    with pytest.raises(Exception, match=r"413|exceed|large"):
        client.predict(NAME, gradio_client.handle_file(large), api_name="/look")


def test_the_page_asks_nobody_else(address: str) -> None:
    """Every address that the page loads from by itself is on the server."""
    with urlopen(address) as answer:
        text = answer.read().decode()
    loaded = re.findall(r"<(?:script|link|img)[^>]+(?:src|href)=\"([^\"]+)\"", text)
    assert loaded and not [url for url in loaded if re.match(r"(https?:)?//", url)]


def test_address_that_is_taken_or_none(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        assert main(["demo", "--port", port]) == 1
    assert main(["demo", "--host", "192.0.2.1"]) == 1
    taken, foreign = capsys.readouterr().err.splitlines()
    assert taken == f"htzoo: --host is '127.0.0.1', --port is {port}: nothing can listen there (Address already in use)"
    assert foreign.startswith("htzoo: --host is '192.0.2.1': nothing can listen there")
