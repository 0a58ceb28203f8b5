"""``htzoo data list`` and ``show``, and training on what is not here."""

import json
import sys
from collections import Counter
from pathlib import Path

import pytest
from matplotlib.image import imread

from htzoo.cli import data_list, data_show
from htzoo.cli.main import main
from htzoo.data import UCF11, VideoDataModule, VideoFolder, dataset_names, find_dataset
from htzoo.data.datasets.moving_digits import dataset
from htzoo.data.prepare.how_to_get import how_to_get

from ..data.published import PATHS, prepared


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """UCF11, a set that was begun, and one whose index is damaged."""
    folder = tmp_path_factory.mktemp("root")
    prepared(folder, UCF11, PATHS[UCF11](), (6, 9))
    (folder / "hmdb51").mkdir()
    (folder / "fir").mkdir()
    (folder / "fir" / "index.csv").write_text("path\nx\n")
    (folder / "cache" / "ucf11").mkdir(parents=True)
    (folder / "cache" / "ucf11" / "a.u8").write_bytes(b"x" * 100_000)
    return folder


def test_list(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data_list.run(["list", "--root", str(root), "--json"])
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert list(rows) == sorted(dataset_names()) and {"ucf11", "moving_digits_hard", "folder"} <= rows.keys()
    assert rows["ucf11"]["state"] == "ready" and rows["ucf11"]["clips"] == rows["ucf11"]["published_clips"] == 1600
    assert rows["ucf11"]["bytes"] > 100_000 and 100_000 <= rows["ucf11"]["cache_bytes"] <= 110_000
    assert [rows[name]["state"] for name in ("hmdb51", "fir", "ytc")] == ["begun", "damaged index", "absent"]
    assert [rows[name]["classes"] for name in rows] == [len(find_dataset(name).classes) for name in rows]
    data_list.run(["list", "--root", str(root)])
    lines = capsys.readouterr().out.splitlines()
    (line,) = (line for line in lines if line.startswith("ucf11 "))
    assert len(lines) == len(rows) + 1 and "1,600 clips" in line
    data_list.run(["list", "--root", str(root / "none")])
    assert capsys.readouterr().out.count("absent") == len(rows)


def test_readable_sizes() -> None:
    shown = [data_list.readable(size) for size in (0, 999, 1000, 2_345_678, 15 * 10**9)]
    assert shown == ["", "999 B", "1 kB", "2.35 MB", "15 GB"]


def test_show(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data_show.run(["show", "ucf11", "--root", str(root), "--fold", "3", "-o", str(tmp_path)])
    printed = capsys.readouterr().out
    assert "1,600 clips, 12,000 frames; a clip has 6 to 9, median 7.5" in printed
    assert "split group, fold 3 of 25\n" in printed
    table = {line.split()[0]: line.split()[1:] for line in printed.splitlines() if line}
    assert table["class"] == ["train", "val", "test"]
    assert sum(int(table[name][2]) for name in UCF11.classes) == int(table["clips"][2])
    assert sum(int(count.replace(",", "")) for count in table["clips"]) == 1600
    assert table["groups"][2] == "1"
    for name in ("clips", "statistics"):
        picture = imread(tmp_path / f"ucf11_{name}.png")
        assert min(picture.shape[:2]) > 300 and picture[..., :3].std() > 0.05
    data_show.run(["show", "ucf11", "--root", str(root), "--split", "clip", "--json"])
    found = json.loads(capsys.readouterr().out)
    assert found["split_rule"] == "clip, fold 1 of 5" and found["shared"] == 25
    assert sum(count["test"] for count in found["counts"].values()) == 320
    data_show.run(["show", "ucf11", "--root", str(root), "--list"])
    lines = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    module: VideoDataModule = UCF11(root=str(root), cache=False)
    module.setup()
    assert Counter(line[0] for line in lines) == Counter(module.splits)
    assert lines[0][1:] == ["basketball", "01", "UCF11_updated_mpg/basketball/v_shooting_01/v_shooting_01_01.mpg"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("prepare ufc11", "did you mean ucf11"),
        ("prepare ucf11 --short-side 3", "short_side is 3"),
        ("prepare ucf11 --from nowhere", "nowhere does not exist; give the folder or archive of UCF11"),
        ("check ufc11", "ufc11 is no folder, and there is no dataset 'ufc11'"),
        ("check ucf11 --min-frames 0", "--min-frames is 0"),
        ("show ufc11", "did you mean ucf11"),
        ("show ucf11 --fold 99", "fold is 99"),
        ("show ucf11 --folds 1", "folds is 1; give at least 2"),
        ("show ucf11 --fold one", "argument --fold: 'one' is not a whole number"),
        ("prepare moving_digits_hard --from x", "moving_digits_hard is made, not converted"),
        ("list --jsn", "unrecognized arguments: --jsn"),
    ],
)
def test_wrong_command_lines(words: str, said: str, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["data", *words.split(), "--root", str(root)])
    printed = capsys.readouterr()
    assert caught.value.code == 2 and printed.out == ""
    assert printed.err.startswith("htzoo: ") and said in printed.err and printed.err.count("\n") == 1


def test_what_cannot_be_done(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    for words, said in (
        (["prepare", "ytc", "--from", str(tmp_path), "--root", str(tmp_path / "root")], "has no clip of YouTube"),
        (["check", "fight", "--root", str(tmp_path)], f"{tmp_path / 'fight'} does not hold Surveillance Camera Fight"),
        (["check", "moving_digits", "--root", str(tmp_path)], "to make it:  htzoo data prepare moving_digits --root"),
        (["show", "ucf11", "--root", str(root), "-o", str(tmp_path / "file" / "x")], "choose another --output"),
    ):
        assert main(["data", *words]) == 1
        assert said in capsys.readouterr().err
    assert not any((tmp_path / "root").iterdir())


def test_show_a_folder(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data_show.run(["show", str(root / "ucf11" / "clips"), "--root", str(tmp_path), "--folds", "4", "--json"])
    found = json.loads(capsys.readouterr().out)
    assert found["split_rule"] == "clip, fold 1 of 4" and len(found["lengths"]) == 1600


def test_prepare_what_is_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[tuple[Path, bool]] = []
    monkeypatch.setattr(dataset, "make_moving_digits", lambda folder, hard, **_: made.append((folder, hard)))
    for name in ("moving_digits", "moving_digits_hard"):
        assert main(["data", "prepare", name, "--root", str(tmp_path)]) == 0
        assert f"is made in {tmp_path / name}" in capsys.readouterr().out
    assert made == [(tmp_path / "moving_digits", False), (tmp_path / "moving_digits_hard", True)]


def test_a_folder_goes_by_its_name(root: Path, tmp_path: Path) -> None:
    folder = VideoFolder(str(root / "ucf11" / "clips"), root=str(tmp_path))
    assert folder.title == "Folder clips"
    said = how_to_get(VideoFolder, tmp_path).splitlines()
    assert said[0].endswith("does not hold A folder of videos (not stated).") and len(said) == 2


def test_training_on_what_is_not_here(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["htzoo"])
    words = [
        "fit",
        "--config",
        "moving_digits_ht",
        "--data=UCF11",
        "--trainer.accelerator=cpu",
        "--trainer.logger=false",
    ]
    assert main(words) == 1
    lines = capsys.readouterr().err.strip().splitlines()[-3:]
    assert lines[0].startswith(
        "htzoo: data/ucf11 does not hold UCF11 (YouTube Action) (1,600 clips, for research; http"
    )
    assert lines[1] == "  to download and prepare it:      htzoo data prepare ucf11 --root data"
    assert lines[2].endswith("htzoo data prepare ucf11 --root data --from FOLDER_OR_ARCHIVE")
