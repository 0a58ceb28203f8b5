"""A timm CNN that turns frames into feature vectors."""

from __future__ import annotations

import hashlib
import pickle
from functools import lru_cache

import timm
import torch
from huggingface_hub.errors import LocalEntryNotFoundError
from timm.data import create_transform, resolve_model_data_config  # type: ignore[attr-defined]
from timm.data.transforms import MaybeToTensor
from torch import Tensor, nn
from torchvision.transforms import Compose, Normalize

from htzoo.models.backbone_weights import load_weights
from htzoo.names import did_you_mean


class Backbone(nn.Module):
    """Any timm model without its classifier, preparing frames as the model's own evaluation does.

    Resizing (interpolation, crop ratio, crop mode) and normalisation are those of timm's transform for the model,
    applied to whole tensors instead of single pictures. Frames that already have the network's input size are not
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

    def __init__(self, name: str, weights: str | None = None, frozen: bool = False) -> None:
        super().__init__()
        if not timm.is_model(name.partition(".")[0]):
            hint = did_you_mean(name, timm.list_models(), "timm.list_models() has the names")
            raise ValueError(f"backbone is {name!r}, which timm does not know: {hint}")
        self.name = name
        self.frozen = frozen
        if weights is None and torch.get_default_device().type == "meta":
            self.network = pickle.loads(_without_numbers(name))
        else:
            self.network = _published(name) if weights == "timm" else timm.create_model(name, num_classes=0)
        if weights not in (None, "timm"):
            load_weights(self.network, name, weights)
        config = resolve_model_data_config(self.network)  # type: ignore[no-untyped-call]
        self.num_features = int(self.network.head_hidden_size)
        # timm's own steps up to the conversion to a tensor, all of which take batches of uint8 tensors as well.
        self.input_size: tuple[int, int] = tuple(config["input_size"][1:])
        steps = create_transform(**config, is_training=False).transforms
        self.resize = Compose([step for step in steps if not isinstance(step, MaybeToTensor | Normalize)])
        for key in ("mean", "std"):  # on the CPU even where the weights have no numbers
            value = 255 * torch.tensor(config[key], device="cpu").reshape(-1, 1, 1)
            self.register_buffer(key, value, persistent=False)
        if frozen:
            self.requires_grad_(False)
            self.eval()

    def train(self, mode: bool = True) -> Backbone:
        """Training mode, unless the network is frozen."""
        super().train(mode and not self.frozen)
        return self

    def forward(self, frames: Tensor) -> Tensor:
        """Features (n, num_features) of frames (n, 3, height, width) with pixels 0 to 255."""
        if frames.shape[-2:] != self.input_size:
            frames = self.resize(frames)
        frames = frames.to(self.mean.dtype)
        features: Tensor = self.network((frames - self.mean) / self.std)
        return features

    def digest(self) -> str:
        """SHA-256 of the name and of every weight: what features depend on, beside the frames."""
        found = hashlib.sha256(self.name.encode())
        for key, value in self.network.state_dict().items():
            found.update(key.encode())
            found.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
        return found.hexdigest()


def _published(name: str) -> nn.Module:
    """A network with timm's weights, downloaded once."""
    try:
        return timm.create_model(name, pretrained=True, num_classes=0)
    except LocalEntryNotFoundError as error:
        raise FileNotFoundError(
            f"backbone_weights is 'timm', but the weights of {name} are not in the cache of the Hugging Face Hub and "
            "cannot be downloaded: connect to the network, or give a file of weights"
        ) from error


@lru_cache(maxsize=4)
def _without_numbers(name: str) -> bytes:
    """A network on the meta device, pickled: to draw weights without numbers, or to copy modules, takes far longer."""
    with torch.device("meta"):
        return pickle.dumps(timm.create_model(name, num_classes=0))
