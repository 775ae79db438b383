"""Conversion in another process: what cannot be handed over or converted is refused with the reason."""

import sys

import pytest
import torch
from torch import nn

from crosspool.backbones import UNTRAINED, load, load_backbone
from crosspool.engines import conversion
from crosspool.engines.conversion import ConversionError, as_module, converted
from crosspool.engines.programs import CompiledProgram, Sessions
from crosspool.tracing import run_graph
from tests.engines.networks import SIZE, ManyOperations, images, made, two_steps, whole, with_constant
from tests.networks import hidden_network, spec_for


class OfMain(nn.Module):
    def forward(self, x):
        return x.relu()


OfMain.__module__, OfMain.__qualname__ = "__main__", "OfMain"


class NotForExport(nn.Module):
    def forward(self, x):
        if torch.compiler.is_exporting():
            raise ValueError("this is not for export")
        return x


class WithLambda(nn.Module):
    def __init__(self):
        super().__init__()
        self.odd = lambda x: x

    def forward(self, x):
        return self.odd(x)


def test_what_pickle_cannot_take_is_refused_without_a_process(monkeypatch):
    monkeypatch.setattr(conversion, "_run_child", lambda *_: pytest.fail("started"))
    with pytest.raises(ConversionError, match="cannot be handed to another process"):
        converted(*two_steps(WithLambda()), SIZE)


def test_a_class_of_the_script_itself_is_refused(monkeypatch):
    monkeypatch.setattr(sys.modules["__main__"], "OfMain", OfMain, raising=False)
    with pytest.raises(ConversionError, match=r"cannot be converted to ONNX \(AttributeError: .*OfMain"):
        converted(*two_steps(OfMain()), SIZE)


def test_what_torch_cannot_export_is_refused():
    with pytest.raises(ConversionError, match=r"cannot be converted to ONNX \(.*this is not for export"):
        converted(*two_steps(NotForExport()), SIZE)


def test_too_long_is_refused(monkeypatch):
    monkeypatch.setattr(conversion, "SECONDS", 0.0)
    with pytest.raises(ConversionError, match="took more than 0 seconds"):
        converted(*two_steps(nn.ReLU()), SIZE)


def test_constants_come_along():
    value = torch.arange(SIZE, dtype=torch.float32)
    data, batch = converted(*with_constant(value), SIZE), images(1)
    (given,) = CompiledProgram(lambda: data, Sessions())(batch)
    assert given.equal(batch + value)


def test_a_part_shares_its_parameters_and_leaves_the_graph_alone():
    model = made(ManyOperations)
    graph = whole(model)
    before, module = str(graph), as_module(model, graph)
    assert str(graph) == before
    assert module.get_parameter("first.weight") is model.get_parameter("first.weight")
    for given, expected in zip(module(images(1)), run_graph(model, graph, images(1)), strict=True):
        assert given.equal(expected)


def test_a_network_with_modules_of_torchvision_is_converted():
    """Also where the builds of torch and torchvision differ: its own normalisation is handed over as it is."""
    backbone = load_backbone("convnext_tiny", UNTRAINED, "cpu")
    pair = backbone.layer_pairs[0]
    graph, batch = backbone.architecture.subgraph((pair.lower, pair.upper), 128), images(1, 128)
    data = converted(backbone.model, graph, 128)
    outputs = CompiledProgram(lambda: data, Sessions())(batch)
    for given, expected in zip(outputs, run_graph(backbone.model, graph, batch), strict=True):
        assert (given - expected).abs().max() <= 1e-4 * expected.abs().max()


def test_dense_layers_are_converted_beside_the_usual_ones():
    """Which have the same parameters."""
    backbone = load(spec_for(hidden_network), UNTRAINED, "cpu")
    names = ("classifier_5", "dense_classifier_2", "dense_classifier_5")
    graph, batch = backbone.architecture.subgraph(names, 256), images(1, 256)
    data = converted(backbone.model, graph, 256)
    outputs = CompiledProgram(lambda: data, Sessions())(batch)
    for given, expected in zip(outputs, run_graph(backbone.model, graph, batch), strict=True):
        assert given.shape == expected.shape
        assert (given - expected).abs().max() <= 1e-4 * expected.abs().max()
