"""Compiling once, and doing without."""

import importlib
from pathlib import Path

import pytest
import torch

from htzoo.formats import TensorTrain
from htzoo.formats.chain import chain_of
from htzoo.native.build import library

COMPILES = library() is not None


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "htzoo"


@pytest.mark.skipif(not COMPILES, reason="no C compiler, or a processor that is not compiled for")
def test_compiles_once(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert library.__wrapped__() is not None
    (built,) = cache.iterdir()
    assert built.suffix == ".so"
    monkeypatch.setattr("subprocess.run", lambda *_, **__: pytest.fail("compiled again"))
    assert library.__wrapped__() is not None


@pytest.mark.parametrize("compiler", ["false", "no-such-compiler-anywhere"])
def test_a_compiler_that_fails_leaves_nothing(compiler: str, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", compiler)
    assert library.__wrapped__() is None
    assert not list(cache.iterdir())


def test_a_cache_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert library.__wrapped__() is None


def test_no_compiler(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setattr("shutil.which", lambda name: None)
    assert library.__wrapped__() is None
    assert not cache.exists()


def test_without_it_chains_are_of_pytorch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.import_module("htzoo.formats.chain"), "library", lambda: None)
    network = TensorTrain((2, 5), (5, 2), 2).network(10, 10)
    assert not chain_of(network, 5, torch.device("cpu"), torch.float32, input_gradient=True).native
