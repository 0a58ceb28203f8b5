"""A small model, and a Hub on this machine that the real client talks to."""

from collections.abc import Iterator
from pathlib import Path

import huggingface_hub.constants
import pytest
import torch

from htzoo.data.clips.frame_sampler import FrameSampler
from htzoo.hub.save import save_pretrained
from htzoo.models import VideoClassifier
from tests.hub.server import Hub

TT = {"name": "TensorTrain", "in_modes": [24, 24], "out_modes": [4, 4], "rank": [3]}
SAMPLING = FrameSampler(frames=4)


def small_model(seed: int = 0, **arguments: object) -> VideoClassifier:
    """A model that fits everywhere: 16 x 12 pixels, 16 hidden units, three labels."""
    torch.manual_seed(seed)
    given = {"classes": ("left", "right", "up"), "frame_size": (12, 16, 3), "hidden_size": 16, "input_format": TT}
    return VideoClassifier(**{**given, **arguments}).eval()  # type: ignore[arg-type]


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    return save_pretrained(small_model(), tmp_path / "saved", sampling=SAMPLING)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    constants = huggingface_hub.constants
    with Hub() as hub:
        monkeypatch.setattr(constants, "ENDPOINT", hub.url)
        monkeypatch.setattr(
            constants, "HUGGINGFACE_CO_URL_TEMPLATE", hub.url + "/{repo_id}/resolve/{revision}/{filename}"
        )
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.delenv("HF_TOKEN", raising=False)
        yield hub
