"""The command line as a user runs it."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml

import htzoo
from htzoo.configs import find_config
from htzoo.names import UnknownNameError
from tests.cli.command import ROOT, htzoo_command

SMALL = [
    "--data=tests.data.helpers.FewDigits",
    "--data.size=[12,16]",
    "--model.hidden_size=8",
    "--model.input_format={name: TensorTrain, in_modes: [4, 9, 16], out_modes: [2, 2, 2], rank: 2}",
    "--trainer.max_epochs=2",
    "--trainer.accelerator=cpu",
]


@pytest.fixture(scope="module")
def run(few_root: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A finished run: its folder and what it printed."""
    folder = tmp_path_factory.mktemp("run")
    result = htzoo_command("fit", "--config", "moving_digits_ht", *SMALL, f"--data.root={few_root}", folder=folder)
    assert result.stderr == ""  # no warnings, no advertising
    (found,) = (folder / "runs" / "moving_digits_ht").iterdir()
    return found, result.stdout


def test_ctrl_c_says_how_to_go_on(few_root: Path, tmp_path: Path) -> None:
    words = ["fit", "--config=moving_digits_ht", *SMALL, f"--data.root={few_root}", "--trainer.max_epochs=100000"]
    process = subprocess.Popen(
        [sys.executable, "-m", "htzoo", *words],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if " 2/100000 " in line:
            process.send_signal(signal.SIGINT)
            break
    _, printed = process.communicate(timeout=60)
    assert process.returncode == 1
    (line,) = printed.splitlines()
    assert line.startswith("htzoo: stopped by SIGINT at epoch ")
    run = tmp_path / line.rpartition("; go on with htzoo fit --resume ")[2].split()[0]
    assert line.endswith(" --allow=tests.data.helpers.FewDigits")
    assert (run / "checkpoints" / "last.ckpt").is_file()
    assert not list(run.rglob("*.part"))


def test_run_folder_is_complete(run: tuple[Path, str]) -> None:
    folder, printed = run
    names = {
        "checkpoints",
        "moving_digits_ht.yaml",
        "confusion.png",
        "misclassified.png",
        "curves.png",
        "metrics.csv",
        "summary.json",
        "summary.md",
    }
    assert {path.name for path in folder.iterdir()} == names
    assert {path.name for path in (folder / "checkpoints").iterdir()} == {"best.ckpt", "last.ckpt"}
    lines = printed.splitlines()
    assert lines[0].startswith("11 classes: right 25, ") and "train / val / test 187 / 33 / 55" in lines[0]
    assert lines[1].startswith("moving_digits_ht: ")
    assert lines[2].startswith("epoch 1/2  train loss ")
    assert "loader " in lines[3] and "step " in lines[3]
    assert lines[-2].startswith("moving_digits_ht: test accuracy ")
    assert "of 55 clips" in lines[-2]
    assert lines[-1].startswith(f"runs/moving_digits_ht/{folder.name}: ")
    summary = (folder / "summary.md").read_text()
    assert "groups 21 to 25" in summary
    assert "htzoo fit --config moving_digits_ht" in summary


def test_saved_config_repeats_the_run(run: tuple[Path, str], few_root: Path, tmp_path: Path) -> None:
    folder, _ = run
    config = str(folder / "moving_digits_ht.yaml")
    refused = htzoo_command("fit", config, folder=tmp_path, status=2).stderr
    assert "class_path is 'tests.data.helpers.FewDigits'" in refused and "--allow tests.data.helpers" in refused
    htzoo_command("fit", config, "--allow=tests.data.helpers", folder=tmp_path)
    (again,) = (tmp_path / "runs" / "moving_digits_ht").iterdir()
    first, second = (torch.load(path / "checkpoints" / "last.ckpt", weights_only=True) for path in (folder, again))
    for name, value in first["state_dict"].items():
        assert torch.equal(value, second["state_dict"][name])


def metrics(folder: Path) -> dict[str, list[float]]:
    with (folder / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    return {name: [float(row[name]) for row in rows if row[name]] for name in rows[0] if not name.startswith("speed")}


def test_two_processes_reach_what_one_reaches(run: tuple[Path, str], few_root: Path, tmp_path: Path) -> None:
    flags = ["--trainer.devices=2", "--trainer.strategy=ddp", f"--data.root={few_root}"]
    result = htzoo_command("fit", "--config", "moving_digits_ht", *SMALL, *flags, folder=tmp_path, fresh=True)
    assert result.stdout.count("test accuracy") == 1
    (folder,) = (tmp_path / "runs" / "moving_digits_ht").iterdir()
    one, two = metrics(run[0]), metrics(folder)
    assert one["test/accuracy"] == two["test/accuracy"]
    for name, values in one.items():
        assert values == pytest.approx(two[name], rel=1e-4), name
    assert "2 processes" in (folder / "summary.md").read_text()
    assert "55 clips" in (folder / "summary.md").read_text()


def test_checkpoint_is_measured_again(run: tuple[Path, str], few_root: Path, tmp_path: Path) -> None:
    folder, printed = run
    words = ["--config", str(folder / "moving_digits_ht.yaml"), f"--ckpt_path={folder}", "--allow=tests"]
    tested = htzoo_command("test", *words, folder=tmp_path).stdout.splitlines()
    assert tested[0].split(": ")[1] == printed.splitlines()[-2].split(": ")[1].split(", best")[0]
    assert "validation accuracy" in htzoo_command("validate", *words, folder=tmp_path).stdout
    htzoo_command("predict", *words, folder=tmp_path)
    (predictions,) = tmp_path.rglob("predictions.csv")
    with predictions.open() as file:
        rows = list(csv.DictReader(file))
    correct = sum(row["label"] == row["predicted"] for row in rows)
    assert f"({correct} of 55 clips)" in tested[0]
    assert htzoo_command("report", str(predictions.parent), folder=tmp_path).stdout.endswith("/confusion.png\n")
    assert (predictions.parent / "confusion.png").read_bytes().startswith(b"\x89PNG")


def test_report_of_a_run_that_was_stopped(run: tuple[Path, str], tmp_path: Path) -> None:
    folder, _ = run
    (tmp_path / "mine").mkdir()
    shutil.copy(folder / "metrics.csv", tmp_path / "mine")
    epochs, best, test, picture = htzoo_command("report", "mine", folder=tmp_path).stdout.splitlines()
    assert epochs == "2 epochs trained" and best.startswith("best epoch ") and "accuracy 0." in best
    accuracy = json.loads((folder / "summary.json").read_text())["test_accuracy"]
    assert f"accuracy {accuracy:.3f}" in test
    assert picture == "mine/curves.png" and (tmp_path / picture).read_bytes().startswith(b"\x89PNG")
    nothing = htzoo_command("report", ".", folder=tmp_path, status=1).stderr
    assert nothing.startswith("htzoo: . holds neither metrics.csv nor predictions.csv: give the folder of a run")


def test_flags_win_over_a_checkpoint(run: tuple[Path, str], tmp_path: Path) -> None:
    folder, _ = run
    words = [
        "--config",
        str(folder / "moving_digits_ht.yaml"),
        f"--ckpt_path={folder}/checkpoints/last.ckpt",
        "--model.top_k=2",
        "--allow=tests",
    ]
    result = htzoo_command("test", *words, folder=tmp_path)
    assert "note: top_k is 2 as asked, and was 3 in " in result.stderr
    (saved,) = (tmp_path / "runs" / "moving_digits_ht").glob("*/*.yaml")
    assert yaml.safe_load(saved.read_text())["model"]["init_args"]["top_k"] == 2


def test_training_resumes_as_asked(run: tuple[Path, str], tmp_path: Path) -> None:
    """Two epochs, then a third: on the schedule of three epochs, at the rate that is asked for now, in the same folder.

    Neither another working folder nor another name changes where the run goes on.
    """
    folder, _ = run
    copy = tmp_path / "runs" / "moving_digits_ht" / "copy"
    shutil.copytree(folder, copy)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    flags = ["--trainer.max_epochs=3", "--model.optimizer.lr=0.02", "--model.optimizer.weight_decay=0.5"]
    words = ["fit", "--resume=../runs/moving_digits_ht/copy", "--name=other", *flags, "--allow=tests.data.helpers"]
    result = htzoo_command(*words, folder=elsewhere)
    assert result.stderr == ""
    assert not list(elsewhere.iterdir()) and list(copy.parent.iterdir()) == [copy]
    assert [path.name for path in copy.glob("*.yaml")] == ["moving_digits_ht.yaml"]
    assert {path.name for path in copy.iterdir()} == {path.name for path in folder.iterdir()}
    printed = [line.split("  ")[0] for line in result.stdout.splitlines() if line.startswith("epoch")]
    assert printed == ["epoch 3/3"]
    (last,) = tmp_path.rglob("last.ckpt")  # in the folder of the run
    values = metrics(last.parents[1])
    assert len(values["train/loss"]) == len(values["val/loss"]) == 3 and len(values["test/loss"]) == 1
    assert values["train/loss"][:2] == metrics(folder)["train/loss"]
    (group,) = torch.load(last, weights_only=True)["optimizer_states"][0]["param_groups"]
    assert group["weight_decay"] == 0.5
    twin = torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))], lr=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(twin, max_lr=0.02, total_steps=15)
    for _ in range(15):
        twin.step()
        schedule.step()
    assert group["lr"] == pytest.approx(twin.param_groups[0]["lr"])
    assert group["max_lr"] == 0.02


