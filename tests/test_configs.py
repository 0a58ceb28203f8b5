"""Configurations by name, and what they are put together from."""

import json
from pathlib import Path

import pytest

from htzoo.configs import config_folder, config_names, load_config


def test_parts_are_merged_in_order_and_the_row_wins(tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "low.yaml").write_text(
        "model: {hidden: 1, optimizer: {class_path: Adam, init_args: {lr: 1, betas: [1, 2]}}}\nseed: 0\n"
    )
    (tmp_path / "parts" / "high.yaml").write_text(
        "model: {hidden: 2, optimizer: {class_path: SGD, init_args: {momentum: 3}}}\n"
    )
    row = tmp_path / "row.yaml"
    row.write_text("parts: [low, high]\nmodel: {layers: null, optimizer: {init_args: {lr: 4}}}\n")
    assert load_config(str(row)) == {
        "model": {
            "hidden": 2,
            "layers": None,
            "optimizer": {"class_path": "SGD", "init_args": {"momentum": 3, "lr": 4}},
        },
        "seed": 0,
    }


def test_a_configuration_of_ones_own_builds_on_parts_of_the_package(tmp_path: Path) -> None:
    row = tmp_path / "row.yaml"
    row.write_text("parts: [ucf11_six_frames]\n")
    assert load_config(str(row))["data"]["class_path"] == "UCF11"
    row.write_text("parts: [ucf12]\n")
    with pytest.raises(FileNotFoundError, match=r"holds 'ucf12', which is no known part: .*ucf11_six_frames"):
        load_config(str(row))


@pytest.mark.parametrize("text", ["- a list", "a: [", "text"])
def test_what_is_no_mapping_is_refused(text: str, tmp_path: Path) -> None:
    row = tmp_path / "row.yaml"
    row.write_text(text)
    with pytest.raises(ValueError, match=r"row\.yaml"):
        load_config(str(row))


def test_every_part_is_used() -> None:
    used = {part for name in config_names() for part in _parts(config_folder() / f"{name}.yaml")}
    assert used == {path.stem for path in (config_folder() / "parts").glob("*.yaml")}


def _parts(path: Path) -> list[str]:
    first = next((line for line in path.read_text().splitlines() if line.startswith("parts:")), "parts: []")
    return [word.strip() for word in first.removeprefix("parts: [").rstrip("]").split(",") if word.strip()]


def test_paths_in_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setenv("SCRATCH", "/scratch/me")
    row = tmp_path / "row.yaml"
    row.write_text(
        "data: {init_args: {root: ~/data, folder: $SCRATCH/a~b, every: 2}}\n"
        "trainer: {default_root_dir: '${HOME}/runs', callbacks: [{init_args: {dirpath: ~}}, {init_args: {d: '~'}}]}\n"
    )
    assert load_config(str(row)) == {
        "data": {"init_args": {"root": "/home/me/data", "folder": "/scratch/me/a~b", "every": 2}},
        "trainer": {
            "default_root_dir": "/home/me/runs",
            "callbacks": [{"init_args": {"dirpath": None}}, {"init_args": {"d": "/home/me"}}],
        },
    }


@pytest.mark.parametrize("part", ["../../secret", "a/b", 7, {"class_path": "os.system"}])
def test_parts_are_names(part: object, tmp_path: Path) -> None:
    row = tmp_path / "row.yaml"
    row.write_text(json.dumps({"parts": [part]}))
    with pytest.raises(ValueError, match="give names of files in the folder parts"):
        load_config(str(row))
