"""Every configuration: it builds, trains a step and tests one on clips of its dataset's layout, and prints itself."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
import yaml
from torch import Tensor, nn

from htzoo.cli.main import main
from htzoo.cli.training import TrainingCLI
from htzoo.configs import config_names, load_config
from htzoo.data import MovingDigits
from htzoo.data.datasets.moving_digits.generate import RECIPE
from htzoo.data.datasets.registry import class_names
from tests.configs.layouts import make_layout
from tests.configs.selection import all_names

# What differs from the published run: few frames, and no download.
SMALL = ["--data.frames", "2", "--data.batch_size", "2", "--data.num_workers", "0", "--data.cache", "false"]
SHORT_NAME = class_names()

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*:lightning.pytorch.utilities.warnings.PossibleUserWarning"),
    pytest.mark.filterwarnings("ignore:Total length of `ClipLoader` across ranks is zero"),  # no validation clips
    pytest.mark.filterwarnings("ignore:No positive samples found"),  # of a few clips with 12 labels
]


class TinyCNN(nn.Module):
    """Stands for a timm model of a name, with its features a frame and its preprocessing."""

    def __init__(self, name: str) -> None:
        super().__init__()
        with torch.device("meta"):
            real = CREATE(name, num_classes=0)
        self.head_hidden_size = real.head_hidden_size
        self.pretrained_cfg = real.pretrained_cfg
        self.linear = nn.Linear(3, self.head_hidden_size)

    def forward(self, frames: Tensor) -> Tensor:
        return self.linear(frames.mean((2, 3)))


CREATE = timm.create_model


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Callable[[str], Path]:
    """The root in which a dataset is prepared."""
    root = tmp_path_factory.mktemp("layouts")

    def prepared(name: str) -> Path:
        if name.startswith("moving_digits"):
            root_of_digits: Path = request.getfixturevalue("few_root")
            if not (root_of_digits / name).exists():  # the hard ones: of the same layout
                shutil.copytree(root_of_digits / "moving_digits", root_of_digits / name)
                recipe = {"recipe": RECIPE, "seed": 0, "groups": 25, "clips": 1, "hard": True}
                (root_of_digits / name / "recipe.json").write_text(json.dumps(recipe))
            return root_of_digits
        if not (root / name).exists():
            make_layout(root, name)
        return root

    return prepared


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small CNNs, and large recurrent weights that are not made orthogonal: either takes seconds a configuration."""
    monkeypatch.setattr(timm, "create_model", lambda name, **_: TinyCNN(name))
    monkeypatch.setattr(nn.init, "orthogonal_", lambda tensor, **_: tensor.normal_(0, 0.02))
    monkeypatch.setattr(MovingDigits, "_clips_per_group", 1)


def words_of(name: str, root: Path) -> list[str]:
    """The shortened run of a configuration."""
    model, data = (load_config(name)[key].get("init_args", {}) for key in ("model", "data"))
    words = ["fit", "--config", name, "--data.root", str(root), *SMALL, "--trainer.fast_dev_run", "true"]
    words += ["--trainer.accelerator", "cpu", "--trainer.logger", "false"]
    if model.get("backbone"):
        words += ["--model.backbone_weights", "null", "--model.feature_cache", "false", "--data.size", "[24, 32]"]
    elif model.get("input_format") is None:
        words += ["--data.size", "[12, 16]"]  # a dense weight fits frames of any size
    if data.get("motion"):
        words += ["--data.frames", "4"]
    if data.get("folds") is None and load_config(name)["data"]["class_path"] == "UCF11":
        words += ["--data.folds", "5"]
    return words


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("name", all_names())
def test_trains_and_tests_a_step(
    name: str, prepared: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    dataset = SHORT_NAME[load_config(name)["data"]["class_path"]]
    steps: list[str] = []
    for step in ("training_step", "test_step"):
        watch(monkeypatch, step, steps)
    assert main(words_of(name, prepared(dataset))) == 0
    assert steps == ["training_step", "test_step"]


def watch(monkeypatch: pytest.MonkeyPatch, step: str, steps: list[str]) -> None:
    from htzoo.tasks import VideoClassification

    real = getattr(VideoClassification, step)

    def counted(self: Any, *arguments: Any) -> Any:
        steps.append(step)
        values = real(self, *arguments)  # the loss, or the logits of a test
        assert torch.isfinite(values).all()
        return values

    monkeypatch.setattr(VideoClassification, step, counted)


class ParsedOnly(TrainingCLI):
    """The command line, which parses and does nothing."""

    def instantiate_classes(self) -> None:
        """Make nothing."""

    def _run_subcommand(self, subcommand: str) -> None:
        """Run nothing."""


@pytest.fixture(scope="module")
def parser() -> Any:
    """The parser of `htzoo fit`."""
    return ParsedOnly(["fit", "--config", "moving_digits_ht"])._subcommand_parsers["fit"]


@pytest.mark.parametrize("name", config_names())
def test_what_print_config_prints_gives_the_same_again(name: str, parser: Any) -> None:
    printed = parser.dump(parser.parse_args(["--config", name]), skip_none=False)
    again = parser.dump(parser.parse_string(printed), skip_none=False)
    assert yaml.safe_load(again) == yaml.safe_load(printed)
    assert "parts" not in yaml.safe_load(printed)
    given = load_config(name)["model"]["init_args"]
    stated = yaml.safe_load(printed)["model"]["init_args"]
    for key in ("input_format", "hidden_format", "joint_format", "hidden_size", "backbone", "schedule"):
        assert stated[key] == given.get(key, stated[key])
