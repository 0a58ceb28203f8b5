"""A timm CNN that turns frames into feature vectors."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Callable
from functools import cached_property, lru_cache
from typing import Any

import torch
from huggingface_hub.errors import LocalEntryNotFoundError
from torch import Tensor, nn

from htzoo.models.backbone_weights import load_weights
from htzoo.models.efficientnet_lite import EfficientNetLite0
from htzoo.names import did_you_mean


class Backbone(nn.Module):
    """Any timm model without its classifier, preparing frames as the model's own evaluation does.

    Resizing (interpolation, crop ratio, crop mode) and normalisation are those of timm's transform for the model,
    applied to whole tensors instead of single images. Frames that already have the network's input size are not
    resized, and so lose no border.

    Args:
        name: a timm model name, with or without a weight tag.
        weights: where the weights come from, see :func:`htzoo.models.backbone_weights.load_weights`; None draws them.
        frozen: whether the weights stay as they are. A frozen network is always in evaluation mode.

    Raises:
        ValueError: timm knows no such model, or the weights do not fit it.
        FileNotFoundError: the weights are not there.
    """

    mean: Tensor
    std: Tensor
    network: Any

    def __init__(self, name: str, weights: str | None = None, frozen: bool = False) -> None:
        super().__init__()
        self.name = name
        self.frozen = frozen
        loading = weights is None and torch.get_default_device().type == "meta"
        is_lite = name.partition(".")[0] == "tf_efficientnet_lite0"
        self.network = EfficientNetLite0() if loading and is_lite else _create(name, weights)
        self.num_features = int(self.network.head_hidden_size)
        self.data_config = _data_config(self.network)
        self.input_size: tuple[int, int] = tuple(self.data_config["input_size"][1:])
        for key in ("mean", "std"):  # on the CPU even if the weights are on the meta device
            value = 255 * torch.tensor(self.data_config[key], device="cpu").reshape(-1, 1, 1)
            self.register_buffer(key, value, persistent=False)
        if frozen:
            self.requires_grad_(False)
            self.eval()

    def train(self, mode: bool = True) -> Backbone:
        """Training mode, unless the network is frozen."""
        super().train(mode and not self.frozen)
        return self

    @cached_property
    def resize(self) -> Callable[[Tensor], Tensor]:
        """The steps of timm's transform before the conversion to a tensor; all of them take uint8 batches."""
        from timm.data import create_transform  # type: ignore[attr-defined]
        from timm.data.transforms import MaybeToTensor
        from torchvision.transforms import Compose, Normalize

        steps = create_transform(**self.data_config, is_training=False).transforms
        resize: Callable[[Tensor], Tensor] = Compose(
            [step for step in steps if not isinstance(step, MaybeToTensor | Normalize)]
        )
        return resize

    def forward(self, frames: Tensor) -> Tensor:
        """Features (n, num_features) of frames (n, height, width, 3) with pixels 0 to 255."""
        frames = frames.movedim(-1, 1)  # a view: the network sees its channels-last memory format
        if frames.shape[-2:] != self.input_size:
            frames = self.resize(frames)
        frames = frames.to(self.mean.dtype)
        features: Tensor = self.network((frames - self.mean) / self.std)
        return features

    def digest(self) -> str:
        """SHA-256 of the name and of every weight: what features depend on, apart from the frames."""
        found = hashlib.sha256(self.name.encode())
        for key, value in self.network.state_dict().items():
            found.update(key.encode())
            found.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
        return found.hexdigest()


def _create(name: str, weights: str | None) -> nn.Module:
    import timm

    if not timm.is_model(name.partition(".")[0]):
        hint = did_you_mean(name, timm.list_models(), "timm.list_models() has the names")
        raise ValueError(f"backbone is {name!r}, which timm does not know: {hint}")
    if weights == "timm":
        return _published(name)
    if weights is None and torch.get_default_device().type == "meta":
        empty: nn.Module = pickle.loads(_on_meta(name))
        return empty
    network: nn.Module = timm.create_model(name, num_classes=0)
    if weights is not None:
        load_weights(network, name, weights)
    return network


def _published(name: str) -> nn.Module:
    """A network with timm's weights, which are downloaded once."""
    import timm

    try:
        return timm.create_model(name, pretrained=True, num_classes=0)
    except LocalEntryNotFoundError as error:
        raise FileNotFoundError(
            f"backbone_weights is 'timm', but the weights of {name} are not in the cache of the Hugging Face Hub and "
            "cannot be downloaded: connect to the network, or give a file of weights"
        ) from error


@lru_cache(maxsize=4)
def _on_meta(name: str) -> bytes:
    """A network on the meta device, pickled: to build it anew, or to copy it, takes far longer."""
    import timm

    with torch.device("meta"):
        return pickle.dumps(timm.create_model(name, num_classes=0))


def _data_config(network: nn.Module) -> dict[str, Any]:
    """How a network expects its images: size, normalisation, and how to resize them."""
    if isinstance(network, EfficientNetLite0):
        return network.data_config
    from timm.data import resolve_model_data_config  # type: ignore[attr-defined]

    config: dict[str, Any] = resolve_model_data_config(network)  # type: ignore[no-untyped-call]
    return config