def test_frame_order_changes_what_is_seen(run: tuple[Path, str], tmp_path: Path) -> None:
    folder, _ = run
    words = ["--config", str(folder / "moving_digits_ht.yaml"), f"--ckpt_path={folder}", "--allow=tests"]
    found = {}
    for order in ("forward", "shuffled", "repeated"):
        htzoo_command("predict", *words, f"--data.frame_order={order}", folder=tmp_path / order)
        (predictions,) = (tmp_path / order).rglob("predictions.csv")
        found[order] = predictions.read_text()
    assert len(set(found.values())) == 3


@pytest.mark.parametrize("precision", ["bf16-mixed", "64-true"])
def test_other_precisions_train(precision: str, few_root: Path, tmp_path: Path) -> None:
    words = ["--config=moving_digits_ht", *SMALL, f"--data.root={few_root}", f"--trainer.precision={precision}"]
    assert "test accuracy" in htzoo_command("fit", *words, "--trainer.max_epochs=1", folder=tmp_path).stdout


def test_flags_win_wherever_they_stand(tmp_path: Path) -> None:
    words = ["fit", "--trainer.max_epochs=3", "--config", "moving_digits_ht", "--print_config"]
    assert yaml.safe_load(htzoo_command(*words, folder=tmp_path).stdout)["trainer"]["max_epochs"] == 3


