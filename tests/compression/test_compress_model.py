"""Any module, one budget: what is replaced, what stays, and what is refused."""

import copy

import pytest
import torch
from torch import nn

import htzoo
from htzoo.compression import compress_model, plan
from htzoo.names import UnknownNameError
from htzoo.nn import GRU, LSTM, Embedding, Linear, Weight
from tests.compression.models import Normed, Shared, Tagger, trained, words


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize("to", ["auto", "tt", "lowrank"])
def test_every_weight_shares_the_budget(to: str) -> None:
    model = trained(Tagger())
    others = {key: value.clone() for key, value in model.state_dict().items() if key.startswith("norm")}
    small, report = compress_model(model, "4x", to=to)
    assert small is model
    kinds = (model.embedding, model.encoder["lstm"], model.gru, model.head[0], model.head[2])
    assert tuple(map(type, kinds)) == (Embedding, LSTM, GRU, Linear, Linear)
    names = {row.name for row in report.weights}
    assert {
        f"encoder.lstm.weight_{kind}_l{k}{end}" for kind in ("ih", "hh") for k in (0, 1) for end in ("", "_reverse")
    } < names
    assert {"embedding.weight", "gru.weight_hh_l0", "head.0.weight"} < names
    assert report.layers_after == parameters(model) - 32 <= report.layers_before / 4  # 32 of the norm
    assert report.layers_after > report.layers_before / 4.6
    assert any(isinstance(module, Weight) for module in model.encoder.modules())
    assert all(torch.equal(model.state_dict()[key], value) for key, value in others.items())
    model(words()[0]).sum().backward()


def test_ranks_that_suffice_change_nothing() -> None:
    """A model whose weights have rank 2 at most."""
    model = Tagger().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 2:
                u, s, v = torch.linalg.svd(parameter, full_matrices=False)
                parameter.copy_(u[:, :2] @ torch.diag(s[:2]) @ v[:2])
    expected = model(words()[0])
    needed = sum(2 * sum(p.shape) for n, p in model.named_parameters() if p.dim() == 2)
    biases = sum(p.numel() for n, p in model.named_parameters() if p.dim() == 1 and "norm" not in n)
    _, report = compress_model(model, needed + biases, to="lowrank", calibration=words())
    assert report.output_error < 1e-5
    torch.testing.assert_close(model(words()[0]), expected, atol=1e-5, rtol=1e-4)


def test_calibration_makes_the_outputs_closer() -> None:
    original = trained(Tagger())
    errors = {}
    for calibration in (None, words()):
        model = copy.deepcopy(original)
        _, report = compress_model(model, "6x", to="lowrank", calibration=calibration)
        outputs = [(model(batch), original(batch)) for batch in words()]
        errors[calibration is None] = (sum((a - b).square().sum() for a, b in outputs)).item()
        if calibration is not None:
            total = sum(b.square().sum() for _, b in outputs)
            assert report.output_error == pytest.approx((errors[False] / total.item()) ** 0.5, rel=1e-3)
    assert errors[False] < 0.5 * errors[True]


def test_layers_are_chosen_by_name_and_type() -> None:
    model = Tagger()
    _, report = compress_model(model, "3x", layers="encoder.*", types=["LSTM", "Linear"])
    assert {row.name.rpartition(".")[0] for row in report.weights} == {"encoder.lstm"}
    assert isinstance(model.gru, nn.GRU) and isinstance(model.embedding, nn.Embedding)
    model = Tagger()
    compress_model(model, "1.5x", types=["LSTM"], dense_hidden=True)
    assert isinstance(model.encoder["lstm"].weight_hh_l1_reverse, nn.Parameter)
    assert isinstance(model.encoder["lstm"].weight_ih_l1, Weight)


def test_a_layer_in_two_places_and_tied_weights() -> None:
    model = Shared()
    _, report = compress_model(model, "2x", to="lowrank", calibration=words(2, size=30))
    assert model.first is model.second and isinstance(model.first, LSTM)
    assert model.head.weight is model.table.weight and isinstance(model.table, nn.Embedding)
    assert report.skipped == {"table": "its weight is shared with head", "head": "its weight is shared with table"}


@pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")
def test_weight_norm_is_folded_and_attention_left_alone() -> None:
    model = trained(Normed())
    x = torch.randn(2, 5, 8)
    before = model(x)
    _, report = compress_model(model, "1.2x", to="lowrank", calibration=[x])
    assert type(model.lstm) is LSTM and model.lstm.proj_size == 6 and type(model.head) is Linear
    assert "attention.linear1" in report.skipped
    assert report.output_error == pytest.approx(((model(x) - before).norm() / before.norm()).item(), rel=1e-3)
    assert report.output_error < 0.3


def test_frozen_layers_half_precision_and_modes() -> None:
    model = Tagger().to(torch.bfloat16).train()
    model.gru.requires_grad_(False)
    compress_model(model, "3x")
    assert {value.dtype for value in model.state_dict().values()} == {torch.bfloat16}
    assert not any(parameter.requires_grad for parameter in model.gru.parameters())
    assert all(parameter.requires_grad for parameter in model.encoder.parameters())
    assert model.gru.training and model(words()[0]).dtype == torch.bfloat16


def test_a_layer_by_itself_and_one_that_is_small_already() -> None:
    layer = trained(nn.LSTM(16, 12, batch_first=True))
    small = htzoo.compress(layer, budget="3x")
    assert isinstance(small, LSTM) and isinstance(layer, nn.LSTM) and not isinstance(layer, LSTM)
    again = htzoo.compress(small, budget="2x")
    assert parameters(again) <= parameters(small) / 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"budget": "100000x"},
            r"budget allows 0 parameters, and the layers need [\d,]+ at least .* give [\d,]+ or more",
        ),
        ({"budget": "0.5x"}, "give fewer, or 2x for half"),
        ({"budget": "small"}, "budget is 'small': give a number of parameters"),
        ({"budget": "4x", "layers": "decoder.*"}, "no layers to compress: none of .* match 'decoder"),
        ({"budget": "4x", "types": ["Conv1d"]}, "types has 'Conv1d': give some of LSTM"),
        ({"budget": "4x", "to": "dense"}, "has no ranks to choose"),
        ({"budget": "4x", "calibration": []}, "calibration is empty"),
        ({"budget": "4x", "calibration": [torch.zeros(2, 3)]}, "calibration: the model fails on batch 0"),
    ],
)
def test_bad_requests_change_nothing(options: dict[str, object], message: str) -> None:
    model = Tagger()
    before = {name: id(module) for name, module in model.named_modules()}
    with pytest.raises(ValueError, match=message):
        compress_model(model, **options)
    assert before == {name: id(module) for name, module in model.named_modules()}


def test_what_is_not_finite_is_refused() -> None:
    layer = nn.LSTM(16, 12, batch_first=True)
    with pytest.raises(ValueError, match="calibration has values that are not finite, in batch 1"):
        compress_model(layer, "2x", calibration=[torch.zeros(2, 3, 16), torch.full((2, 3, 16), torch.nan)])
    layer.weight_hh_l0.data[0, 0] = torch.nan
    with pytest.raises(ValueError, match="outputs for batch 0 are not finite"):
        compress_model(layer, "2x", calibration=[torch.ones(2, 3, 16)])
    with pytest.raises(ValueError, match="weight_hh_l0 has values that are not finite"):
        compress_model(layer, "2x")
    with pytest.raises(UnknownNameError, match="no format 'tensortrian'"):
        compress_model(layer, "2x", to="tensortrian")
    with pytest.raises(ValueError, match="is a Conv2d that has no layers to compress"):
        compress_model(nn.Conv2d(2, 2, 3), "2x")
    with pytest.raises(ValueError, match="calibration is given without a budget"):
        htzoo.compress(layer, calibration=[torch.zeros(2, 3, 16)])
    with pytest.raises(ValueError, match="hidden_format and budget are both given"):
        htzoo.compress(layer, budget="2x", hidden_format=htzoo.formats.LowRank(2))


def test_plan_shows_shares_and_what_is_possible() -> None:
    model = Tagger()
    found = plan(model, words())
    rows = {row.name: row for row in found.layers}
    assert rows["embedding"].parameters == 101 * 16 and rows["embedding"].macs == 0
    assert rows["gru"].macs == 48 * (24 + 16)
    assert sum(row.share for row in rows.values()) == pytest.approx(1 - 32 / found.parameters)
    assert all(0 < row.time_share < 1 for row in rows.values())
    least = sum(row.least for row in rows.values())
    _, report = compress_model(model, least)
    assert report.layers_after == least
    assert found.best_layers == pytest.approx(report.layers_before / least)
    assert plan(Shared(), types=["LSTM"]).layers[0].milliseconds is None
