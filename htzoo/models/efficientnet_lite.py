"""EfficientNet-Lite0 without timm, whose import takes longer than all the rest of loading a published model."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from torch import Tensor, nn
from torch.nn.functional import pad, relu6

# (blocks, kernel size, stride, expansion, channels) of every stage; Tan and Le 2019, without squeeze-and-excitation.
_STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)


class EfficientNetLite0(nn.Module):
    """timm's ``tf_efficientnet_lite0`` with ``num_classes=0``: the same tensors by the same names, the same features.

    Attributes:
        head_hidden_size: how many features an image has.
        data_config: how it expects its images, as ``timm.data.resolve_model_data_config`` returns it.
    """

    head_hidden_size = 1280
    data_config: ClassVar[dict[str, Any]] = {
        "input_size": (3, 224, 224),
        "interpolation": "bicubic",
        "mean": (0.5, 0.5, 0.5),
        "std": (0.5, 0.5, 0.5),
        "crop_pct": 0.875,
        "crop_mode": "center",
    }

    def __init__(self) -> None:
        super().__init__()
        channels = 32
        self.conv_stem = _Convolution(3, channels, 3, 2)
        self.bn1 = _norm(channels)
        stages = []
        for blocks, kernel, stride, expansion, out in _STAGES:
            stage = []
            for k in range(blocks):
                stage.append(_Block(channels, out, kernel, stride if k == 0 else 1, expansion))
                channels = out
            stages.append(nn.Sequential(*stage))
        self.blocks = nn.Sequential(*stages)
        self.conv_head = _Convolution(channels, self.head_hidden_size, 1)
        self.bn2 = _norm(self.head_hidden_size)

    def forward(self, images: Tensor) -> Tensor:
        """Features (n, 1280) of normalised images (n, 3, height, width)."""
        x = self.blocks(relu6(self.bn1(self.conv_stem(images))))
        x = relu6(self.bn2(self.conv_head(x)))
        return nn.functional.adaptive_avg_pool2d(x, 1).flatten(1)


class _Block(nn.Module):
    """Expansion, depthwise convolution, projection. The tensors have timm's names, also where nothing is expanded."""

    def __init__(self, channels: int, out: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = channels * expansion
        depthwise = _Convolution(wide, wide, kernel, stride, groups=wide)
        projection = _Convolution(wide, out, 1)
        if expansion == 1:
            self.conv_dw, self.bn1 = depthwise, _norm(wide)
            self.conv_pw, self.bn2 = projection, _norm(out)
        else:
            self.conv_pw, self.bn1 = _Convolution(channels, wide, 1), _norm(wide)
            self.conv_dw, self.bn2 = depthwise, _norm(wide)
            self.conv_pwl, self.bn3 = projection, _norm(out)
        self.is_residual = stride == 1 and channels == out

    def forward(self, x: Tensor) -> Tensor:
        if hasattr(self, "conv_pwl"):
            y: Tensor = relu6(self.bn1(self.conv_pw(x)))
            y = self.bn3(self.conv_pwl(relu6(self.bn2(self.conv_dw(y)))))
        else:
            y = self.bn2(self.conv_pw(relu6(self.bn1(self.conv_dw(x)))))
        return y + x if self.is_residual else y


class _Convolution(nn.Conv2d):
    """Padded as TensorFlow does: the odd pixel of padding is behind."""

    def __init__(self, channels: int, out: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__(channels, out, kernel, stride, groups=groups, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        (kernel, _), (stride, _) = self.kernel_size, self.stride
        missing = [max((math.ceil(size / stride) - 1) * stride + kernel - size, 0) for size in x.shape[:1:-1]]
        y: Tensor = super().forward(pad(x, [side for all in missing for side in (all // 2, all - all // 2)]))
        return y


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)
