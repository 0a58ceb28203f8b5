"""The plain module: shapes, padding, scaling, counts."""

import pytest
import torch
from torch import Tensor, nn

from htzoo.models import VideoClassifier, count_parameters
from htzoo.models.pixel_scaling import scale_pixels

SMALL = {"name": "HierarchicalTucker", "in_modes": [6, 4, 6], "out_modes": [2, 2, 2], "leaf_rank": 2, "inner_rank": 2}
CLASSES = ["up", "down", "still"]


def clips(batch: int = 2, time: int = 5) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (batch, time, 6, 8, 3), dtype=torch.uint8, generator=generator)


def small(**options: object) -> VideoClassifier:
    torch.manual_seed(0)
    return VideoClassifier(CLASSES, (6, 8, 3), 8, input_format=SMALL, **options)


def test_published_whole_model_counts() -> None:
    """59.25 M for the dense LSTM and 0.266 M for HT on UCF11, where no LSTM bias is counted (VIB-LSTM, WACV 2021)."""
    ht = {"name": "HierarchicalTucker", "in_modes": [8, 10, 10, 9, 8], "out_modes": [4, 4, 2, 4, 2]}
    model = VideoClassifier(list(map(str, range(11))), input_format={**ht, "leaf_rank": 4, "inner_rank": 5})
    ours, dense = count_parameters(model), count_parameters(model, dense=True)
    assert ours["input_to_hidden"] == 1245
    assert ours["total"] == sum(p.numel() for p in model.parameters()) == sum(ours.values()) / 2
    assert dense["input_to_hidden"] == 58982400
    assert f"{(ours['total'] - ours['bias']) / 1e6:.3f}" == "0.266"
    assert f"{(dense['total'] - dense['bias']) / 1e6:.2f}" == "59.25"


def test_padding_changes_nothing() -> None:
    model = small().eval()
    video = clips(3, 7)
    lengths = torch.tensor([4, 7, 1])
    for k, length in enumerate(lengths):
        video[k, length:] = 0
    together = model(video, lengths)
    for k, length in enumerate(lengths):
        alone = model(video[k : k + 1, :length])
        assert torch.allclose(together[k], alone[0], atol=1e-5)


def test_full_lengths_equal_no_lengths() -> None:
    model = small().eval()
    assert torch.equal(model(clips(), torch.tensor([5, 5])), model(clips()))


def test_standardized_clips_have_mean_0_and_deviation_1() -> None:
    video = clips(3, 4)
    video[1, 2:] = 0
    features = scale_pixels(video, torch.tensor([4, 2, 4]), "standardized", 2.0)
    for values in (features[0], features[1, :2]):
        assert values.mean().item() == pytest.approx(0, abs=1e-5)
        assert values.std(correction=0).item() == pytest.approx(2, rel=1e-5)
    assert not scale_pixels(torch.full_like(video, 9), None, "standardized", 1.0).any()


@pytest.mark.parametrize(("level", "contrast"), [(128, 5.0), (250, 1.5)])
def test_faint_contrast_on_large_clips_is_not_drowned(level: int, contrast: float) -> None:
    noise = torch.randn(1, 16, 240, 320, 3, generator=torch.Generator().manual_seed(0)) * contrast
    video = (noise + level).round().clamp(0, 255).to(torch.uint8)
    features = scale_pixels(video, None, "standardized", 1.0)
    assert features.std(correction=0).item() == pytest.approx(1, rel=1e-4)
    assert features.mean().item() == pytest.approx(0, abs=1e-4)


def test_centered_pixels_and_their_order() -> None:
    """Published order: height, width, channel, the channel fastest."""
    video = clips(1, 1)
    features = scale_pixels(video, None, "centered", 0.5)[0, 0].reshape(6, 8, 3)
    assert features[2, 5, 1] == (float(video[0, 0, 2, 5, 1]) - 128) / 2


@pytest.mark.parametrize("scaling", ["standardized", "centered"])
def test_float_frames_give_the_same_and_stay_as_they_are(scaling: str) -> None:
    video = clips().float().requires_grad_()
    before = video.detach().clone()
    features = scale_pixels(video, None, scaling, 1.0)
    assert torch.equal(features, scale_pixels(clips(), None, scaling, 1.0))
    features.square().sum().backward()
    assert torch.equal(video.detach(), before)
    assert video.grad is not None


def test_input_dropout_is_one_mask_a_clip() -> None:
    model = small(input_dropout=0.5).train()
    seen: list[Tensor] = []
    model.recurrent.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    model(clips(1, 5))
    dropped = seen[0][0] == 0
    assert 0.3 < dropped.float().mean() < 0.7
    assert (dropped == dropped[:1]).all()


def test_timm_backbone() -> None:
    model = VideoClassifier(CLASSES, (40, 48, 3), 8, backbone="test_resnet").eval()
    video = torch.randint(0, 256, (2, 3, 40, 48, 3), dtype=torch.uint8)
    logits = model(video, torch.tensor([3, 2]))
    assert logits.shape == (2, 3)
    assert isinstance(model.backbone, nn.Module)
    counts = count_parameters(model)
    assert counts["backbone"] == sum(p.numel() for p in model.backbone.parameters()) > 0
    assert counts["total"] == sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"backbone": "resnet1888"}, r"backbone is 'resnet1888', .* did you mean resnet18"),
        ({"frame_size": (6, 9, 3)}, r"in_modes \(6, 4, 6\) multiply to 144, but the input has 162 features"),
        ({"hidden_format": {"name": "XT"}}, "hidden_format: no format 'XT'"),
    ],
)
def test_wrong_arguments_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        VideoClassifier(
            **{"classes": CLASSES, "frame_size": (6, 8, 3), "hidden_size": 8, "input_format": SMALL, **options}
        )


def test_wrong_frames_are_refused() -> None:
    with pytest.raises(ValueError, match=r"video has shape \(2, 5, 8, 6, 3\): give \(batch, time, 6, 8, 3\)"):
        small()(clips().transpose(2, 3))
    with pytest.raises(ValueError, match=r"video has shape \(2, 5, 3, 6, 8\): give \(batch, time, 6, 8, 3\)"):
        small()(clips().movedim(-1, 2))
    with pytest.raises(ValueError, match=r"video has shape \(1, 2, 3, 40, 48\): give \(batch, time, 40, 48, 3\)"):
        VideoClassifier(CLASSES, (40, 48, 3), 8, backbone="test_resnet")(torch.zeros(1, 2, 3, 40, 48))
