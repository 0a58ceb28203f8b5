"""A disk that is full, at every write of a checkpoint: the older one stays whole, and one line says what to do."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from htzoo.tasks import AtomicCheckpointIO, CheckpointError

SIZE = 3 << 20


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A filesystem of 3 MiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        mounted = False
    if not mounted:
        pytest.skip("only root can mount a small filesystem")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def content(size: int, value: float) -> dict[str, Any]:
    return {"state_dict": {"weight": torch.full((size // 4,), value)}, "hyper_parameters": {}}


def test_the_older_checkpoint_stays_at_every_size_of_the_hole(small_disk: Path) -> None:
    writer, path = AtomicCheckpointIO(), small_disk / "checkpoints" / "last.ckpt"
    writer.save_checkpoint(content(1 << 20, 1.0), path)
    before = path.read_bytes()
    for room in (0, 1, 1 << 10, 1 << 16, 1 << 18, 900 << 10, 1 << 20):
        filler = small_disk / "filler"
        filler.write_bytes(b"\0" * (SIZE - len(before) - (32 << 10) - room))
        with pytest.raises(CheckpointError, match=r"last\.ckpt cannot be written .*the older one is still there"):
            writer.save_checkpoint(content(2 << 20, 2.0), path)
        assert path.read_bytes() == before
        assert [file.name for file in path.parent.iterdir()] == ["last.ckpt"]
        filler.unlink()
    writer.save_checkpoint(content(1 << 20, 3.0), path)
    assert torch.load(path, weights_only=True)["state_dict"]["weight"][0] == 3.0


def test_nothing_passes_through_the_temporary_folder(
    small_disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(small_disk))
    path = tmp_path / "checkpoints" / "last.ckpt"
    AtomicCheckpointIO().save_checkpoint(content(4 << 20, 1.0), path)
    assert path.stat().st_size > SIZE and not list(small_disk.iterdir())


def test_a_folder_that_cannot_be_written_to() -> None:
    with pytest.raises(CheckpointError, match=r"choose another --trainer\.default_root_dir"):
        AtomicCheckpointIO().save_checkpoint(content(4, 1.0), "/proc/no/last.ckpt")


def test_an_error_that_is_no_fault_of_the_disk_is_not_hidden(tmp_path: Path) -> None:
    class Odd:
        def __reduce__(self) -> Any:
            raise RuntimeError("a state that cannot be saved")

    with pytest.raises(RuntimeError, match=r"^a state that cannot be saved$"):
        AtomicCheckpointIO().save_checkpoint({"odd": Odd()}, tmp_path / "last.ckpt")
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux only")
def test_the_reason_is_that_of_the_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = Path.open
    monkeypatch.setattr(Path, "open", lambda path, *mode: opened(Path("/dev/full"), *mode))
    with pytest.raises(CheckpointError, match=r"cannot be written \(No space left on device\)"):
        AtomicCheckpointIO().save_checkpoint(content(2 << 20, 1.0), tmp_path / "last.ckpt")
