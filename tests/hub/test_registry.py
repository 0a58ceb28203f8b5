"""Models by name: counts, ratios and totals as published."""

import math

import pytest
import torch

import htzoo
from htzoo.configs import config_names
from htzoo.hub.model_info import read_info
from htzoo.models.published_results import PUBLISHED

COUNTS = {
    "ucf11_tt": 3_360, "ucf11_tt_gru": 3_232, "ucf11_bt_r1": 722, "ucf11_bt_r2": 1_472, "ucf11_bt": 3_392,
    "ucf11_tr": 1_725, "ucf11_ht": 1_245, "ucf11_kcp": 212, "ytc_tt": 3_392, "ytc_tt_gru": 3_328, "ytc_ht": 810,
    "hollywood2_tt": 3_104, "hollywood2_tt_gru": 2_944, "ucf11_cnn_tr": 663_552, "hmdb51_cnn_tr": 663_552,
    "ucf11_cnn_tr_tednet": 115_200, "ucf11_cnn_bt_tednet": 102_450, "ucf11_cnn_cp_tednet": 115_200,
    "ucf11_cnn_tt_tednet": 102_400, "ucf11_cnn_tucker_tednet": 94_880, "hmdb51_cnn_tr_pstrn_m": 359_232,
    "hmdb51_cnn_tr_pstrn_s": 483_840,
}  # fmt: skip
ROWS = [f"{data}_{row}" for data in ("ucf11", "ucf50") for row in ("lstm", "tt", "tt_gru", "bt", "tr", "ht", "kcp")]
ROWS += [f"{data}_cnn_{row}" for data in ("ucf11", "hmdb51", "ucf50") for row in ("lstm", "tr", "ht", "fdht")]
ROWS += ["ucf11_ht_fd", "ytc_lstm", "ytc_kcp", "moving_digits_cnn_ht", "moving_digits_cnn_lstm", *COUNTS]


def test_every_row_is_a_model() -> None:
    assert set(ROWS) <= set(htzoo.list_models())
    assert set(PUBLISHED) <= set(config_names())


@pytest.mark.parametrize(("name", "count"), COUNTS.items())
def test_published_counts(name: str, count: int) -> None:
    design, _ = read_info(name)
    assert design["parameters"]["input_to_hidden"] == count
    published = design["published"]
    assert published["corrected"] or published["parameters"] == count
    if published["ratio"]:
        step = 0.1 if published["ratio"] % 1 else 1  # printed ratios are rounded or cut off
        assert abs(design["compression"]["input_to_hidden"] - published["ratio"]) < step


@pytest.mark.parametrize(
    ("name", "millions"), [(n, p.model_parameters) for n, p in PUBLISHED.items() if p.model_parameters]
)
def test_published_totals_do_not_count_the_bias(name: str, millions: str) -> None:
    counts = read_info(name)[0]["parameters"]
    digits = len(millions.partition(".")[2])
    assert f"{(counts['total'] - counts['bias']) / 1e6:.{digits}f}" == millions


def test_whole_layers() -> None:
    counts = read_info("ucf11_ht_fd")[0]["parameters"]
    assert counts["input_to_hidden"] + counts["hidden_to_hidden"] + counts["bias"] < 9_000
    for name in htzoo.list_models("*_fdht"):
        design, _ = read_info(name)
        counts = design["parameters"]
        assert counts["input_to_hidden"] == counts["hidden_to_hidden"] == counts["bias"] == 0
        assert 3_132 <= counts["joint"] <= 8_808
        assert design["compression"]["recurrent"] == 33_554_432 / counts["joint"]


def test_macs() -> None:
    dense, _ = read_info("ucf11_lstm")
    assert dense["macs_per_frame"] == {"input_to_hidden": 58_982_400, "dense_input_to_hidden": 58_982_400}
    ours = read_info("ucf11_ht")[0]["macs_per_frame"]["input_to_hidden"]
    assert 8 * 256 <= ours < 58_982_400 / 10


def test_create_model_and_its_changes() -> None:
    model = htzoo.create_model("fir_ht", dropout=0.5)
    assert model.dropout.p == 0.5
    assert model(torch.zeros(1, 2, 16, 16, 3, dtype=torch.uint8)).shape == (1, 7)
    assert math.prod(model.frame_size) == model.recurrent.input_size


def test_patterns_and_unknown_names() -> None:
    assert htzoo.list_models("ytc_*t") == ["ytc_ht", "ytc_tt"]
    assert htzoo.list_models("nothing*") == []
    with pytest.raises(ValueError, match=r"no model 'ucf11_htt' in the zoo: did you mean .*ucf11_ht"):
        htzoo.create_model("ucf11_htt")
