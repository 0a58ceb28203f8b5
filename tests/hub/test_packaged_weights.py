"""The published models that travel with the package."""

from pathlib import Path

import pytest

import htzoo
from htzoo.data import MovingDigits
from htzoo.files import file_digest
from htzoo.hub.card import is_ours
from htzoo.hub.config import read_config
from htzoo.hub.packaged_weights import checkpoint_folder, pretrained_names


@pytest.mark.parametrize("name", pretrained_names())
def test_folder_is_whole(name: str) -> None:
    folder = checkpoint_folder() / name
    assert {"README.md", "config.json", "model.safetensors", "confusion.png", "curves.png"} == {
        path.name for path in folder.iterdir()
    }
    config = read_config(folder / "config.json")
    assert config.weights_sha256 == file_digest(folder / "model.safetensors")
    assert config.name == name and config.result is not None
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert is_ours(folder / "README.md")
    assert f"**Test accuracy {config.result.accuracy:.3f}**" in card and f'from_pretrained("{name}")' in card
    assert f"htzoo fit --config {name}" in card
    model = htzoo.from_pretrained(name)
    assert not model.training
    assert f"| **whole model** | {sum(value.numel() for value in model.parameters()):,} |" in card


@pytest.mark.parametrize("name", ["moving_digits_ht", "moving_digits_tt"])
def test_labels_are_right(name: str, few_root: Path) -> None:
    """The card says 1.000 of the test clips, and these are clips of the same groups."""
    data = MovingDigits(root=str(few_root))
    model = htzoo.from_pretrained(name)
    clips = [clip for clip in data.list_clips() if int(clip.group) > 20]
    assert len(clips) == 55
    assert [model.classify(clip.path, top=1)[0][0] for clip in clips] == [data.classes[clip.label] for clip in clips]
