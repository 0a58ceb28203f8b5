"""Small real videos with a frame number burnt in, and a small set of moving digits."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.data.kinds import KINDS


@pytest.fixture(scope="session")
def video_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Give a file of one of `KINDS`, 120 numbered frames, made once."""
    folder = tmp_path_factory.mktemp("videos")

    def make(kind: str) -> Path:
        path = folder / kind
        if not path.exists():
            KINDS[kind](path)
        return path

    return make
