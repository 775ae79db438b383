"""Networks as people write them, tiny, for tests of `Backbone.from_module`."""

import torch
from torch import nn
from torch.nn import functional as F

from crosspool.backbones import Backbone, load_backbone

SIDE = 48
MEAN, STD = (0.5, 0.4, 0.3), (0.2, 0.2, 0.25)


class Residual(nn.Module):
    """A skip connection, BatchNorm, in-place ReLUs and nested sequences."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 6, 3, stride=2, padding=1), nn.BatchNorm2d(6), nn.ReLU(inplace=True))
        self.block = nn.Sequential(
            nn.Sequential(nn.Conv2d(6, 6, 3, padding=1, bias=False), nn.BatchNorm2d(6), nn.ReLU(inplace=True)),
            nn.Conv2d(6, 6, 3, padding=1),
        )
        self.relu = nn.ReLU(inplace=True)
        self.head = nn.Conv2d(6, 8, 1)
        self.fc = nn.Linear(8, 3)

    def forward(self, x):
        x = self.stem(x)
        x = self.relu(x + self.block(x))
        x = self.relu(self.head(x))
        return self.fc(x.mean((2, 3)))


class Branching(nn.Module):
    """Functional ReLUs, and a pooling only of large inputs."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 5, 3, padding=1), nn.Conv2d(5, 6, 3)

    def forward(self, x):
        batch, _, height, _ = x.shape
        x = F.relu(self.a(x), inplace=True)
        if height > 100:
            x = F.relu(F.max_pool2d(x, 2))
        x = F.relu(self.b(x))
        x = F.relu_(self.c(x))
        return x.view(batch, len(x[0]), -1).mean(2)


class Shared(nn.Module):
    """One convolution that is called three times."""

    def __init__(self):
        super().__init__()
        self.stem, self.conv, self.fc = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3, padding=1), nn.Linear(4, 2)

    def forward(self, x):
        x = F.relu(self.stem(x))
        for _ in range(3):
            x = torch.relu(self.conv(x))
        return self.fc(F.adaptive_avg_pool2d(x, 1).flatten(1))


class Gate(nn.Module):
    """Decides by the numbers of a map, and so cannot be recorded."""

    def __init__(self):
        super().__init__()
        self.inner = nn.Conv2d(4, 4, 3, padding=1)

    def forward(self, x, *more):
        y = self.inner(x)
        return y * 2 if y.mean() > 0 else y - 1


class Gated(nn.Module):
    """A part that cannot be recorded amid parts that can."""

    def __init__(self):
        super().__init__()
        self.stem, self.before, self.after = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3), nn.Conv2d(4, 6, 3)
        self.gate, self.fc = Gate(), nn.Linear(6, 2)

    def forward(self, x):
        x = self.before(F.relu(self.stem(x))).relu()
        x = self.gate(x, 1, "two")
        return self.fc(self.after(x).relu().mean(dim=(-2, -1)))


class Standardised(nn.Conv2d):
    """A convolution that computes its weights, and calls the function."""

    def forward(self, x):
        weight = self.weight - self.weight.mean((1, 2, 3), keepdim=True)
        return F.conv2d(x, weight, self.bias, self.stride, self.padding, self.dilation, self.groups)


class Various(nn.Module):
    """Splits, joins, a weight norm, a transposed convolution, a plain tensor, and a module that is never called."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.left = nn.utils.parametrizations.weight_norm(nn.Conv2d(4, 4, 3, padding=1))
        self.right = Standardised(4, 4, 3, padding=1)
        self.up = nn.ConvTranspose2d(8, 4, 2, stride=2)
        self.last = nn.Conv2d(4, 5, 3, padding="same", dilation=2)
        self.unused = nn.Conv2d(4, 4, 1)
        self.scales = [torch.tensor([1.0, 2.0, 3.0, 4.0]).view(1, 4, 1, 1)]
        self.fc = nn.Linear(5, 2, bias=False)

    def forward(self, x):
        first, second = torch.chunk(F.silu(self.stem(x)), 2, dim=1)
        x = torch.cat([self.left(first).relu(), F.relu(self.right(second))], dim=1)
        x = F.leaky_relu(self.up(x), 0.1)
        x *= self.scales[0]
        x = torch.sigmoid(self.last(x))
        return self.fc(x.mean((2, 3)))


def seeded(build, seed=0):
    """A module with random numbers that are always the same, and BatchNorms that do something."""
    module: nn.Module
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = build()
        for part in module.modules():
            if isinstance(part, nn.BatchNorm2d):
                part.get_buffer("running_mean").uniform_(-0.3, 0.3)
                part.get_buffer("running_var").uniform_(0.5, 2)
    return module


def own_backbone(build, *, size=SIDE, **options):
    """A backbone of a module of this class, or of this one."""
    module = build if isinstance(build, nn.Module) else seeded(build)
    return Backbone.from_module(module, size=size, mean=MEAN, std=STD, **options)


class FixedSize(nn.Module):
    """A fully-connected layer that reads a whole map, so that no other size will do."""

    def __init__(self):
        super().__init__()
        self.stem, self.conv, self.fc = nn.Conv2d(3, 4, 3, stride=8), nn.Conv2d(4, 6, 3), nn.Linear(6 * 14 * 14, 2)

    def forward(self, x):
        return self.fc(F.relu(self.conv(F.relu(self.stem(x)))).flatten(1))


# --- functions that an operator may name: tests.own_modules:served


def served():
    return own_backbone(Residual, size=128, classes=["ant", "bee", "cow"], name="insects")


def served_at_one_size():
    return own_backbone(FixedSize, size=128, name="fixed")


def served_without_scores():
    maps_only = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.ReLU())
    return own_backbone(maps_only, size=128, name="maps")


def no_backbone():
    return seeded(Residual)


def known_by_name():
    return load_backbone("squeezenet1_1", "untrained")


def raising():
    raise KeyError("weights.pt")


def refused():
    return own_backbone(Residual, name="alexnet")
