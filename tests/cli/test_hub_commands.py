"""From a run to a published, compressed, exported model that labels videos, on the command line."""

import csv
import json
import shutil
from pathlib import Path

import pytest
import torch

import htzoo
from htzoo.cli.classify import _clock
from htzoo.cli.main import main
from htzoo.data import MovingDigits, VideoError
from htzoo.formats import HierarchicalTucker, TensorTrain, count_macs
from htzoo.formats.suggest import ROWS
from htzoo.hub.classifier import ZooClassifier
from htzoo.hub.open_model import from_pretrained, open_model
from htzoo.hub.save import save_pretrained
from tests.cli.test_training import SMALL, htzoo_command
from tests.data.helpers import FewDigits
from tests.hub.conftest import SAMPLING, small_model


@pytest.fixture(scope="module")
def checkpoint(few_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The best epoch of a finished run."""
    folder = tmp_path_factory.mktemp("run")
    htzoo_command("fit", "--config", "moving_digits_ht", *SMALL, f"--data.root={few_root}", folder=folder)
    (run,) = (folder / "runs" / "moving_digits_ht").iterdir()
    return run / "checkpoints" / "best.ckpt"


@pytest.fixture(scope="module")
def published(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("published") / "digits"
    assert main(["publish", str(checkpoint), "-o", str(folder)]) == 0
    return folder


@pytest.fixture
def clip(few_root: Path) -> Path:
    return MovingDigits(root=str(few_root)).list_clips()[0].path


def test_published_folder(published: Path, checkpoint: Path) -> None:
    names = {"README.md", "config.json", "model.safetensors", "confusion.png", "curves.png"}
    assert {path.name for path in published.iterdir()} == names
    summary = json.loads((checkpoint.parents[1] / "summary.json").read_text())
    card = (published / "README.md").read_text()
    assert f"**Test accuracy {summary['test_accuracy']:.3f}**" in card
    assert f"of {summary['test_clips']:,} clips" in card and "seed 0" in card
    assert summary["command"] in card and "htzoo fit --config moving_digits_ht" in card
    assert "model-index" in card and "pipeline_tag: video-classification" in card
    assert "![confusion](confusion.png)" in card and "groups 21 to 25" in card
    model = from_pretrained(published)
    saved = torch.load(checkpoint, weights_only=True)["state_dict"]
    for name, value in model.state_dict().items():
        assert torch.equal(value, saved[f"model.{name}"])
    assert model.config.result.accuracy == summary["test_accuracy"]
    assert model.config.name == "moving_digits_ht"


def test_a_run_is_opened_by_its_folder_too(checkpoint: Path, published: Path, tmp_path: Path) -> None:
    run = checkpoint.parents[1]
    expected = from_pretrained(published).state_dict()
    for reference in (run, checkpoint):
        model = from_pretrained(reference)
        assert all(torch.equal(value, expected[name]) for name, value in model.state_dict().items())
        assert {name: value.shape for name, value in open_model(reference, weights=False).state_dict().items()} == {
            name: value.shape for name, value in expected.items()
        }
    assert main(["publish", str(run), "-o", str(tmp_path / "again")]) == 0
    for path in published.iterdir():
        again = (tmp_path / "again" / path.name).read_bytes()
        assert again.replace(b"./again", b"./digits") == path.read_bytes() or path.name == "README.md"


def test_the_number_of_the_card_is_measured_again(published: Path, few_root: Path, tmp_path: Path) -> None:
    """`classify` on every test clip, file by file, gives the accuracy that the run found."""
    data = FewDigits(root=str(few_root))
    data.setup()
    model = from_pretrained(published)
    clips = [clip for clip, part in zip(data.clips, data.splits, strict=True) if part == "test"]
    right = sum(model.classify(clip.path, top=1)[0][0] == data.classes[clip.label] for clip in clips)
    assert len(clips) == model.config.result.clips
    assert right / len(clips) == pytest.approx(model.config.result.accuracy)
    words = ["--config", "moving_digits_ht", *SMALL, f"--data.root={few_root}", "--ckpt_path", str(published)]
    assert f"({right} of {len(clips)} clips)" in htzoo_command("test", *words, folder=tmp_path).stdout
    refused = htzoo_command("test", *words[:-1], "moving_digits_ht", folder=tmp_path, status=1).stderr
    assert "a checkpoint of another model: frame_size is [120, 160, 3] there and [12, 16, 3] here" in refused


def test_another_split_than_the_model_was_trained_for_is_noted(published: Path, few_root: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(published, tmp_path / "copy")
    config = json.loads((copy / "config.json").read_text())
    config["result"]["dataset"] = "moving_digits"  # the tests' own class has no name in the zoo
    (copy / "config.json").write_text(json.dumps(config))
    words = ["--config", "moving_digits_ht", *SMALL, f"--data.root={few_root}", "--ckpt_path", str(copy)]
    assert "may have been trained on" not in htzoo_command("test", *words, folder=tmp_path).stderr
    other = htzoo_command("test", *words, "--data.split", "group", "--data.fold", "2", folder=tmp_path).stderr
    assert "measured on split group, fold 2 of 25, some of whose clips it may have been trained on" in other


def test_a_checkpoint_that_was_not_tested_claims_nothing(checkpoint: Path, tmp_path: Path) -> None:
    run = shutil.copytree(checkpoint.parents[1], tmp_path / "run")
    (run / "checkpoints" / "best.ckpt").rename(run / "checkpoints" / "other.ckpt")
    assert main(["publish", str(run / "checkpoints" / "other.ckpt"), "-o", str(tmp_path / "out")]) == 0
    card = (tmp_path / "out" / "README.md").read_text()
    assert "accuracy" not in card and not (tmp_path / "out" / "confusion.png").exists()


def test_publish_dry_run(checkpoint: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["publish", str(checkpoint), "--repo", "someone/digits", "--dry-run"]) == 0
    printed = capsys.readouterr().out
    assert 'htzoo.from_pretrained("someone/digits")' in printed
    assert printed.splitlines()[-1].endswith("as someone/digits; nothing was uploaded")
    assert main(["publish", str(checkpoint), "--repo", "some one/digits", "--dry-run"]) == 1
    assert "'some one/digits' is not the name of a repository: write ORG/NAME" in capsys.readouterr().err
    assert main(["publish", str(checkpoint), "--repo", "digits", "--dry-run"]) == 1
    assert "--repo is 'digits': write ORG/NAME" in capsys.readouterr().err


def test_what_is_no_model_is_not_published(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.ckpt").write_text("text")
    torch.save({"a": 1}, tmp_path / "other.ckpt")
    for name, message in (
        ("empty", "has neither config.json nor checkpoints/best.ckpt in it: give a training run, or a saved folder"),
        ("text.ckpt", "it is no complete file of torch.save): give RUN/checkpoints/best.ckpt"),
        ("other.ckpt", "there is no 'state_dict' in it): give RUN/checkpoints/best.ckpt"),
    ):
        assert main(["publish", str(tmp_path / name), "--repo", "someone/digits", "--dry-run"]) == 1
        printed = capsys.readouterr()
        assert printed.out == "" and message in printed.err


def test_a_saved_folder_is_not_saved_again(published: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["publish", str(published), "-o", str(published.parent / "again")]) == 1
    assert "is a saved model already: publish it with --repo" in capsys.readouterr().err
    assert not (published.parent / "again").exists()


def test_publish_dry_run_of_a_folder(published: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It says what would be sent: no file of another kind, and no card where there is none."""
    folder = shutil.copytree(published, tmp_path / "folder")
    (folder / "README.md").unlink()
    (folder / "notes.txt").write_text("mine")
    assert main(["publish", str(folder), "--repo", "someone/digits", "--dry-run"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("would publish config.json (") and "model.safetensors (" in line and "notes.txt" not in line


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (["publish", "nix.ckpt", "--repo", "a/b"], 1, "nix.ckpt is no file: give a checkpoint"),
        (["publish", "x"], 2, "one of the arguments --repo -o/--output is required"),
        (["publish", "x", "-o", "y", "--private"], 2, "are for --repo: use them without -o"),
        (["classify", "a", "b", "--top", "0"], 2, "--top is 0: give at least 1"),
        (["classify", "a", "b", "--stride", "1"], 2, "--stride is given without --window"),
        (["export", "a", "-o", "a.tflite"], 2, "give a file that ends in .onnx or .pt2"),
        (["compress", "a", "--to", "tt", "-o", "b"], 2, "give either --budget or --macs, or the shape"),
        (["compress", "a", "--to", "xx", "-o", "b"], 2, "no format 'xx': known formats are bt, cp,"),
        (["compress", "a", "-o", "b"], 2, "give --to and how small, such as --to ht --budget 50x, or --fine-tune"),
        (["compress", "a", "--budget", "9", "-o", "b"], 2, "--budget is given without --to"),
        (["compress", "a", "--fine-tune", "fir_ht", "--hidden-to", "tt", "-o", "b"], 2, "--hidden-to is given without"),
        (["compress", "a", "--fine-tune", "fir_ht", "--joint", "-o", "b"], 2, "--joint is given without --to"),
        (["compress", "a", "--fine-tune", "fir_ht", "--rank", "0", "-o", "b"], 2, "--rank is given without --to"),
        (
            ["compress", "a", "--fine-tune", "fir_ht", "--model.input_format.leaf_rank=3", "-o", "b"],
            2,
            "would train another format than the compressed one",
        ),
        (["compress", "a.pt", "--fine-tune", "fir_ht", "-o", "b"], 2, "--fine-tune trains video models"),
        (["compress", "fir_ht", "--fine-tune", "fir_lstm", "-o", "b"], 1, "is fir_lstm, whose weights are dense"),
        (["compress", "fir_ht", "--fine-tune", "fir_lost", "-o", "b"], 2, "config is 'fir_lost', which is neither"),
        (
            ["compress", "fir_ht", "--to", "tt", "--budget", "9", "-o", "b", "--fine-tune", "fir_lost"],
            2,
            "config is 'fir_lost', which is neither",
        ),
        (["compress", "fir_ht", "--fine-tune", "ucf11_ht", "-o", "b"], 1, "but the input has"),
        (["compress", "a", "--to", "tt", "--budget", "lots", "-o", "b"], 2, "'lots' is neither a number"),
        (["compress", "a", "--to", "tt", "--budget", "9", "--hidden-to", "tt", "-o", "b"], 2, "without a limit"),
        (["classify", "moving_digits_ht", "gone.mp4"], 1, "1 of 1 videos could not be labelled: gone.mp4 does not"),
        (["compress", "a.pt", "--to", "tt", "--budget", "9", "-o", "b"], 1, "a.pt is not a file"),
        (["compress", "a.pt", "--to", "tt", "--in-modes", "8,8", "-o", "b"], 2, "--rank: --out-modes is missing"),
        (["compress", "a.pt", "--to", "tt", "--blocks", "2", "-o", "b"], 2, "--blocks is not among them"),
        (["compress", "a.pt", "--to", "LowRank", "--blocks", "2", "-o", "b"], 2, "--to lowrank takes --rank: --blocks"),
        (["classify", "a", "b", "--top", "x"], 2, "argument --top: 'x' is not a whole number"),
        (["classify", "a", "b", "--window", "x"], 2, "argument --window: 'x' is not a number"),
        (
            ["compress", "a.pt", "--to", "tt", "--budget", "9", "-o", "b", "--trainer.max_epochs=1"],
            2,
            "need --fine-tune",
        ),
    ],
)
def test_what_is_refused(
    words: list[str], status: int, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    try:
        found = main(words)
    except SystemExit as stop:
        found = int(stop.code or 0)
    lines = capsys.readouterr().err.splitlines()
    assert (found, len(lines)) == (status, 1)
    assert message in lines[0] and lines[0].startswith("htzoo: ")
    assert not list(tmp_path.iterdir())


def test_classify(published: Path, clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    expected = from_pretrained(published).classify(clip, top=2)
    assert main(["classify", str(published), str(clip), "--top", "2", "--csv", str(tmp_path / "labels.csv")]) == 0
    text = "  ".join(f"{label} {probability:.3f}" for label, probability in expected)
    assert capsys.readouterr().out == f"{clip}  {text}\n"
    with (tmp_path / "labels.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["rank"], row["label"]) for row in rows] == [("1", expected[0][0]), ("2", expected[1][0])]
    assert main(["classify", str(published), str(clip), "--top", "2", "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)["clips"]
    assert found == {"path": str(clip), "labels": [{"label": k, "probability": p} for k, p in expected]}


def test_classify_goes_on_after_a_bad_file(
    published: Path, clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "videos"
    folder.mkdir()
    (folder / "a.mp4").write_bytes(b"no video")
    shutil.copy(clip, folder / "b.mp4")
    assert main(["classify", str(published), str(folder), "gone.mp4", "--json"]) == 1
    printed = capsys.readouterr()
    bad, good, gone = json.loads(printed.out)["clips"]
    assert "not a readable video" in bad["error"] and "does not exist" in gone["error"]
    assert len(good["labels"]) == 5
    assert printed.err.startswith("htzoo: 2 of 3 videos could not be labelled: ") and printed.err.count("\n") == 1


def test_what_classify_says_of_bad_files(
    published: Path, clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each is named once, the sentences end well, and labels are not lost to a table that cannot be written."""
    bad = tmp_path / "bad.mp4"
    bad.write_bytes(b"no video")
    assert main(["classify", str(published), str(bad), "gone.mp4"]) == 1
    first, second, last = capsys.readouterr().err.splitlines()
    assert first.startswith(f"{bad} is not a readable video") and second == "gone.mp4 does not exist; check the path."
    assert last.endswith("replace the file. (and 1 more)")
    folder = tmp_path / "folder"
    folder.mkdir()
    assert main(["classify", str(published), str(clip), "--json", "--csv", str(folder)]) == 1
    printed = capsys.readouterr()
    assert len(json.loads(printed.out)["clips"]) == 1
    assert printed.err.startswith(f"htzoo: {folder} cannot be read or written (Is a directory): check the path")
    assert sorted(tmp_path.iterdir()) == [bad, folder]


def test_a_clip_that_is_too_short_is_named(
    published: Path, clip: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def short(*_: object) -> None:
        raise VideoError("a clip has 1 frames")

    monkeypatch.setattr(ZooClassifier, "read", short)
    assert main(["classify", str(published), str(clip)]) == 1
    assert f"{clip}: a clip has 1 frames" in capsys.readouterr().err


def test_the_clock_of_windows() -> None:
    assert [_clock(seconds) for seconds in (0, 59.94, 59.96, 61.25)] == ["0:00.0", "0:59.9", "1:00.0", "1:01.2"]


def test_classify_windows_of_a_checkpoint(checkpoint: Path, clip: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["classify", str(checkpoint), str(clip), "--window", "0.5", "--top", "1", "--json"]) == 0
    windows = json.loads(capsys.readouterr().out)["clips"]
    assert len(windows) > 1 and windows[1]["start"] == windows[0]["end"] == pytest.approx(0.5, abs=0.05)


def test_compress_a_model_and_fine_tune_it(
    checkpoint: Path,
    few_root: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    small = tmp_path / "small"
    words = ["compress", str(checkpoint), "--to", "tt", "--in-modes", "4,9,16", "--out-modes", "2,2,2", "--rank", "1"]
    assert main([*words, "-o", str(small), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    by_name = {row["name"]: row for row in report["weights"]}
    old, new = from_pretrained_of(checkpoint), from_pretrained(small)
    wanted, got = (model.recurrent.weight_ih_l0.to_dense().detach() for model in (old, new))
    assert by_name["weight_ih_l0"]["error"] == pytest.approx(float((wanted - got).norm() / wanted.norm()), rel=1e-3)
    assert (
        by_name["weight_ih_l0"]["after"]
        == new.recurrent.weight_ih_l0.num_parameters
        < by_name["weight_ih_l0"]["before"]
    )
    assert torch.equal(new.classifier.weight, old.classifier.weight)
    assert new.config.result is None  # what the large model reached says nothing of this one
    assert new.config.name == "small"
    # What has the formats already is not decomposed again, but may be tuned.
    same = ["compress", str(small), *words[2:]]
    assert main([*same, "-o", str(tmp_path / "same"), "--json"]) == 0
    assert {row["error"] for row in json.loads(capsys.readouterr().out)["weights"]} == {None}
    assert (tmp_path / "same" / "model.safetensors").read_bytes() == (small / "model.safetensors").read_bytes()
    tuned = htzoo_command(
        *same, "-o", "tuned", "--json", "--fine-tune", "moving_digits_ht", *SMALL[:3], f"--data.root={few_root}",
        "--trainer.max_epochs=1", "--trainer.accelerator=cpu", "--model.init_args.optimizer.init_args.lr=1e-9",
        folder=tmp_path,
    )  # fmt: skip
    assert json.loads(tuned.stdout)["folder"] == "tuned"
    assert "tuned: fine-tuned, test accuracy" in tuned.stderr
    trained = from_pretrained(tmp_path / "tuned")
    assert trained.config.result is not None and trained.config.name == "tuned"
    assert torch.allclose(trained.classifier.weight, new.classifier.weight, atol=1e-6)  # it did start from there


def test_compress_to_the_formats_of_a_configuration(checkpoint: Path, few_root: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("""\
parts: [moving_digits]
model:
  init_args:
    hidden_size: 8
    input_format: {name: TensorTrain, in_modes: [24, 24], out_modes: [4, 2], rank: 1}
    hidden_format: {name: HierarchicalTucker, in_modes: [2, 4], out_modes: [4, 2], leaf_rank: 2, inner_rank: 2}
data:
  class_path: tests.data.helpers.FewDigits
  init_args: {size: [12, 16]}
""")
    words = ["compress", str(checkpoint), "-o", "small", "--fine-tune", "mine.yaml", f"--data.root={few_root}"]
    words += ["--trainer.max_epochs=1", "--trainer.accelerator=cpu", "--model.optimizer.lr=1e-9", "--allow=tests"]
    printed = htzoo_command(*words, folder=tmp_path).stdout
    assert "small: fine-tuned, test accuracy" in printed
    old, new = from_pretrained_of(checkpoint), from_pretrained(tmp_path / "small")
    formats = {
        "input_format": TensorTrain((24, 24), (4, 2), rank=1),
        "hidden_format": HierarchicalTucker((2, 4), (4, 2), leaf_rank=2, inner_rank=2),
    }
    assert [new.config.arguments[key] for key in formats] == [form.to_dict() for form in formats.values()]
    closest = htzoo.compress(old.recurrent, **formats)
    for name, value in closest.named_parameters():
        assert torch.allclose(new.recurrent.get_parameter(name), value, atol=1e-5)  # it did start from there
    assert f"```sh\nhtzoo {' '.join(words)}\n```" in (tmp_path / "small" / "README.md").read_text()


def test_compress_a_model_with_dropout(tmp_path: Path) -> None:
    """PyTorch warns of dropout in a layer of one, and a warning is an error here."""
    save_pretrained(small_model(dropout=0.5), tmp_path / "large", sampling=SAMPLING)
    words = ["compress", str(tmp_path / "large"), "--to", "tt", "--budget", "5x", "-o", str(tmp_path / "small")]
    assert main(words) == 0
    assert from_pretrained(tmp_path / "small").dropout.p == 0.5


def from_pretrained_of(checkpoint: Path) -> torch.nn.Module:
    from htzoo.hub.open_model import open_model

    return open_model(str(checkpoint), ZooClassifier)


@pytest.mark.parametrize("cell", ["LSTM", "GRU", "RNN"])
def test_compress_a_state_dict(cell: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 5, 24)
    for batch_first in (False, True):  # which a state dict does not say, and neither whether it is ReLU
        unsaid = {"nonlinearity": "relu"} if cell == "RNN" and batch_first else {}
        layer = getattr(torch.nn, cell)(24, 16, 2, batch_first=batch_first, bidirectional=True, **unsaid)
        torch.save({"encoder.rnn." + key: value for key, value in layer.state_dict().items()}, tmp_path / "model.pt")
        small = tmp_path / f"small_{batch_first}"
        words = ["compress", str(tmp_path / "model.pt"), "-o", str(small), "--to", "tt", "--in-modes", "4,6"]
        words += ["--batch-first"] * batch_first + [f"--{key}={value}" for key, value in unsaid.items()]
        assert main([*words, "--out-modes", "4,4", "--rank", "16" if cell == "RNN" else "24"]) == 0
        printed = capsys.readouterr().out
        assert "weight_ih_l0  " in printed and "whole layer: " in printed and "times the speed" in printed
        assert f"takes ({'batch, time' if batch_first else 'time, batch'}, features)" in printed
        torch.testing.assert_close(
            htzoo.from_pretrained(small)(x)[0], layer(x)[0], atol=1e-5, rtol=1e-4
        )  # the ranks suffice: equal outputs


def test_compress_within_budgets(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    layer = torch.nn.LSTM(64, 64)
    torch.save(layer.state_dict(), tmp_path / "lstm.pt")
    words = ["compress", str(tmp_path / "lstm.pt"), "--to", "tt", "--budget", "10x", "--hidden-to", "ht"]
    assert main([*words, "--hidden-budget", "3000", "-o", str(tmp_path / "small"), "--json"]) == 0
    first, second = json.loads(capsys.readouterr().out)["weights"]
    assert 0 < first["after"] <= 64 * 256 / 10 and 0 < second["after"] <= 3000
    words = ["compress", str(tmp_path / "lstm.pt"), "--to", "tt", "--hidden-to", "tt", "--macs", "4x"]
    assert main([*words, "-o", str(tmp_path / "fast")]) == 0
    fast = htzoo.from_pretrained(tmp_path / "fast")
    for weight in (fast.weight_ih_l0, fast.weight_hh_l0):
        assert 0 < count_macs(weight.network, ROWS) <= 64 * 256 / 4
    capsys.readouterr()
    words = ["compress", str(tmp_path / "lstm.pt"), "--to", "ht", "--joint", "--budget", "1,500"]
    assert main([*words, "-o", str(tmp_path / "joint"), "--json"]) == 0
    (joint,) = json.loads(capsys.readouterr().out)["weights"]
    assert joint["name"] == "weight_l0" and joint["after"] <= 1500


def test_a_budget_is_of_what_is_there_now(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Ten times fewer than the weight has, and not than a dense one would have: a small model must not grow."""
    save_pretrained(small_model(), tmp_path / "small", sampling=SAMPLING)
    now = from_pretrained(tmp_path / "small").recurrent.weight_ih_l0.num_parameters
    words = ["compress", str(tmp_path / "small"), "--to", "tt", "-o"]
    assert main([*words, str(tmp_path / "half"), "--budget", "1.5x", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["weights"][0]["after"] <= now / 1.5
    assert main([*words, str(tmp_path / "large"), "--budget", str(10 * now)]) == 1
    assert f"--budget allows {10 * now:,} parameters, and there are {now:,} now" in capsys.readouterr().err
    assert main([*words, str(tmp_path / "none"), "--budget", "1e9x"]) == 1
    assert "stays within 1 parameters: the smallest" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["half", "small"]


def test_export(published: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "digits.pt2"
    assert main(["export", str(published), "-o", str(output)]) == 0
    assert "its logits differ from those of the model by at most" in capsys.readouterr().out
    model = from_pretrained(published)
    video = torch.randint(0, 256, (2, 5, 12, 16, 3), dtype=torch.uint8)
    facts = {"classes": "", "frame_size": "", "sampling": "", "multilabel": ""}
    found = torch.export.load(output, extra_files=facts).module()(video)
    assert {name: json.loads(text) for name, text in facts.items()} == {
        "classes": [*model.classes], "frame_size": [12, 16, 3], "sampling": vars(model.sampling), "multilabel": False,
    }  # fmt: skip
    torch.testing.assert_close(found, model(video), atol=1e-5, rtol=1e-4)
