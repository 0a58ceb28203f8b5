"""The published datasets: their classes, clips and splits, from trees laid out as published."""

import hashlib
from collections import Counter, defaultdict
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from htzoo.data import (
    HMDB51,
    UCF11,
    UCF50,
    DataError,
    SurveillanceFight,
    VideoDataModule,
    YouTubeCelebrities,
    dataset_names,
    find_dataset,
)
from tests.data.published import PATHS, UCF11_PREFIXES, prepared


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every published set, prepared, at full count."""
    folder = tmp_path_factory.mktemp("published")
    for dataset, paths in PATHS.items():
        prepared(folder, dataset, paths())
    return folder


def splits_of(module: VideoDataModule) -> dict[str, list[int]]:
    found = defaultdict(list)
    for index, split in enumerate(module.splits):
        found[split or "unused"].append(index)
    return found


def ready(dataset: type[VideoDataModule], root: Path, **settings: Any) -> VideoDataModule:
    module = dataset(root=str(root), cache=False, **settings)
    module.setup()
    return module


def groups(module: VideoDataModule, indices: list[int]) -> set[str]:
    return {module.clips[index].group for index in indices}


def by_class(module: VideoDataModule, indices: list[int]) -> Counter[int]:
    return Counter(module.clips[index].label for index in indices)


def test_class_lists() -> None:
    def digest(classes: tuple[str, ...]) -> str:
        return hashlib.sha256(",".join(classes).encode()).hexdigest()[:16]

    assert UCF11.classes == tuple(UCF11_PREFIXES) and len(UCF11.classes) == 11
    assert len(UCF50.classes) == 50 and digest(UCF50.classes) == "339bd4ef7b8d3cfc"
    assert len(HMDB51.classes) == 51 and digest(HMDB51.classes) == "7de033400c224695"
    assert len(YouTubeCelebrities.classes) == 47
    assert (UCF11.clip_count, HMDB51.clip_count, YouTubeCelebrities.clip_count) == (1600, 6766, 1910)
    assert HMDB51.sources[0].md5 == "517d6f1f19f215c45cdd4d25356be1fb"
    assert HMDB51.sources[1].md5 == "15e67781e70dcfbdce2d7dbb9b3344b5"
    assert UCF50.sources[0].size == 3233554570
    for name in dataset_names():
        dataset = find_dataset(name)
        assert dataset.dataset_name == name
        assert dataset.title and dataset.licence
        assert dataset.homepage.startswith("http") or name == "folder"
        assert list(dataset.classes) == sorted(dataset.classes) or name.startswith(("moving_digits", "ytc"))


@pytest.mark.parametrize(
    ("dataset", "path", "expected"),
    [
        (UCF11, "UCF11_updated_mpg/basketball/v_shooting_01/v_shooting_01_02.mpg", ("basketball", "01")),
        (UCF11, "walking/v_walk_dog_25/v_walk_dog_25_03.avi", ("walking", "25")),
        (UCF11, "UCF11_updated_mpg/biking/v_biking_01/v_biking_01_01.xgtf", None),
        (UCF11, "UCF11_updated_mpg/readme.mpg", None),
        (UCF50, "UCF50/Billiards/v_Billards_g07_c01.avi", ("Billiards", "07")),
        (UCF50, "UCF50/YoYo/v_YoYo_g25_c05.avi", ("YoYo", "25")),
        (UCF50, "UCF50/YoYo/Thumbs.db", None),
        (HMDB51, "wave/SchoolRulesHowTheyHelpUs_wave_f_nm_np1_ba_med_0.avi", ("wave", "SchoolRulesHowTheyHelpUs")),
        (
            HMDB51,
            "x/cartwheel/Turnk_r_Pippi_Michel_cartwheel_f_cm_np2_le_med_6.avi",
            ("cartwheel", "Turnk_r_Pippi_Michel"),
        ),
        (HMDB51, "brush_hair/April_09_brush_hair_u_nm_np1_ba_goo_0.avi", ("brush_hair", "April_09")),
        (HMDB51, "wave/wave_test_split1.txt", None),
        (YouTubeCelebrities, "0188_03_021_al_pacino.avi", ("al_pacino", "al_pacino 03")),
        (
            YouTubeCelebrities,
            "x/0001_01_002_sarah_jessica_parker.avi",
            ("jessica_parker", "jessica_parker 01"),
        ),
        (YouTubeCelebrities, "ytcelebrity/readme.avi", None),
        (SurveillanceFight, "master/fight/fi001.mp4", ("fight", "fi001")),
        (SurveillanceFight, "master/noFight/nofi022.mp4", ("noFight", "fi044")),
        (SurveillanceFight, "master/README.md", None),
    ],
)
def test_what_a_path_says(dataset: type[VideoDataModule], path: str, expected: tuple[str, str] | None) -> None:
    found = dataset.label_clip(PurePosixPath(path))
    assert found == expected or (found is not None and (found.label, found.group) == expected)


def test_ucf11(root: Path) -> None:
    module = ready(UCF11, root)
    assert len(module.clips) == 1600 and module.frame_size == (120, 160, 3)
    assert groups(module, list(range(1600))) == {f"{group:02d}" for group in range(1, 26)}
    for fold in (1, 7, 25):
        module = ready(UCF11, root, fold=fold)
        splits = splits_of(module)
        assert groups(module, splits["test"]) == {f"{fold:02d}"} and "unused" not in splits
        assert len(groups(module, splits["train"])) + len(groups(module, splits["val"])) == 24
        assert set(by_class(module, splits["val"])) == set(range(11))
    assert [len(splits_of(ready(UCF11, root, split="clip", fold=fold))["test"]) for fold in range(1, 6)] == [320] * 5
    assert len(splits_of(ready(UCF11, root, split="clip", fold=5))["val"]) == 128
    five = ready(UCF11, root, folds=5)
    assert len(groups(five, splits_of(five)["test"])) == 5


def test_ucf50(root: Path) -> None:
    module = ready(UCF50, root, fold=25)
    assert len(module.clips) == 2500
    assert by_class(module, splits_of(module)["test"]) == dict.fromkeys(range(50), 2)


def test_hmdb51(root: Path) -> None:
    tested = []
    for fold in (1, 2, 3):
        module = ready(HMDB51, root, fold=fold)
        splits = splits_of(module)
        assert len(module.clips) == 6766 and len(splits["unused"]) == 6766 - 51 * 100
        assert by_class(module, splits["test"]) == dict.fromkeys(range(51), 30)
        assert by_class(module, splits["train"] + splits["val"]) == dict.fromkeys(range(51), 70)
        assert 0.08 < len(splits["val"]) / 3570 < 0.12
        assert not groups(module, splits["train"]) & groups(module, splits["val"])
        tested.append(splits["test"])
    assert len({tuple(indices) for indices in tested}) == 3
    with pytest.raises(ValueError, match="fold is 4, but split official has folds 1 to 3"):
        ready(HMDB51, root, fold=4)
    with pytest.raises(ValueError, match="folds is 5, but the official split has 3"):
        ready(HMDB51, root, folds=5)
    with pytest.raises(ValueError, match="split is 'official'; choose one of group, clip"):
        UCF11(split="official")


def test_hmdb51_without_its_lists(root: Path, tmp_path: Path) -> None:
    (tmp_path / "hmdb51").mkdir()
    for name in ("clips", "index.csv"):
        (tmp_path / "hmdb51" / name).symlink_to(root / "hmdb51" / name)
    with pytest.raises(DataError, match=r"brush_hair_test_split1\.txt does not exist; extract .*rar there"):
        ready(HMDB51, tmp_path)
    assert len(splits_of(ready(HMDB51, tmp_path, split="group"))["test"]) > 1300
    (tmp_path / "hmdb51" / "splits").mkdir()
    (tmp_path / "hmdb51" / "splits" / "brush_hair_test_split1.txt").write_text("a.avi 7\n")
    with pytest.raises(DataError, match=r"brush_hair_test_split1\.txt cannot be read \(KeyError\('7'\)\)"):
        ready(HMDB51, tmp_path)


def test_ytc(root: Path) -> None:
    module = ready(YouTubeCelebrities, root)
    assert len(module.clips) == 1910 and module.num_classes == 47 and module.classes[0] == "first0_last0"
    assert [len(splits_of(ready(YouTubeCelebrities, root, fold=fold))["test"]) for fold in range(1, 6)] == [382] * 5
    by_video = ready(YouTubeCelebrities, root, split="group")
    splits = splits_of(by_video)
    assert not groups(by_video, splits["test"]) & groups(by_video, splits["train"] + splits["val"])
    assert len(YouTubeCelebrities(root="nowhere").classes) == 47


def test_fight(root: Path) -> None:
    module = ready(SurveillanceFight, root)
    assert len(module.clips) == 300
    scenes = defaultdict(set)
    for clip in module.clips:
        scenes[clip.group].add(clip.label)
    assert len(scenes) == 238 and sum(len(labels) == 2 for labels in scenes.values()) == 14
    sizes = []
    for fold in range(1, 6):
        module = ready(SurveillanceFight, root, fold=fold)
        splits = splits_of(module)
        assert not groups(module, splits["test"]) & groups(module, splits["train"] + splits["val"])
        assert all(28 <= count <= 32 for count in by_class(module, splits["test"]).values())
        sizes.append(len(splits["test"]))
    assert sum(sizes) == 300 and max(sizes) - min(sizes) <= 2


def test_a_class_that_is_not_of_the_set(root: Path, tmp_path: Path) -> None:
    (tmp_path / "ucf11").mkdir()
    text = (root / "ucf11" / "index.csv").read_text().replace(",biking,", ",bicycling,")
    (tmp_path / "ucf11" / "index.csv").write_text(text)
    with pytest.raises(DataError, match="has the class 'bicycling', which is none of ucf11"):
        ready(UCF11, tmp_path)


def test_not_here(tmp_path: Path) -> None:
    for name in dataset_names():
        if name not in ("moving_digits", "moving_digits_hard", "folder"):
            with pytest.raises(DataError) as caught:
                find_dataset(name)(root=str(tmp_path)).prepare_data()
            lines = str(caught.value).splitlines()
            assert len(lines) == 3 and find_dataset(name).title in lines[0]
            assert f"htzoo data prepare {name} --root {tmp_path}" in lines[1]
            assert lines[2].endswith("--from FOLDER_OR_ARCHIVE")
    with pytest.raises(ValueError, match="no dataset 'ufc11': did you mean ucf11"):
        find_dataset("ufc11")
