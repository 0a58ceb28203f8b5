"""``htzoo bench`` as a user runs it."""

import json
from pathlib import Path

import pytest

from htzoo.cli.main import main

SMALL = ["--batch", "1", "--frames", "1", "--repeats", "1"]


def test_json_is_one_document(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    words = ["bench", "tt", "CP", "LowRank", "--json", "--picture", str(tmp_path / "bench.png"), *SMALL]
    assert main(words) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["command"] == "htzoo " + " ".join(words)
    assert {"cpu", "threads", "torch", "htzoo", "date", "python"} <= document.keys()
    (setting,) = document["settings"]
    rows = {row["name"]: row for row in setting["rows"]}
    assert rows["TensorTrain"]["input_parameters"] == 3360
    assert {name for name, row in rows.items() if not row["baseline"]} == {"TensorTrain", "CP", "LowRank"}
    assert rows["CP"]["memory"] < rows["torch.nn.LSTM"]["memory"]
    assert (tmp_path / "bench.png").read_bytes().startswith(b"\x89PNG")


def test_models_are_measured_with_their_own_sizes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "moving_digits_ht", *SMALL]) == 0
    printed = capsys.readouterr().out
    assert "LSTM 57,600 -> 256" in printed
    assert "| moving_digits_ht | 1,245 |" in printed


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["moving_digits_ht", "--setting", "cnn"], "--setting cnn is for formats"),
        (["--repeats", "0"], "'0' is not a whole number above zero"),
    ],
)
def test_wrong_command_line(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["bench", *words])
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err


def test_without_a_gpu(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert main(["bench", "--device", "cuda"]) == 1
    assert "device is 'cuda', but PyTorch sees no GPU here: give --device cpu" in capsys.readouterr().err
