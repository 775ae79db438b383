"""Tiny networks, backbones made of them, and the shipped samples, for tests that should be read at a glance."""

from functools import cache
from pathlib import Path

import torch
from torch import nn

from crosspool.backbones.structure import BackboneSpec
from crosspool.backbones.weights import WeightsFile
from crosspool.classifier_files import ClassifierSettings
from crosspool.framing import Preprocessing
from crosspool.images import load_image

SAMPLES = Path(__file__).resolve().parent.parent / "assets" / "samples"
PLAIN = Preprocessing(128, 1.0, "bilinear", (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
BY_HAND = ClassifierSettings(
    method="by hand", backbone="tiny", outputs=2, weights="untrained", fingerprint="", framing="squash",
    multi_label=False,
)  # fmt: skip


@cache
def sample(name="cat"):
    """A shipped sample photo."""
    return load_image(SAMPLES / f"{name}.jpg")


def spec_for(build, *, name="tiny", weights=None, classes=("first", "second")):
    """A backbone whose network is what `build()` makes."""
    return BackboneSpec(
        name=name,
        title=name.title(),
        preprocessing=PLAIN,
        parameters=0,
        weights=weights or WeightsFile(url=None, filename="nowhere.pth", megabytes=0.0, checksum="00000000"),
        weights_licence="none",
        build=lambda num_classes: build(),
        rename=lambda parameter: parameter,
        classes=lambda: classes,
    )


class Net(nn.Module):
    """Named parts and a function that joins them: Net(parts, lambda net, x: ...)."""

    def __init__(self, join, **parts):
        super().__init__()
        self.join = join
        for name, part in parts.items():
            self.add_module(name, part)

    def forward(self, x):
        return self.join(self, x)


def small_network():
    """Two convolutions, the second a layer pair of 4 channels under 5, and a fully-connected layer."""
    return Net(
        lambda net, x: net.last(net.second(net.first(x).relu()).relu().mean((2, 3))),
        first=nn.Conv2d(3, 4, 5, stride=16),
        second=nn.Conv2d(4, 5, 3, padding=1),
        last=nn.Linear(5, 2),
    )


def hidden_network():
    """Two hidden layers behind a 4x4 map of 3 channels at 128 pixels, 8x8 at 256, as AlexNet has them."""
    return Net(
        lambda net, x: net.classifier(torch.flatten(net.pool(net.features(x)), 1)),
        features=nn.Sequential(
            nn.Conv2d(3, 4, 8, stride=16), nn.ReLU(), nn.Conv2d(4, 3, 1), nn.ReLU(), nn.MaxPool2d(2)
        ),
        pool=nn.AdaptiveAvgPool2d(4),
        classifier=nn.Sequential(
            nn.Dropout(), nn.Linear(48, 5), nn.ReLU(), nn.Dropout(), nn.Linear(5, 6, bias=False), nn.ReLU(),
            nn.Linear(6, 2),
        ),
    )  # fmt: skip
