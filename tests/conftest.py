"""A small real dataset that many tests share."""

from pathlib import Path

import pytest

from htzoo.data import make_moving_digits


@pytest.fixture(scope="session")
def few_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Root in which the small set of moving digits is made."""
    root = tmp_path_factory.mktemp("root")
    make_moving_digits(root / "moving_digits", clips=1)
    return root