def test_without_validation_or_folder(few_root: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("# mine\ntrainer: {logger: false, enable_checkpointing: false}\n")
    words = ["--config=mine.yaml", "--config=moving_digits_ht", *SMALL, f"--data.root={few_root}"]
    result = htzoo_command("fit", *words, "--trainer.limit_val_batches=0", folder=tmp_path)
    assert "mine: test accuracy" in result.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["mine.yaml"]
    assert (tmp_path / "mine.yaml").read_text().startswith("# mine")


def test_all_that_is_not_for_testing_is_trained_on(few_root: Path, tmp_path: Path) -> None:
    words = ["--config=moving_digits_ht", *SMALL, f"--data.root={few_root}", "--data.validation=0"]
    result = htzoo_command("fit", *words, folder=tmp_path)
    assert result.stderr == "" and "val loss" not in result.stdout and "test accuracy" in result.stdout
    (folder,) = (tmp_path / "runs" / "moving_digits_ht").iterdir()
    best, last = (
        torch.load(folder / "checkpoints" / f"{name}.ckpt", weights_only=True)["state_dict"]
        for name in ("best", "last")
    )
    assert all(torch.equal(value, last[name]) for name, value in best.items())
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["best_epoch"] is None and "groups 1 to 20" in summary["splits"]["train"]
    words.append(f"--ckpt_path={folder}/checkpoints/best.ckpt")
    assert "measure with htzoo test" in htzoo_command("validate", *words, folder=tmp_path, status=1).stderr


BAD = {
    "a misspelt command": (["fitt"], 2, "no command 'fitt': did you mean fit?"),
    "an unknown configuration": (["fit", "--config=moving_digit_ht"], 2, "did you mean moving_digits_ht"),
    "no configuration": (["fit"], 2, "give --config NAME"),
    "an unknown option": (["fit", "--config=moving_digits_ht", "--data.nope=1"], 2, "'nope' is not accepted"),
    "a word for a number": (["fit", "--config=moving_digits_ht", "--model.hidden_size=abc"], 2, "Got value: abc"),
    "modes that do not fit": (
        ["fit", "--config=moving_digits_ht", "--data.size=[60,80]"],
        1,
        "in_modes (8, 10, 10, 9, 8) multiply to 57,600, but the input has 14,400 features",
    ),
    "a folder that cannot be": (["fit", "--config=moving_digits_ht", "--data.root=/proc/no"], 1, "cannot be written"),
    "no checkpoint named": (["test", "--config=moving_digits_ht"], 2, "test needs a checkpoint: give --ckpt_path"),
    "no end of the schedule": (
        [
            "fit",
            "--config=moving_digits_ht",
            *SMALL,
            "--trainer.max_epochs=-1",
            "--data.root=@root",
            "--trainer.logger=false",
        ],
        1,
        "schedule is 'one_cycle', which needs an end",
    ),
    "no checkpoint": (
        ["test", "--config=moving_digits_ht", "--ckpt_path=no.ckpt"],
        1,
        "no.ckpt is no file: give a checkpoint",
    ),
    "a file that is no checkpoint": (
        ["test", "--config=moving_digits_ht", f"--ckpt_path={__file__}"],
        1,
        "not a checkpoint",
    ),
}


@pytest.mark.parametrize(("words", "status", "message"), BAD.values(), ids=BAD.keys())
def test_bad_input_is_one_sentence(words: list[str], status: int, message: str, few_root: Path, tmp_path: Path) -> None:
    words = [word.replace("@root", str(few_root)) for word in words]
    result = htzoo_command(*words, folder=tmp_path, status=status)
    assert message in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_checkpoint_of_another_model_is_refused(run: tuple[Path, str], few_root: Path, tmp_path: Path) -> None:
    words = [
        "test",
        "--config=moving_digits_ht",
        f"--ckpt_path={run[0]}/checkpoints/best.ckpt",
        f"--data.root={few_root}",
    ]
    result = htzoo_command(*words, folder=tmp_path, status=1)
    assert "a checkpoint of another model: frame_size is [12, 16, 3] there" in result.stderr.splitlines()[-1]
    words += ["--data=tests.data.helpers.FewDigits", "--data.size=[12,16]", "--model.hidden_size=8"]
    words += ["--model.input_format={name: TensorTrain, in_modes: [4, 9, 16], out_modes: [2, 2, 2], rank: 1}"]
    result = htzoo_command(*words, folder=tmp_path, status=1)
    assert (
        "a checkpoint of another model: model.recurrent.weight_ih_l0.core_1 has shape" in result.stderr.splitlines()[-1]
    )


def test_corrupt_and_missing_clips_are_named(few_root: Path, tmp_path: Path) -> None:
    root = tmp_path / "data"
    (root / "moving_digits").mkdir(parents=True)
    for source in (few_root / "moving_digits").rglob("*"):
        target = root / source.relative_to(few_root)
        if source.is_dir():
            target.mkdir(exist_ok=True)
        else:
            target.hardlink_to(source)
    victim = root / "moving_digits" / "up" / "v_up_03" / "v_up_03_01.mp4"
    content = victim.read_bytes()
    victim.unlink()
    words = ["fit", "--config=moving_digits_ht", *SMALL, f"--data.root={root}"]
    gone = htzoo_command(*words, folder=tmp_path, status=1).stderr
    assert str(victim) in gone
    assert len(gone.splitlines()) == 1
    victim.write_bytes(content[: len(content) // 2])
    damaged = htzoo_command(*words, folder=tmp_path, status=1).stderr
    assert str(victim) in damaged
    assert "Traceback" not in damaged


def test_help_imports_nothing_heavy(tmp_path: Path) -> None:
    heavy = "{'torch', 'lightning', 'timm'} & set(sys.modules)"
    code = f"import sys; from htzoo.cli.main import main; main(['--help']); print(sorted({heavy}))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert result.stdout.splitlines()[-1] == "[]"
    assert "moving_digits_demo" in result.stdout
    assert htzoo_command("--version", folder=tmp_path).stdout == f"htzoo {htzoo.__version__}\n"


@pytest.mark.parametrize("name", ["moving_digits_ht", "ucf11_cnn_tr"])
def test_config_prints_and_comes_back(name: str, tmp_path: Path) -> None:
    printed = htzoo_command("fit", "--config", name, "--print_config", folder=tmp_path).stdout
    (tmp_path / "again.yaml").write_text(printed)
    assert htzoo_command("fit", "--config", "again.yaml", "--print_config", folder=tmp_path).stdout == printed


def test_names_and_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_config("moving_digits_ht") == find_config("moving_digits_ht.yaml")
    (tmp_path / "moving_digits_ht").write_text("{}")
    monkeypatch.chdir(tmp_path)
    assert find_config("moving_digits_ht") == Path("moving_digits_ht")  # an existing file wins
    with pytest.raises(UnknownNameError, match="did you mean moving_digits_lstm"):
        find_config("moving_digits_lstn")


def test_several_configs_are_merged_and_flags_win(tmp_path: Path) -> None:
    (tmp_path / "more.yaml").write_text("trainer: {max_epochs: 7, min_epochs: 2}\n")
    words = ["--config=moving_digits_ht", "--config=more.yaml", "--trainer.min_epochs=3", "--print_config"]
    trainer = yaml.safe_load(htzoo_command("fit", *words, folder=tmp_path).stdout)["trainer"]
    assert (trainer["max_epochs"], trainer["min_epochs"], trainer["gradient_clip_val"]) == (7, 3, 1.0)
