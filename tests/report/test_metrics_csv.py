from pathlib import Path

import pytest

from htzoo.report.metrics_csv import read_metrics


@pytest.fixture
def read(tmp_path):
    def read(text: str):
        path: Path = tmp_path / "metrics.csv"
        path.write_text(text)
        return read_metrics(path)

    return read


def test_sparse_rows(read):
    found = read("epoch,step,train/loss,val/loss,val/accuracy\n0,9,,2.0,0.25\n0,9,1.5,,\n1,19,,1.0,0.5\n1,19,0.5,,\n")
    assert found == {
        "val/loss": [(0, 2.0), (1, 1.0)],
        "val/accuracy": [(0, 0.25), (1, 0.5)],
        "train/loss": [(0, 1.5), (1, 0.5)],
    }


@pytest.mark.parametrize("text", ["", "epoch,step,train/loss\n"])
def test_empty(read, text):
    assert read(text) == {}


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_metrics(tmp_path / "none.csv")


def test_resumed_run_replaces_what_it_repeats(read):
    rows = [(0, 9, 4), (1, 19, 3), (2, 29, 2), (3, 39, 1), (1, 19, 30), (2, 29, 20)]
    found = read("epoch,step,val/loss\n" + "".join(f"{e},{s},{v}\n" for e, s, v in rows))
    assert found == {"val/loss": [(0, 4), (1, 30), (2, 20)]}  # epoch 3 was abandoned


def test_repeated_last_epoch(read):
    assert read("epoch,step,val/loss\n0,9,4\n1,19,3\n1,19,2\n") == {"val/loss": [(0, 4), (1, 2)]}


def test_resumed_within_an_epoch(read):
    # Killed at step 25 in epoch 1, resumed from the end of epoch 0 (step 9).
    found = read("epoch,step,train/loss\n0,9,8\n1,15,100\n1,25,100\n1,15,4\n1,19,2\n")
    assert found == {"train/loss": [(0, 8), (1, 3)]}


def test_without_steps_the_later_row_counts(read):
    assert read("epoch,val/loss\n0,3\n0,2\n") == {"val/loss": [(0, 2)]}


def test_several_steps_of_an_epoch_are_averaged(read):
    assert read("epoch,step,train/loss\n0,0,1\n0,1,2\n0,2,6\n") == {"train/loss": [(0, 3)]}


def test_learning_rate_rows_have_no_epoch(read):
    found = read("epoch,step,lr-AdamW,train/loss\n,0,0.1,\n0,9,,2\n,10,0.05,\n1,19,,1\n,20,0.01,\n")
    assert found["lr-AdamW"] == [(0, 0.1), (1, 0.05), (2, 0.01)]  # the last epoch was cut short


def test_learning_rate_alone(read):
    assert read("epoch,step,lr-AdamW\n,0,0.1\n") == {"lr-AdamW": [(0, 0.1)]}


def test_test_rows_do_not_give_others_their_epoch(read):
    found = read("epoch,step,lr-AdamW,train/loss,test/accuracy\n,0,0.1,,\n0,9,,2,\n,10,0.05,,\n0,0,,,0.9\n")
    assert found["lr-AdamW"] == [(0, 0.1), (1, 0.05)]
    assert found["test/accuracy"] == [(0, 0.9)]
    assert found["train/loss"] == [(0, 2)]


def test_broken_rows_are_skipped(read):
    header = "epoch,step,note,val/loss,val/accuracy\n"
    found = read(f"{header}0,9,hello,2.0,0.5\n{header}1,19,,1.0\n\n2,29,,x,")  # header again, cut rows, no number
    assert found == {"val/loss": [(0, 2.0), (1, 1.0)], "val/accuracy": [(0, 0.5)]}
