"""Small networks, parts of them, and what can be asked of their engines."""

import threading

import torch
from torch import fx, nn
from torch.nn import functional as F

from crosspool.engines.choice import Programs
from crosspool.recorded_calls import Constant
from crosspool.tracing import trace

SIZE = 32
ALL = ("maps", "scores")
CPU = torch.device("cpu")


class ManyOperations(nn.Module):
    """An operation of each kind that convolutional networks have."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.depthwise = nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.dilated = nn.Conv2d(8, 8, 3, padding=2, dilation=2)
        self.gate = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(8, 8, 1), nn.Sigmoid())
        self.slopes, self.pool = nn.PReLU(8), nn.MaxPool2d(3, 2, ceil_mode=True)
        self.layer_norm = nn.LayerNorm(8)
        self.head = nn.Linear(16, 5)

    def forward(self, x):
        x = F.relu6(self.norm(self.first(x)))
        x = x + F.silu(self.depthwise(x))
        x = x * self.gate(x)
        x = F.gelu(self.layer_norm(x.permute(0, 2, 3, 1))).permute(0, 3, 1, 2)
        x = torch.cat([self.pool(self.slopes(self.dilated(x))), F.avg_pool2d(F.hardswish(x), 2)], dim=1)
        x = F.interpolate(x, scale_factor=2.0, mode="nearest")
        return x, self.head(x.mean((2, 3)))


def made(kind, seed=0):
    torch.manual_seed(seed)
    return kind().eval().requires_grad_(False)


def images(count, size=SIZE, seed=1):
    return torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(seed))


def programs(engine="auto", model=None, graph=None, fingerprint="a network"):
    """Of a network whose only part is all of it."""
    model = made(ManyOperations) if model is None else model
    graph = whole(model) if graph is None else graph
    return Programs(engine, model, CPU, lambda: fingerprint, lambda names, size: graph)


def whole(model):
    """The graph of a network, which yields a tuple."""
    graph = trace(model)
    output = next(iter(reversed(graph.nodes)))
    output.args = (tuple(output.all_input_nodes),)
    return graph


def two_steps(second) -> tuple[nn.Module, fx.Graph]:
    """A convolution, and a module that is one node whatever is in it."""
    torch.manual_seed(0)
    model, graph = nn.Sequential(nn.Conv2d(3, 4, 3), second).eval(), fx.Graph()
    graph.output((graph.call_module("1", (graph.call_module("0", (graph.placeholder("x"),)),)),))
    return model, graph


def with_constant(value) -> tuple[nn.Module, fx.Graph]:
    graph = fx.Graph()
    graph.output((graph.call_function(torch.add, (graph.placeholder("x"), graph.call_function(Constant(value)))),))
    return nn.Sequential(), graph


def all_ended():
    """Wait for what is measured behind."""
    for thread in threading.enumerate():
        if thread.name == "crosspool-engine":
            thread.join()
