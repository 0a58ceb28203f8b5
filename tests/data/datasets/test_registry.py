"""Datasets are found by their files, and imported only when they are asked for."""

import inspect
import os
import subprocess
import sys
from pathlib import Path

import pytest

import htzoo.data
from htzoo.data import VideoDataModule
from htzoo.data.datasets.moving_digits.generate import CLIPS, GROUPS
from htzoo.data.datasets.moving_digits.render import MOTIONS
from htzoo.data.datasets.registry import class_names, dataset_names, find_dataset, find_listing

ATTRIBUTES = ("title", "homepage", "licence", "classes", "clip_count", "dataset_name")


def python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run code in a process of its own, where nothing is imported yet."""
    env = {**os.environ, **environment}
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, check=False)


def test_every_file_with_a_dataset_is_found() -> None:
    package = Path(inspect.getfile(htzoo.data)).parent / "datasets"
    written = {line for file in package.rglob("*.py") for line in file.read_text().splitlines()}
    names = [line.split('"')[1] for line in written if line.startswith("    dataset_name = ")]
    assert sorted(names) == list(dataset_names()) and len(names) > 10


@pytest.mark.parametrize("name", dataset_names())
def test_what_is_read_from_a_file_is_what_its_class_has(name: str) -> None:
    dataset, listing = find_dataset(name), find_listing(name)
    assert issubclass(dataset, VideoDataModule) and dataset.dataset_name == name
    for attribute in ATTRIBUTES:
        assert listing.attribute(attribute) == getattr(dataset, attribute)
    assert listing.literals.keys() >= set(ATTRIBUTES), "write these as plain values: htzoo data list imports no dataset"
    assert getattr(htzoo.data, dataset.__name__) is dataset and dataset.__name__ in dir(htzoo.data)
    assert class_names()[dataset.__name__] == name


def test_moving_digits_says_what_it_makes() -> None:
    for name in ("moving_digits", "moving_digits_hard"):
        dataset = find_dataset(name)
        assert dataset.classes == MOTIONS and dataset.clip_count == len(MOTIONS) * GROUPS * CLIPS


def test_listing_imports_neither_torch_nor_lightning(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom htzoo.cli.main import main\n"
        f"status = main(['data', 'list', '--root', {str(tmp_path)!r}])\n"
        "sys.exit(status or any(name in sys.modules for name in ('torch', 'lightning', 'av')))"
    )
    done = python(code)
    assert done.returncode == 0 and "UCF11 (YouTube Action)" in done.stdout, done.stderr


def test_names_that_are_none() -> None:
    with pytest.raises(ValueError, match="no dataset 'ucf12': did you mean ucf11"):
        find_dataset("ucf12")
    with pytest.raises(AttributeError, match="has no attribute 'UCF12'"):
        _ = htzoo.data.UCF12
    with pytest.raises(AttributeError, match="has no attribute 'ucf11'"):
        _ = htzoo.data.ucf11


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('class A:\n    dataset_name = "ucf11"\n', "UCF11 and A both have dataset_name 'ucf11'; change one."),
        (
            'class UCF11:\n    dataset_name = "mine"\n',
            "both htzoo.data.datasets.ucf11 and mine have a dataset class UCF11; rename one.",
        ),
    ],
)
def test_two_of_one_name(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(text)
    path = os.pathsep.join((str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])))
    done = python("from htzoo.data import dataset_names; dataset_names()", PYTHONPATH=path, HTZOO_PLUGINS="mine")
    assert done.returncode == 1 and said in done.stderr


@pytest.mark.parametrize("name", ["no_such_module", "no_such.module", "sys"])
def test_a_plugin_that_is_none(name: str) -> None:
    done = python("from htzoo.data import dataset_names; dataset_names()", HTZOO_PLUGINS=f"{name}, ")
    assert f"HTZOO_PLUGINS lists '{name}', which is not a Python module on the path" in done.stderr
