"""htzoo models and htzoo info."""

import json
from pathlib import Path

import pytest

from htzoo.cli.main import main


def test_info_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", "ucf11_ht", "--json"]) == 0
    design = json.loads(capsys.readouterr().out)
    assert design["parameters"] == {
        "input_to_hidden": 1245, "hidden_to_hidden": 262144, "joint": 0, "bias": 1024, "classifier": 2827,
        "backbone": 0, "total": 267240,
    }  # fmt: skip
    assert (design["name"], design["dataset"], design["cell"], design["hidden_format"]) == (
        "ucf11_ht",
        "UCF11",
        "LSTM",
        None,
    )
    assert design["input_format"]["name"] == "HierarchicalTucker"
    assert design["published"]["accuracy"] == 0.872


def test_info_sheet_and_picture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = tmp_path / "new" / "net.png"
    assert main(["info", "ucf11_bt_r1", "--picture", str(picture)]) == 0
    sheet = capsys.readouterr().out
    assert "input to hidden               722     58,982,400    81,693x" in sheet
    assert "721 input-to-hidden parameters (correctly 722)" in sheet
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_info_of_a_configuration_of_ones_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own = tmp_path / "mine.yaml"
    own.write_text("parts: [fir]\nmodel: {init_args: {hidden_size: 10}}\n")
    assert main(["info", str(own), "--json"]) == 0
    design = json.loads(capsys.readouterr().out)
    assert (design["name"], design["hidden_size"], design["published"]) == ("mine", 10, None)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["infu", "ucf11_ht"], "no command 'infu': did you mean info"),
        (["info", "ucf11_hat"], "no model 'ucf11_hat': it is neither a name of the zoo, nor a folder"),
        (["info", "gone.yaml"], "config is 'gone.yaml', which is neither a file nor a known name"),
        (["models", "ucf11_hat"], "no model is called 'ucf11_hat': did you mean"),
        (["models", "ucf11_*", "--pretrained"], "no model with trained weights is called 'ucf11_*'"),
        (["bench", "ucf11_hat"], "no format or model 'ucf11_hat': did you mean ucf11_ht"),
        (["bench", "TensorTrane"], "did you mean TensorTrain"),
        (["fit", "--config", "ucf11_hat"], "config is 'ucf11_hat', which is neither a file nor a known name"),
        (["data", "lost"], "no subcommand 'lost' of data: did you mean list"),
        (["data", "prepare", "ucf12"], "no dataset 'ucf12': did you mean ucf11"),
        (["data", "check", "ucf12"], "no dataset 'ucf12': did you mean ucf11"),
        (["data", "show", "ucf12"], "no dataset 'ucf12': did you mean ucf11"),
        (["classify", "fir_hat", "a.mp4"], "no model 'fir_hat': it is neither"),
        (["export", "fir_hat", "-o", "fir.onnx"], "no model 'fir_hat': it is neither"),
        (["compress", "fir_hat", "--to", "tt", "--budget", "5x", "-o", "gone"], "no model 'fir_hat': it is neither"),
    ],
)
def test_a_name_that_is_not_known_is_a_wrong_command_line(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        status = main(words)
    except SystemExit as stop:
        status = int(stop.code or 0)
    (line,) = capsys.readouterr().err.splitlines()
    assert status == 2 and message in line and line.startswith("htzoo: ")


def test_a_file_that_is_not_there_is_a_failure(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", "gone.ckpt"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "gone.ckpt is no file: give a checkpoint" in line


def test_a_picture_is_a_png(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["info", "ucf11_ht", "--picture", "net.svg"])
    assert "--picture is 'net.svg': give a name that ends in .png" in capsys.readouterr().err


def test_models(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "fir_*"]) == 0
    head, *rows = capsys.readouterr().out.splitlines()
    assert head.split()[:2] == ["name", "dataset"]
    assert [row.split()[:5] for row in rows] == [
        ["fir_ht", "FIRAction", "LSTM", "HT", "835"],
        ["fir_lstm", "FIRAction", "LSTM", "dense", "196,608"],
        ["fir_tt", "FIRAction", "LSTM", "TT", "736"],
    ]
    assert [row.split()[-1] for row in rows] == ["yes", "213,703", "17,831"]
    assert main(["models", "fir_ht", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert f"{row['measured']['accuracy']:.3f}" in rows[0] and row["measured"]["clips"] == 840
    assert main(["models", "ytc_tt*", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [row["parameters"]["input_to_hidden"] for row in found] == [3392, 3328]
    assert not any(row["pretrained"] for row in found)
